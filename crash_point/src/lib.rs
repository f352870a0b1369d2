//! Moments at which a power cut would be worst, by name. A program that is built for itself has none of this: without
//! the feature `armed`, which only the crate `tests` asks for, [`reach`] is an empty function.

/// Names the point to die at, and how often it is passed before: `edge_cache_committed` or `edge_cache_committed:3`.
pub const VARIABLE: &str = "REGULARS_CRASH_AT";

/// What a program says before it dies at a point; the point's name follows.
pub const DIED_AT: &str = "died at crash point ";

/// The one point that only a repair leads to.
pub const REPAIR: &str = "website_repair_before_answered";

/// Every point of the edge.
pub const EDGE: [&str; 11] = [
    "edge_ruled_before_stored",
    "edge_cache_committed",
    "edge_log_emptied",
    "edge_outbox_written",
    "edge_outbox_log_emptied",
    "edge_stored_before_acknowledged",
    "edge_acknowledged_before_reported",
    "edge_reported",
    "edge_visit_stored_before_face",
    "edge_faces_stored",
    "edge_visits_sent",
];

/// Every point of the website.
pub const WEBSITE: [&str; 7] = [
    "website_changed_before_published",
    "website_removed_before_ledger",
    "website_published_before_marked",
    "website_visits_stored_before_settled",
    "website_settled_before_acknowledged",
    "website_report_stored_before_answered",
    REPAIR,
];

/// Passes a point; dies there, without any goodbye, when a test has asked for it.
#[cfg(feature = "armed")]
pub fn reach(point: &str) {
    use std::sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    };
    static AT: OnceLock<Option<(String, AtomicU64)>> = OnceLock::new();
    let at = AT.get_or_init(|| {
        let asked = std::env::var(VARIABLE).ok()?;
        let (name, passes) = asked.split_once(':').unwrap_or((&asked, "0"));
        Some((name.to_owned(), AtomicU64::new(passes.parse().ok()?)))
    });
    assert!(EDGE.contains(&point) || WEBSITE.contains(&point), "the crash point {point} is in no list");
    if let Some((name, passes)) = at
        && name == point
        && passes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err()
    {
        eprintln!("{DIED_AT}{point}");
        std::process::abort();
    }
}

/// Passes a point: nothing happens.
#[cfg(not(feature = "armed"))]
#[inline(always)]
pub fn reach(_: &str) {}
