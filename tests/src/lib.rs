//! The stage on which the whole system is tried: real programs, started on free ports in temporary folders,
//! spoken to through their public doors.
#![allow(clippy::unwrap_used)]

mod broker;
pub mod chaos;
mod database;
mod edge_box;
mod face_data;
mod joined;
mod model_set;
mod people;
mod polling_box;
mod program;
mod quiet;
mod scene;
mod website;

pub use broker::Broker;
pub use edge_box::{EdgeBox, Shown};
pub use face_data::{FaceData, face_data};
pub use fault_proxy::{Fault, FaultProxy, Random};
pub use joined::Joined;
pub use model_set::{blind_models, blind_space};
pub use people::{noisy, person};
pub use polling_box::PollingBox;
pub use program::{Output, Program, run};
pub use quiet::Quiet;
pub use scene::{PLACE, Scene};
pub use test_kit::{Disk, Lack, skip, until};
pub use website::{Answer, Database, Website};
