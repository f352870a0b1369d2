//! What happens in an edge, told at the moment it happens: for demonstrations, measurements and tests.

use protocol::{Digest, FaceId, Round, Seq};
use std::time::Instant;

/// One thing that happened. Holds no name and no face.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// The session with the broker began.
    Connected,
    /// It ended.
    Disconnected,
    /// The live gallery has the customer as of this seq.
    Learned {
        /// Who.
        face_id: FaceId,
        /// The seq of the change.
        seq: Seq,
    },
    /// The live gallery has lost the face: from now on it is not recognised.
    Forgotten {
        /// Who.
        face_id: FaceId,
        /// The seq of the removal.
        seq: Seq,
        /// When; whoever listens may hear of it later.
        at: Instant,
    },
    /// The rows were found right.
    Verified {
        /// At which seq.
        seq: Seq,
        /// Their digest.
        digest: Digest,
        /// How many they are.
        count: u64,
    },
    /// A signed report was given to the session.
    Reported {
        /// The verified floor it tells.
        verified: Seq,
        /// How many receipts it carries.
        receipts: usize,
    },
    /// A visit was written to the outbox.
    Counted {
        /// Who, unless counted without identity.
        face_id: Option<FaceId>,
    },
    /// The website has stored visits.
    Settled {
        /// How many.
        visits: usize,
    },
    /// Rows on the disk were not what had been stored: all were read again.
    Distrusts,
    /// A round of repair began.
    Repairs {
        /// Which.
        round: Round,
    },
    /// Rows were asked for in a repair.
    Wants {
        /// How many.
        rows: usize,
    },
    /// Repairs did not help: every row went.
    GivesUp,
}
