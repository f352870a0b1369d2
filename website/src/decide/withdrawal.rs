//! What the erasure ledger demands of credentials: a backup must not make one open anything again that was taken back.

use super::difference::{self, Difference};
use protocol::UnixMs;
use std::fmt;

/// Names a credential without being of use to anybody: the SHA-256 of what the database keeps of it, which is itself a
/// hash.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Fingerprint(pub [u8; 32]);

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0[..4]))
    }
}

/// One credential that was taken back, as the ledger and the database both hold it: an API token that was revoked, a
/// password that was replaced or whose person was removed, the login of a box that another one has replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Withdrawal {
    /// Which credential.
    pub credential: Fingerprint,
    /// When, by the website's clock.
    pub at: UnixMs,
}

/// Compares the ledger with the withdrawals recorded in the database. A withdrawal is its credential: when it was made
/// differs once it was made again.
pub fn compare(ledger: &[Withdrawal], recorded: &[Withdrawal]) -> Difference<Withdrawal> {
    difference::compare(ledger, recorded, |withdrawal| withdrawal.credential)
}
