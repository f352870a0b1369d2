//! How a person that a manager let in agreed to it. Goes with the customer.

use crate::{
    column,
    db::{Tx, on},
};
use protocol::{FaceId, LocationId, UnixMs};
use std::{fmt, str::FromStr};

/// How somebody agreed. Only these: a free text would hold names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum How {
    /// On paper, signed.
    Written,
    /// In the store, to the staff.
    Spoken,
    /// In an app or on a web page.
    Online,
}

impl How {
    /// Every way.
    pub const ALL: [How; 3] = [How::Written, How::Spoken, How::Online];

    /// `written`, `spoken` or `online`.
    pub fn as_str(self) -> &'static str {
        match self {
            How::Written => "written",
            How::Spoken => "spoken",
            How::Online => "online",
        }
    }
}

impl fmt::Display for How {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no way to agree.
#[derive(Debug, thiserror::Error)]
#[error("consent is one of written, spoken, online")]
pub struct ParseHowError;

impl FromStr for How {
    type Err = ParseHowError;

    fn from_str(text: &str) -> Result<Self, ParseHowError> {
        How::ALL.into_iter().find(|how| how.as_str() == text).ok_or(ParseHowError)
    }
}

/// That somebody agreed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Consent {
    /// How.
    pub how: How,
    /// Which manager or program wrote it down.
    pub actor: String,
    /// When.
    pub at: UnixMs,
}

/// Records it; the first record of a customer stays.
pub async fn insert(
    tx: &mut Tx,
    location: &LocationId,
    face_id: &FaceId,
    consent: &Consent,
) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query(
        "INSERT INTO consents (location, face_id, how, actor, at) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING")
        .bind(location.as_str()).bind(face_id.as_str()).bind(consent.how.as_str()).bind(consent.actor.as_str())
        .bind(consent.at.0).execute(conn).await.map(drop))
}

/// What was recorded of a customer.
pub async fn get(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<Option<Consent>> {
    let row: Option<(String, String, i64)> = on!(tx, conn => sqlx::query_as(
        "SELECT how, actor, at FROM consents WHERE location = $1 AND face_id = $2")
        .bind(location.as_str()).bind(face_id.as_str()).fetch_optional(conn).await)?;
    row.map(|(how, actor, at)| Ok(Consent { how: column::text(&how)?, actor, at: UnixMs(at) })).transpose()
}

/// The customer is gone.
pub async fn delete(tx: &mut Tx, location: &LocationId, face_id: &FaceId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("DELETE FROM consents WHERE location = $1 AND face_id = $2")
        .bind(location.as_str()).bind(face_id.as_str()).execute(conn).await.map(drop))
}
