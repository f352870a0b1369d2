//! What is wrong with an edge.

use crate::db::{Tx, on};
use protocol::{EdgeId, UnixMs};
use std::{fmt, str::FromStr};

/// Something about an edge that a person must look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Alarm {
    /// Nothing.
    None,
    /// It started with a lower start counter than it had: an old image of its disk.
    OldImage,
    /// Two boxes report under this edge's identity.
    Clone,
    /// It reported, again and again, changes that the website has not made.
    Ahead,
    /// It has joined anew since the backup was made that was restored: whatever box has its new login, the database does
    /// not know it.
    Rejoined,
    /// It recognised somebody it had confirmed as removed.
    StaleHit,
    /// After a removal its gallery still answered with the removed face.
    StillFound,
}

impl Alarm {
    const ALL: [Alarm; 7] = [
        Alarm::None,
        Alarm::OldImage,
        Alarm::Clone,
        Alarm::Ahead,
        Alarm::Rejoined,
        Alarm::StaleHit,
        Alarm::StillFound,
    ];

    /// Whether the edge is shut out until its box joins again: two boxes have its identity, one is an image of the
    /// past or has joined anew since, or it makes things up, and its word proves nothing.
    pub fn shuts_out(self) -> bool {
        matches!(self, Alarm::OldImage | Alarm::Clone | Alarm::Ahead | Alarm::Rejoined)
    }

    /// The alarm as the table has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Alarm::None => "none",
            Alarm::OldImage => "old_image",
            Alarm::Clone => "clone",
            Alarm::Ahead => "ahead",
            Alarm::Rejoined => "rejoined",
            Alarm::StaleHit => "stale_hit",
            Alarm::StillFound => "still_found",
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The text is no alarm.
#[derive(Debug, thiserror::Error)]
#[error("not the name of an alarm")]
pub struct ParseAlarmError;

impl FromStr for Alarm {
    type Err = ParseAlarmError;

    fn from_str(text: &str) -> Result<Self, ParseAlarmError> {
        Alarm::ALL.into_iter().find(|alarm| alarm.as_str() == text).ok_or(ParseAlarmError)
    }
}

/// Raises an alarm.
pub async fn set_alarm(tx: &mut Tx, id: &EdgeId, alarm: Alarm, now: UnixMs) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE edges SET alarm = $2, alarm_at = $3 WHERE id = $1")
        .bind(id.as_str()).bind(alarm.as_str()).bind(now.0).execute(conn).await.map(drop))
}

/// A person has seen to an alarm; tells whether there was one that a person may end. An edge that is shut out joins
/// again instead.
pub async fn end_alarm(tx: &mut Tx, id: &EdgeId) -> sqlx::Result<bool> {
    on!(tx, conn => sqlx::query(
        "UPDATE edges SET alarm = 'none', alarm_at = NULL WHERE id = $1 AND alarm IN ('stale_hit', 'still_found')")
        .bind(id.as_str()).execute(conn).await.map(|done| done.rows_affected() == 1))
}

/// A box has joined in the place of the one that something was wrong with.
pub async fn void_alarm(tx: &mut Tx, id: &EdgeId) -> sqlx::Result<()> {
    on!(tx, conn => sqlx::query("UPDATE edges SET alarm = 'none', alarm_at = NULL WHERE id = $1 AND alarm <> 'none'")
        .bind(id.as_str()).execute(conn).await.map(drop))
}
