//! What the tests with random input and the fuzz targets drive: the decoders, and clients that send anything in any
//! order to a real broker. Not part of any build but theirs.

mod client;
mod decoders;
mod harness;
mod script;
#[cfg(test)]
mod tests;

pub use decoders::decode;
pub use harness::Harness;
