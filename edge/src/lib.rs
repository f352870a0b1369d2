//! The daemon in the store: it sees, recognises, counts, and forgets when told to.
//!
//! ```text
//! camera, pictures -> face -> Sighting -.
//! broker -> session -> inbound ---------+-> daemon (sync rules -> store, live gallery) -> reports, visits -> session -> broker
//! ```
//!
//! Architecture invariant: [`sync`] decides and touches nothing, [`daemon`] is one thread and the only writer, and
//! everybody else hands it [`input::Input`]s; only that a removed face leaves the live gallery is done by whoever hears of it.
//! No loop calls another.

pub mod camera;
pub mod cli;
pub mod clock;
pub mod daemon;
pub mod encryption;
pub mod face;
pub mod identity;
pub mod inbound;
pub mod input;
pub mod join;
pub mod live;
pub mod lock;
pub mod matching;
pub mod memory;
pub mod models;
pub mod notice;
pub mod presence;
pub mod session;
pub mod socket;
pub mod start;
pub mod status;
pub mod store;
pub mod sync;
pub mod watching;

pub use encryption::{Encryption, Fingerprint};
pub use face::{Decision, FaceVector, Grade, Thresholds};
pub use identity::Identity;
pub use input::Sighting;
pub use join::{Join, Plaintext, join};
pub use live::{Answer, Space, Verdict, Who};
pub use notice::Notice;
pub use start::{Edge, Eyepiece, Settings, start};
pub use status::Status;
