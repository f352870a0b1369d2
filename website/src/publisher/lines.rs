//! The mirror under `view/`: JSON for people and their tools. No vector, and names only where the location says so.

use crate::tables::{
    change_log::Entry,
    customers::{Customer, State},
    locations::{Location, NamesInView},
};
use protocol::Topic;
use serde_json::json;

/// Each row, retained; a removed one clears its topic.
pub(super) fn customers<'a>(
    location: &'a Location,
    rows: &'a [Customer],
) -> impl Iterator<Item = (Topic, Vec<u8>)> + 'a {
    rows.iter().map(|row| {
        let topic = Topic::ViewCustomer(location.id.clone(), row.face_id.clone());
        let State::Live(live) = &row.state else { return (topic, Vec::new()) };
        let mut text = json!({
            "face_id": row.face_id,
            "seq": row.seq,
            "flag": live.content.flag,
            "space": live.content.space,
            "since": row.created_at,
            "changed_at": row.changed_at,
            "possible_duplicate_of": live.duplicate_of,
        });
        if location.names == NamesInView::Shown {
            text["name"] = json!(live.content.name);
        }
        (topic, text.to_string().into_bytes())
    })
}

/// One line a change. `rows` are the rows as they are now; a name stands beside its own last change only.
pub(super) fn changes<'a>(
    location: &'a Location,
    rows: &'a [Customer],
    news: &'a [Entry],
) -> impl Iterator<Item = (Topic, Vec<u8>)> + 'a {
    news.iter().map(|entry| {
        let mut text = json!({
            "seq": entry.seq,
            "at": entry.at,
            "change": entry.verb,
            "face_id": entry.face_id,
            "by": entry.actor,
        });
        let row = rows.iter().find(|row| row.seq == entry.seq).and_then(Customer::live);
        if let (NamesInView::Shown, Some(live)) = (location.names, row) {
            text["name"] = json!(live.content.name);
            text["flag"] = json!(live.content.flag);
        }
        (Topic::ViewChanges(location.id.clone()), text.to_string().into_bytes())
    })
}

/// The head, retained.
pub(super) fn head(location: &Location) -> (Topic, Vec<u8>) {
    let totals = &location.totals;
    let text = json!({
        "epoch": totals.epoch.to_string(),
        "seq": totals.seq,
        "count": totals.count,
        "digest": totals.digest.to_string(),
        "last_removal": totals.last_removal,
        "issued_at": location.issued_at,
        "lease_s": location.lease_s,
        "enrol": location.enrol,
    });
    (Topic::ViewHead(location.id.clone()), text.to_string().into_bytes())
}
