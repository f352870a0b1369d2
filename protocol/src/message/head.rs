//! The signed head: what a location's gallery must be.

use crate::{
    BadSignature, Digest, Epoch, LocationId, PublicKey, Seq, Signature, SigningKey, UnixMs, codec::Message,
};
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What every edge of a location must hold at `seq`. Retained, signed, on `store/<location>/customers`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Head {
    /// The history that `seq` counts in.
    pub epoch: Epoch,
    /// The location's counter when count and digest were read.
    pub seq: Seq,
    /// How many live rows.
    pub count: u64,
    /// The digest of the live rows.
    pub digest: Digest,
    /// The seq of the location's newest removal; a decision made on less may concern the removed person.
    pub last_removal: Seq,
    /// When the website signed this. Never goes back for one key: of two heads the higher one is the newer.
    pub issued_at: UnixMs,
    /// How long recognition may go on without a newer verified head, in seconds from `issued_at`.
    pub lease_s: u32,
    /// What an edge does with a face it does not know.
    pub enrol: EnrolPolicy,
    /// When the website's newest backup was begun; visits settled before it need not be kept any longer.
    pub backed_up_at: Option<UnixMs>,
}

/// What becomes of a face seen for the first time. Chosen with the location: there is no default, because in
/// many places enrolling faces without consent is unlawful.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EnrolPolicy {
    /// It becomes a customer.
    Auto,
    /// It waits until a manager accepts it.
    Approve,
    /// It is counted without identity; its vector never leaves the edge.
    Off,
}

/// The text is no enrol policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an enrol policy is one of auto, approve, off")]
pub struct ParseEnrolPolicyError;

impl EnrolPolicy {
    /// Every policy.
    pub const ALL: [EnrolPolicy; 3] = [EnrolPolicy::Auto, EnrolPolicy::Approve, EnrolPolicy::Off];

    /// `auto`, `approve` or `off`.
    pub fn as_str(self) -> &'static str {
        match self {
            EnrolPolicy::Auto => "auto",
            EnrolPolicy::Approve => "approve",
            EnrolPolicy::Off => "off",
        }
    }
}

impl fmt::Display for EnrolPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EnrolPolicy {
    type Err = ParseEnrolPolicyError;

    fn from_str(text: &str) -> Result<Self, ParseEnrolPolicyError> {
        EnrolPolicy::ALL.into_iter().find(|policy| policy.as_str() == text).ok_or(ParseEnrolPolicyError)
    }
}

/// A head with the website's signature over it and its location.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedHead {
    head: Head,
    signature: Signature,
}

const CONTEXT: &str = "regulars head v1";

impl SignedHead {
    /// Signs `head` as the one of `location`: a head moved to another location's topic does not verify.
    pub fn sign(head: Head, location: &LocationId, key: &SigningKey) -> Self {
        let signature = key.sign(CONTEXT, &text(&head, location));
        Self { head, signature }
    }

    /// The epoch it names. Nothing is proved by it; it only tells how much depends on the head.
    pub fn epoch_named(&self) -> Epoch {
        self.head.epoch
    }

    /// The head, once its signature is right.
    ///
    /// # Errors
    /// When it was not signed by `key` for `location`.
    pub fn verify(self, location: &LocationId, key: &PublicKey) -> Result<Head, BadSignature> {
        key.verify(CONTEXT, &text(&self.head, location), &self.signature)?;
        Ok(self.head)
    }
}

fn text(head: &Head, location: &LocationId) -> Vec<u8> {
    postcard::to_stdvec(&(location, head)).expect("ids and numbers always have a postcard form")
}

impl Message for SignedHead {
    const MAX_BYTES: usize = 1024;
}
