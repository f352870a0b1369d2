//! Counters and random numbers that must not be mixed up.

use serde::{Deserialize, Serialize};
use std::fmt;

macro_rules! number {
    ($(#[$doc:meta])* $name:ident, $format:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, $format, self.0)
            }
        }
    };
}

number! {
    /// One unbroken history of a location. Random; a new one begins whenever the history can have gone back.
    Epoch, "{:016x}"
}
number! {
    /// A location's change counter. Taken under the location's lock, so its order is the order of commits.
    Seq, "{}"
}
number! {
    /// One repair conversation. Random, new for every round.
    Round, "{:016x}"
}
number! {
    /// One start of an edge, as the number space of its visits. Random, so that neither a lost outbox nor a
    /// rolled-back image can use a number twice.
    StreamId, "{:016x}"
}
number! {
    /// One start of an edge, to tell it from a clone of itself. Random.
    Nonce, "{:016x}"
}

impl Seq {
    /// The seq after this one.
    pub fn next(self) -> Seq {
        Seq(self.0 + 1)
    }
}
