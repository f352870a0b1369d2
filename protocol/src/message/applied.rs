//! What an edge says of itself. On `store/<location>/edges/<edge>/report`, not retained.

use super::{PAGE_ITEMS, ReceiptKey, Repair, Want};
use crate::{
    BadSignature, Digest, EdgeId, Epoch, LocationId, Nonce, PublicKey, Seq, Signature, SigningKey, SpaceId,
    UnixMs, bounded, codec::Message,
};
use serde::{Deserialize, Serialize};

/// One message of an edge to the website.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Report {
    /// What it holds.
    Applied(Box<SignedApplied>),
    /// It differs and asks where.
    Repair(Repair),
    /// It lacks these.
    Want(Want),
}

/// What an edge holds, has verified and has removed, at one moment. One page: every page repeats the state and
/// carries other receipts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Applied {
    /// The history `verified` counts in.
    pub epoch: Epoch,
    /// The highest seq at which a head's signature, digest and count were found right; 0 before the first.
    pub verified: Seq,
    /// The digest of the rows as they are now.
    pub digest: Digest,
    /// How many rows.
    pub count: u64,
    /// Where the edge stands.
    pub state: SyncState,
    /// Which start of the edge says so.
    pub start: Start,
    /// The space of the model it recognises with.
    pub space: SpaceId,
    /// The edge's clock. Never goes back within a start: of two reports the higher one is the newer.
    pub at: UnixMs,
    /// Until when recognition may go on without a newer head; 0 before the first.
    pub lease_until: UnixMs,
    /// Visits not settled yet.
    pub queued: u64,
    /// Messages that could not be read, since the start.
    pub refused: u64,
    /// Repairs begun since the start.
    pub repairs: RepairCounts,
    /// Removals that the website has not said it stored.
    #[serde(deserialize_with = "bounded::list::<PAGE_ITEMS, _, _>")]
    pub receipts: Vec<Receipt>,
}

/// Where an edge stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SyncState {
    /// It has no verified head yet.
    Filling,
    /// Its rows are those of the newest head it has.
    Verified,
    /// They are not, and the grace is over.
    Differs,
    /// Its lease has ended: it recognises nobody.
    Expired,
}

/// How often an edge has begun a repair since its start, by what made it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
pub struct RepairCounts {
    /// Its first fill was not complete.
    pub first_start: u32,
    /// It is behind: messages did not come.
    pub missed: u32,
    /// It has come to the head's seq with other rows than the website: they are damaged.
    pub digest: u32,
    /// A new epoch began.
    pub epoch: u32,
    /// Three completed repairs did not help: the cache was given up.
    pub quarantine: u32,
    /// The website asked.
    pub asked: u32,
}

impl RepairCounts {
    /// Each count with its reason: as a label for machines, and in words that follow on "so many repairs".
    pub fn by_reason(self) -> [(u32, &'static str, &'static str); 6] {
        let Self { first_start, missed, digest, epoch, quarantine, asked } = self;
        [
            (first_start, "first_start", "to fill itself"),
            (missed, "missed", "because messages did not come"),
            (digest, "digest", "because rows were damaged"),
            (epoch, "epoch", "after a new epoch"),
            (quarantine, "quarantine", "after its rows were given up"),
            (asked, "asked", "because the website asked"),
        ]
    }
}

/// Tells the starts of one edge apart, and an edge from its clone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Start {
    /// Goes up by one with every start.
    pub count: u64,
    /// Random, new at every start.
    pub nonce: Nonce,
}

/// That one face was removed, and what looking for it afterwards found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Receipt {
    /// The removal.
    pub key: ReceiptKey,
    /// The edge's clock when it was durable.
    pub removed_at: UnixMs,
    /// What the live gallery said when asked with the removed vector.
    pub probe: Probe,
}

/// The result of looking for a removed face with its own vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// The gallery no longer answers with this face.
    Gone,
    /// This edge held no vector of this face.
    NeverHeld,
    /// The gallery still answers with it. This is a fault, reported and not hidden.
    StillFound,
}

/// A report page with the edge's own signature.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedApplied {
    applied: Applied,
    signature: Signature,
}

const CONTEXT: &str = "regulars applied v1";

impl SignedApplied {
    /// Signs `applied` as the report of `edge` of `location`.
    pub fn sign(applied: Applied, location: &LocationId, edge: &EdgeId, key: &SigningKey) -> Self {
        let signature = key.sign(CONTEXT, &text(&applied, location, edge));
        Self { applied, signature }
    }

    /// The report, once its signature is right.
    ///
    /// # Errors
    /// When it was not signed by `key` for this edge of this location.
    pub fn verify(
        self,
        location: &LocationId,
        edge: &EdgeId,
        key: &PublicKey,
    ) -> Result<Applied, BadSignature> {
        key.verify(CONTEXT, &text(&self.applied, location, edge), &self.signature)?;
        Ok(self.applied)
    }
}

fn text(applied: &Applied, location: &LocationId, edge: &EdgeId) -> Vec<u8> {
    postcard::to_stdvec(&(location, edge, applied)).expect("ids and numbers always have a postcard form")
}

impl Message for Report {
    const MAX_BYTES: usize = 40 * 1024;
}
