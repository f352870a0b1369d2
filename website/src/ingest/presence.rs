//! What an edge says of its connection, for people and for us.

use super::{Ingest, Sender};
use crate::{
    db::Tx,
    tables::edges::{self, Presence},
};
use protocol::UnixMs;
use serde::Deserialize;

/// The part of a presence message that the website needs; edges may say more.
#[derive(Debug, Clone, Deserialize)]
pub(super) struct Said {
    state: State,
    /// Goes up with every connection of the edge, so that a late will of an earlier one is told apart.
    session: u64,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Online,
    Offline,
}

impl Ingest {
    pub(super) async fn store_presence(
        &self,
        tx: &mut Tx,
        sender: &Sender,
        said: &Said,
        now: UnixMs,
    ) -> sqlx::Result<()> {
        let presence = match said.state {
            State::Online => Presence::Online,
            State::Offline => Presence::Offline,
        };
        edges::set_presence(tx, &sender.edge, &sender.location, said.session, presence, now).await.map(drop)
    }
}
