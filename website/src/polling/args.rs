//! What the command line tells of a box that polls.

use crate::{edges::SpaceChoice, tables::spaces::Space};
use protocol::{SpaceId, message::Similarity};

/// What is told of a box that polls.
#[derive(Debug, clap::Args)]
pub struct PollingArgs {
    /// Its box is an older one that asks over HTTP what has changed: it is let in at once, by a token that is printed once.
    #[arg(long, conflicts_with = "print_code")]
    pub(crate) polling: bool,
    /// Print the token and nothing else.
    #[arg(long, requires = "polling")]
    pub(crate) print_token: bool,
    /// The space of its model: it gets the faces of no other. Without it the one of the location's customers, or the only
    /// one there is.
    #[arg(long, requires = "polling", value_name = "ID")]
    space: Option<SpaceId>,
    /// Components of a vector of that space, where no edge has registered it yet.
    #[arg(long, requires_all = ["space", "match_at", "new_below"], value_name = "N")]
    dimension: Option<usize>,
    /// The cosine from which on two of its faces are one person.
    #[arg(long = "match", requires = "dimension", value_name = "X")]
    match_at: Option<f32>,
    /// The cosine below which they are two.
    #[arg(long = "new", requires = "dimension", value_name = "Y")]
    new_below: Option<f32>,
}

impl PollingArgs {
    /// Which space its model has.
    pub(crate) fn space(&self) -> SpaceChoice {
        let Some(id) = self.space.clone() else { return SpaceChoice::Only };
        match (self.dimension, self.match_at, self.new_below) {
            (Some(dimension), Some(match_at), Some(new_below)) => SpaceChoice::Given(Space {
                id,
                dimension,
                match_at: Similarity::from_cosine(match_at),
                new_below: Similarity::from_cosine(new_below),
            }),
            _ => SpaceChoice::Named(id),
        }
    }
}
