//! The migrations are embedded in the program: a new file there must lead to a new program.
fn main() {
    println!("cargo:rerun-if-changed=migrations");
}
