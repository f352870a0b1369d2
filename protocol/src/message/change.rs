//! What the website says of one customer.

use crate::{Embedding, Epoch, FaceId, Name, Seq, SpaceId, codec::Message};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// The whole current state of one customer. Retained on `store/<location>/customers/<face_id>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Change {
    /// The history that `seq` counts in.
    pub epoch: Epoch,
    /// Whose state this is.
    pub face_id: FaceId,
    /// The location's counter at this change. Only a higher one wins.
    pub seq: Seq,
    /// The state.
    pub state: CustomerState,
}

/// A customer is there, or no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum CustomerState {
    /// To be recognised.
    Live(Customer),
    /// To be forgotten.
    Removed {
        /// The customer that this one turned out to be, where it was merged and not erased.
        merged_into: Option<FaceId>,
    },
}

/// What an edge holds of a live customer. Points, notes and visit counts stay on the website.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Customer {
    /// As people call them; empty until somebody gave a name.
    pub name: Name,
    /// What the staff should see at once.
    pub flag: Flag,
    /// The space of `embedding`.
    pub space: SpaceId,
    /// The face.
    pub embedding: Embedding,
}

/// A mark that staff see when the customer comes in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flag {
    /// Nothing to say.
    #[default]
    None,
    /// Welcome.
    Green,
    /// Take care.
    Amber,
    /// Call somebody.
    Red,
}

/// The text is no flag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a flag is one of none, green, amber, red")]
pub struct ParseFlagError;

impl Flag {
    /// Every flag, mildest first.
    pub const ALL: [Flag; 4] = [Flag::None, Flag::Green, Flag::Amber, Flag::Red];

    /// `none`, `green`, `amber` or `red`.
    pub fn as_str(self) -> &'static str {
        match self {
            Flag::None => "none",
            Flag::Green => "green",
            Flag::Amber => "amber",
            Flag::Red => "red",
        }
    }
}

impl fmt::Display for Flag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Flag {
    type Err = ParseFlagError;

    fn from_str(text: &str) -> Result<Self, ParseFlagError> {
        Flag::ALL.into_iter().find(|flag| flag.as_str() == text).ok_or(ParseFlagError)
    }
}

impl Message for Change {
    const MAX_BYTES: usize = 8 * 1024;
}
