//! From rows to messages.

use crate::tables::{
    customers::{Customer, State},
    locations::Location,
};
use protocol::{
    Epoch, LocationId, SigningKey,
    message::{Change, CustomerState, Head, SignedHead},
};

/// A row as edges get it.
pub fn change(epoch: Epoch, row: &Customer) -> Change {
    let state = match &row.state {
        State::Live(live) => CustomerState::Live(live.content.clone()),
        State::Removed { merged_into, at: _ } => CustomerState::Removed { merged_into: merged_into.clone() },
    };
    Change { epoch, face_id: row.face_id.clone(), seq: row.seq, state }
}

/// The head of a location as it was read.
pub fn head(location: &Location) -> Head {
    Head {
        epoch: location.totals.epoch,
        seq: location.totals.seq,
        count: location.totals.count,
        digest: location.totals.digest,
        last_removal: location.totals.last_removal,
        issued_at: location.issued_at,
        lease_s: location.lease_s,
        enrol: location.enrol,
        backed_up_at: location.backed_up_at,
    }
}

/// The head, signed.
pub fn signed_head(location: &Location, key: &SigningKey) -> SignedHead {
    let id: &LocationId = &location.id;
    SignedHead::sign(head(location), id, key)
}
