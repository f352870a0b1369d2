//! website
fn main() {}
