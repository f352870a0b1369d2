//! The stage on which the whole system is tried: real programs, started on free ports in temporary folders,
//! spoken to through their public doors.
#![allow(clippy::unwrap_used)]

mod edge_box;
mod face_data;
mod joined;
mod people;
mod program;
mod quiet;
mod until;
mod website;
mod wire;

pub use edge_box::EdgeBox;
pub use face_data::{FaceData, face_data};
pub use joined::Joined;
pub use people::{noisy, person};
pub use program::{Output, Program, run};
pub use quiet::Quiet;
pub use until::until;
pub use website::{Answer, Database, Website};
pub use wire::{Weather, Wire};
