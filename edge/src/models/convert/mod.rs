//! From an MXNet graph and its parameters to a network that ONNX Runtime reads: [`graph`] and [`params`] are read
//! strictly, [`mirrored`] translates and checks every shape, [`onnx_writer`] writes. Pure, bounded, and the same files
//! always give the same bytes: the manifest knows the result by its SHA-256 like any other file.

pub mod graph;
pub mod mirrored;
pub mod onnx_writer;
pub mod params;

pub use mirrored::mxnet_mirrored;
