//! The figures, one file each.

mod echo;
mod fan_out;
mod idle;
mod locations;
mod rate;
mod reconnect;
mod retained;

use crate::arena::Arena;
use crate::row::Row;
use anyhow::Result;
use clap::Subcommand;

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Figure {
    /// Messages a second from one publisher to one subscriber.
    OneToOne,
    /// Deliveries a second from one publisher to fifty subscribers.
    OneToFifty,
    /// How soon a thousand subscribers have a message.
    FanOut,
    /// How long a message takes there and back.
    Echo,
    /// What ten thousand idle connections take.
    Idle,
    /// What ten thousand locations take, and cost a subscriber of one.
    Locations,
    /// How soon a thousand clients are back, over TLS.
    Reconnect,
    /// How fast a new subscriber has a hundred thousand retained messages.
    Retained,
}

impl Figure {
    /// All of them, in the order of a report.
    pub const ALL: [Figure; 8] = [
        Figure::OneToOne,
        Figure::OneToFifty,
        Figure::FanOut,
        Figure::Echo,
        Figure::Idle,
        Figure::Locations,
        Figure::Reconnect,
        Figure::Retained,
    ];

    /// Measures every broker there is.
    pub async fn measure(self, arena: &Arena) -> Result<Vec<Row>> {
        match self {
            Figure::OneToOne => rate::one_to_one(arena).await,
            Figure::OneToFifty => rate::one_to_fifty(arena).await,
            Figure::FanOut => fan_out::measure(arena).await,
            Figure::Echo => echo::measure(arena).await,
            Figure::Idle => idle::measure(arena).await,
            Figure::Locations => locations::measure(arena).await,
            Figure::Reconnect => reconnect::measure(arena).await,
            Figure::Retained => retained::measure(arena).await,
        }
    }
}

/// Bytes of a message's payload wherever nothing else is said.
const PAYLOAD_BYTES: usize = 600;
/// What follows the number or the time at the beginning of a payload.
const FILLING: [u8; PAYLOAD_BYTES - 8] = [b'x'; PAYLOAD_BYTES - 8];

/// The number at the beginning of a payload.
fn head(payload: &[u8]) -> u64 {
    payload.first_chunk().map_or(u64::MAX, |head| u64::from_be_bytes(*head))
}
