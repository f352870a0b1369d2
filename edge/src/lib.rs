//! The daemon in the store: it sees, recognises, counts, and forgets when told to.
//!
//! ```text
//! camera, pictures -> face -> Sighting -.
//! broker -> session -> inbound ---------+-> rules task (sync, live gallery) -> reports, visits -> session -> broker
//!                                             |  batches          ^  what was stored
//!                                             '-> storage thread (store)
//! ```
//!
//! Architecture invariant: [`sync`] decides and touches nothing; of the two halves of [`daemon`] one rules and is the only
//! writer of the live gallery, and the other is the only one that touches the files. Everybody else hands the rules task
//! [`input::Input`]s and sightings. No loop calls another.

pub mod camera;
pub mod cli;
pub mod clock;
pub mod daemon;
pub mod encryption;
pub mod face;
pub mod heads;
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
