//! What an edge says, for the tests of the decisions.

use protocol::{
    Digest, Epoch, Nonce, Seq, UnixMs,
    message::{Applied, RepairCounts, Start, SyncState},
};

/// A report of an edge's first start that has verified `verified` of `epoch`, with nothing else in it.
pub(crate) fn report(epoch: u64, verified: u64) -> Applied {
    Applied {
        epoch: Epoch(epoch),
        verified: Seq(verified),
        digest: Digest::EMPTY,
        count: 0,
        state: SyncState::Verified,
        start: Start { count: 1, nonce: Nonce(1) },
        space: "m".parse().unwrap(),
        at: UnixMs(0),
        lease_until: UnixMs(0),
        queued: 0,
        refused: 0,
        repairs: RepairCounts::default(),
        receipts: Vec::new(),
    }
}
