//! How far one location has been published, ahead of what its table says.

use crate::tables::locations::Location;
use protocol::{LocationId, Seq, UnixMs};
use rumqttc::PublishNotice;
use tokio::sync::mpsc;

/// How far one location has been published.
#[derive(Debug)]
pub(super) struct Place {
    pub round: i64,
    /// Handed to the session.
    pub sent: Seq,
    pub head_sent: UnixMs,
    /// Told to people's mirror.
    pub announced: Seq,
    /// Acknowledged by the broker.
    pub acked: Seq,
    pub head_acked: UnixMs,
    /// What the table says.
    pub stored: (Seq, UnixMs),
    pub outstanding: usize,
}

impl Place {
    /// Where the table says.
    pub(super) fn at(location: &Location) -> Place {
        Place {
            round: location.publish_round,
            sent: location.published,
            head_sent: location.published_head,
            announced: location.announced,
            acked: location.published,
            head_acked: location.published_head,
            stored: (location.published, location.published_head),
            outstanding: 0,
        }
    }

    pub(super) fn to_store(&self) -> bool {
        self.stored != (self.acked, self.head_acked)
    }
}

/// Messages that were sent together.
#[derive(Debug)]
pub(super) struct Batch {
    pub location: LocationId,
    /// Every row up to this seq is in this batch or an earlier one.
    pub upto: Seq,
    /// The date of the head in it, or zero.
    pub head: UnixMs,
    pub generation: u64,
    pub count: usize,
    pub notices: Vec<PublishNotice>,
    pub acknowledged: bool,
}

/// Passes batches on in their order, each once the broker has acknowledged all of it or the session is lost.
pub(super) async fn acknowledged(
    mut waiting: mpsc::UnboundedReceiver<Batch>,
    done: mpsc::UnboundedSender<Batch>,
) {
    while let Some(mut batch) = waiting.recv().await {
        batch.acknowledged = true;
        for notice in batch.notices.drain(..) {
            batch.acknowledged &= notice.wait_completion_async().await.is_ok();
        }
        if done.send(batch).is_err() {
            return;
        }
    }
}
