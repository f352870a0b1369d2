//! Seeing: pictures in, faces with quality and embedding out, and who of them is worth a decision. Nothing of the
//! network, the store or the gallery's content is known here.
//!
//! ```text
//! Source -> Frame -> Eyes (detect -> look again -> align -> embed, measured) -> Face -> Tracker -> Sighting -> decide
//! ```
//!
//! Architecture invariant: `onnx.rs` is the only file that names the ONNX binding; everything after [`Eyes`] is pure
//! and takes the frame's time as an argument.

pub mod align;
pub mod content;
pub mod decide;
pub mod detect;
pub mod embed;
mod eyes;
pub mod frame;
pub mod geometry;
pub mod manifest;
pub mod model_file;
pub mod model_set;
pub mod onnx;
pub mod quality;
pub mod runtime;
pub mod second_look;
pub mod self_test;
pub mod sharpness;
pub mod source;
pub mod track;
pub mod vector;

pub use decide::{Decision, decide};
pub use eyes::{Eyes, EyesConfig, Face, Looks};
pub use frame::{Frame, FrameKind};
pub use geometry::{Point, Rect};
pub use manifest::{Gates, Manifest, Thresholds};
pub use model_file::ModelFile;
pub use model_set::{ModelSet, Unproven};
pub use quality::{Grade, Quality, Shortfall};
pub use source::{Source, SourceSpec, Unreadable};
pub use track::{Sighting, TrackId, Tracker};
pub use vector::FaceVector;
