//! How the edge is, in numbers and in words.

use crate::{
    camera::CameraStatus,
    sync::{Diagnosis, Freshness},
};
use protocol::{
    UnixMs,
    message::{EnrolPolicy, RepairCounts, SyncState},
};
use serde::{Deserialize, Serialize};
use std::fmt;

/// Everything people and programs may want to know of an edge. Holds no name and no face.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The edge.
    pub edge: String,
    /// Its location.
    pub location: String,
    /// The location's name for people.
    pub location_name: String,
    /// Whether a daemon runs on the state folder.
    pub running: bool,
    /// Whether the broker is connected.
    pub connected: bool,
    /// Why not, in words.
    pub trouble: Option<String>,
    /// The camera it looks through, where it does.
    pub camera: Option<CameraStatus>,
    /// Why nothing can be stored, in words; what came meanwhile is not acknowledged.
    pub storage_trouble: Option<String>,
    /// Where it stands with the website's rows.
    pub state: SyncState,
    /// The epoch, 16 hexadecimal digits.
    pub epoch: Option<String>,
    /// The highest verified seq.
    pub verified: u64,
    /// The digest of the rows as they are, 32 hexadecimal digits.
    pub digest: String,
    /// How many rows.
    pub customers: u64,
    /// How many faces are recognised: rows of the edge's own model and its own new faces.
    pub recognised: usize,
    /// New faces the website has not answered for.
    pub provisional: usize,
    /// The edge's clock.
    pub now: UnixMs,
    /// How old its knowledge is.
    pub freshness: Freshness,
    /// Until when recognition goes on without a newer head.
    pub lease_until: Option<UnixMs>,
    /// What becomes of a new face.
    pub enrol: Option<EnrolPolicy>,
    /// Visits the website has not stored.
    pub visits_waiting: usize,
    /// Visits lost because too many waited.
    pub visits_lost: u64,
    /// Visits since the start that were not counted because they could not be stored.
    pub visits_not_stored: u64,
    /// Receipts of removals the website has not stored.
    pub receipts_waiting: usize,
    /// Receipts lost because too many waited.
    pub receipts_lost: u64,
    /// Messages that could not be read, since the start.
    pub refused: u64,
    /// Repairs begun since the start.
    pub repairs: RepairCounts,
    /// Why the rows were given up last, if they ever were: three repairs had not helped.
    pub given_up: Option<Diagnosis>,
    /// Why the cache was given up at the start.
    pub cache_lost: Option<String>,
    /// When every row had last been read back from the disk and was what had been stored; nothing else was found since.
    pub read_back_at: Option<UnixMs>,
    /// How often the edge has started.
    pub starts: u64,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "edge {} of {} ({})", self.edge, self.location_name, self.location)?;
        self.running(f)?;
        self.rows(f)?;
        self.lease(f)?;
        let Self { recognised, provisional, .. } = self;
        writeln!(f, "{recognised} faces recognised, {provisional} of them new and not confirmed")?;
        self.up(f)
    }
}

impl Status {
    fn running(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.running, self.connected, &self.trouble) {
            (false, ..) => writeln!(f, "not running: this is what its files say")?,
            (true, true, _) => writeln!(f, "running, connected to the website")?,
            (true, false, Some(why)) => writeln!(f, "running, not connected: {why}")?,
            (true, false, None) => writeln!(f, "running, not connected yet")?,
        }
        if let Some(camera) = &self.camera {
            writeln!(f, "{}", camera.line(self.now))?;
        }
        match &self.storage_trouble {
            Some(why) => writeln!(
                f,
                "it cannot store anything: {why}; it recognises for as long as its lease lasts, counts nothing, and tries again"
            ),
            None => Ok(()),
        }
    }

    /// Where its rows stand, and what was done to put them right.
    fn rows(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sync = match self.state {
            SyncState::Filling => "no verified state yet: it recognises nobody",
            SyncState::Verified => "in step with the website",
            SyncState::Differs => "differs from the website",
            SyncState::Expired => "its lease is over: it recognises nobody until the website is heard again",
        };
        writeln!(f, "{sync}; {} customers, verified at seq {}", self.customers, self.verified)?;
        for (times, _, why) in self.repairs.by_reason().into_iter().filter(|(times, ..)| *times > 0) {
            writeln!(f, "{times} repairs {why} since the start")?;
        }
        if let Some(given_up) = &self.given_up {
            let ago_s = self.now.since(given_up.at) / 1000;
            writeln!(f, "three repairs did not help {} ago: {} rows differed", span(ago_s), given_up.rows)?;
        }
        if let Some(why) = &self.cache_lost {
            writeln!(f, "its cache was given up at the start: {why}")?;
        }
        match self.read_back_at {
            Some(at) => {
                writeln!(f, "every row was read back from the disk {} ago", span(self.now.since(at) / 1000))
            }
            None => Ok(()),
        }
    }

    fn lease(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(until) = self.lease_until else { return Ok(()) };
        let left_s = until.since(self.now) / 1000;
        if left_s <= 0 {
            return writeln!(f, "the lease ended {} ago", span(-left_s));
        }
        let word = if self.freshness == Freshness::Stale { "stale: no head for long; " } else { "" };
        writeln!(f, "{word}recognition may go on for {} without the website", span(left_s))
    }

    /// What waits on its way up, and what was lost before it.
    fn up(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { visits_waiting, receipts_waiting, .. } = self;
        write!(f, "{visits_waiting} visits and {receipts_waiting} receipts wait for the website")?;
        let losses = [
            (self.visits_lost, "visits were lost because too many waited"),
            (self.visits_not_stored, "visits were not counted because they could not be stored"),
            (self.receipts_lost, "receipts were lost because too many waited"),
            (self.refused, "messages could not be read"),
        ];
        for (times, what) in losses.into_iter().filter(|(times, _)| *times > 0) {
            write!(f, "; {times} {what}")?;
        }
        Ok(())
    }
}

/// A span in the unit that people would use.
pub(crate) fn span(seconds: i64) -> String {
    match seconds {
        ..=119 => format!("{seconds} seconds"),
        120..=7_199 => format!("{} minutes", seconds / 60),
        // The usual lease of 72 hours is told in hours to its end: "2 days" would be a third less.
        7_200..=345_599 => format!("{} hours", seconds / 3_600),
        _ => format!("{} days", seconds / 86_400),
    }
}
