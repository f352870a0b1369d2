//! One change on its way to the edges: which have it, and how many milliseconds after the commit.

use super::{
    page::{AfterChange, Page, show},
    pill::{Pill, Tone},
    store::{self, Store, Tab},
};
use crate::{
    app::App,
    clock,
    decide::progress::{EdgeProgress, Held},
    edges::{self, ChangeProgress},
    tables::{
        change_log::Verb,
        confirmations::{self, Confirmation},
        customers, erasures,
        receipts::{self, Stored},
    },
    web::{
        api::unknown_change,
        assets,
        extract::{Path, Query},
        local_time::LocalTime,
        refusal::Refusal,
    },
};
use askama::Template;
use axum::{extract::State, response::Response};
use protocol::{FaceId, LocationId, Name, Seq, UnixMs, message::Probe};
use std::sync::Arc;

/// For how long after a change its page looks again by itself, in milliseconds.
const LOOK_AGAIN_MS_MAX: i64 = 60_000;

#[derive(Template)]
#[template(path = "change.html")]
struct Change {
    page: Page,
    store: Store,
    seq: Seq,
    heading: &'static str,
    at: LocalTime,
    summary: String,
    tone: Tone,
    edges: Vec<Row>,
    /// The customer, while there is one.
    customer: Option<(FaceId, Name)>,
    /// Who was removed by this.
    removed: Option<FaceId>,
}

/// One edge.
#[derive(Debug, PartialEq, Eq)]
struct Row {
    name: String,
    state: Pill,
    after: String,
}

pub async fn show_change(
    State(app): State<Arc<App>>,
    Path((id, seq)): Path<(LocationId, u64)>,
    Query(after): Query<AfterChange>,
) -> Result<Response, Refusal> {
    let location = store::found(&app, &id).await?;
    let (store, now) = (Store::new(&location, Tab::Customers), clock::now());
    let progress = edges::change_progress(&app, &id, Seq(seq)).await?;
    let ChangeProgress { change, edges } = progress.ok_or_else(|| unknown_change(&id, seq))?;
    let mut tx = app.db.read().await?;
    let receipts = receipts::of_face(&mut tx, &id, &change.face_id).await?;
    let receipts = receipts
        .into_iter()
        .filter(|stored| stored.receipt.key.seq == change.seq && stored.receipt.key.epoch == change.epoch);
    let receipts: Vec<Stored> = receipts.collect();
    let row = customers::get(&mut tx, &id, &change.face_id).await?;
    let local = |at| store.local(at, now).text;
    let words = match erasures::get(&mut tx, &id, &change.face_id).await? {
        Some(done) if (done.erasure.epoch, done.erasure.seq) == (change.epoch, change.seq) => {
            confirmations::of_removal(&mut tx, &done.erasure).await?
        }
        _ => Vec::new(),
    };
    let row_of =
        |edge: &EdgeProgress| spoken(row_of(edge, change.verb, &receipts, local), edge, &words, local);
    let rows = edges.iter().map(row_of).collect();
    let (tone, summary) = summary(&edges, &receipts);
    let young = now.since(change.at) < LOOK_AGAIN_MS_MAX;
    let outstanding = edges.iter().any(|edge| matches!(edge.held, Held::Outstanding | Held::NotAsked));
    let refresh_s = (outstanding && young).then_some(1);
    show(&Change {
        page: Page { refresh_s, ..Page::new(format!("Change {seq} of {}", store.name)) }.saying(after.said()),
        seq: change.seq,
        heading: heading(change.verb),
        at: store.local(change.at, now),
        summary,
        tone,
        edges: rows,
        removed: (change.verb == Verb::Removed).then(|| change.face_id.clone()),
        customer: row.and_then(|row| Some((row.face_id.clone(), row.live()?.content.name.clone()))),
        store,
    })
}

fn heading(verb: Verb) -> &'static str {
    match verb {
        Verb::Enrolled => "New customer",
        Verb::Renamed => "New name",
        Verb::Flagged => "New flag",
        Verb::Edited => "New name and flag",
        Verb::Removed => "Removal",
        Verb::Merged => "Merged into another customer",
    }
}

fn row_of(edge: &EdgeProgress, verb: Verb, receipts: &[Stored], local: impl Fn(UnixMs) -> String) -> Row {
    let receipt = receipts.iter().find(|stored| stored.edge == edge.edge);
    let (state, after) = match edge.held {
        Held::Outstanding => (Pill::new(Tone::Warn, "not yet"), String::new()),
        Held::NotAsked => (Pill::new(Tone::Warn, "polls: has not asked for it yet"), String::new()),
        Held::Asked { at, after_ms } => {
            let words = format!("polls: asked for it {}, which proves nothing", local(at));
            (Pill::new(Tone::Calm, words), after_words(after_ms))
        }
        Held::Applied { after_ms, .. } => {
            let state = match (verb, receipt.map(|stored| stored.receipt.probe)) {
                (Verb::Removed, Some(Probe::Gone)) => Pill::new(Tone::Good, "forgotten, and checked"),
                (Verb::Removed, Some(Probe::NeverHeld)) => Pill::new(Tone::Good, "never held this face"),
                (_, Some(Probe::StillFound)) => Pill::new(Tone::Bad, "still finds this face"),
                (Verb::Removed, None) => Pill::new(Tone::Good, "forgotten"),
                _ => Pill::new(Tone::Good, "has it"),
            };
            (state, after_words(after_ms))
        }
    };
    Row { name: edge.name.clone(), state, after }
}

/// The same row where a box that polls has said that it has deleted the face.
fn spoken(row: Row, edge: &EdgeProgress, words: &[Confirmation], local: impl Fn(UnixMs) -> String) -> Row {
    let Some(word) = words.iter().find(|word| word.edge == edge.edge) else { return row };
    let text = format!("polls: says that it has deleted it, {}; not proved", local(word.at));
    Row { state: Pill::new(Tone::Calm, text), ..row }
}

/// How many edges have it, in a sentence.
fn summary(edges: &[EdgeProgress], receipts: &[Stored]) -> (Tone, String) {
    let faults = receipts.iter().filter(|stored| stored.receipt.probe == Probe::StillFound).count();
    if faults > 0 {
        let edges = if faults == 1 { "One edge still finds" } else { "Several edges still find" };
        return (Tone::Bad, format!("{edges} the removed face. Somebody must look at the box."));
    }
    let (polling, proving): (Vec<&EdgeProgress>, Vec<&EdgeProgress>) =
        edges.iter().partition(|edge| matches!(edge.held, Held::Asked { .. } | Held::NotAsked));
    let times = proving.iter().filter_map(|edge| match edge.held {
        Held::Applied { after_ms, .. } => Some(after_ms),
        _ => None,
    });
    let (have, slowest, all) = (times.clone().count(), times.max().unwrap_or(0), proving.len());
    let (tone, text) = match (have, all) {
        (_, 0) if polling.is_empty() => {
            return (Tone::Calm, "No edge takes part yet: none has joined this store.".to_owned());
        }
        (_, 0) => (Tone::Calm, String::new()),
        (1, 1) => {
            (Tone::Good, format!("The edge of this store has it, {} after the commit.", after_words(slowest)))
        }
        (have, all) if have == all => (
            Tone::Good,
            format!("All {all} edges have it, the slowest {} after the commit.", after_words(slowest)),
        ),
        (have, all) => {
            (Tone::Warn, format!("{have} of {all} edges have it. One that is away gets it when it is back."))
        }
    };
    let asked = polling.iter().filter(|edge| matches!(edge.held, Held::Asked { .. })).count();
    match (asked, polling.len()) {
        (_, 0) => (tone, text),
        (asked, all) => {
            let tone = tone.max(if asked == all { Tone::Calm } else { Tone::Warn });
            let boxes = if all == 1 { "box that polls has" } else { "boxes that poll have" };
            let polled = format!("{asked} of {all} {boxes} asked for it, which proves nothing.");
            (tone, format!("{text} {polled}").trim_start().to_owned())
        }
    }
}

/// Milliseconds as people read them.
fn after_words(ms: i64) -> String {
    match ms {
        0..10_000 => format!("{ms} ms"),
        10_000..120_000 => format!("{} s", ms / 1_000),
        120_000..7_200_000 => format!("{} min", ms / 60_000),
        _ => format!("{} h", ms / 3_600_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edge(after_ms: Option<i64>) -> EdgeProgress {
        let held =
            after_ms.map_or(Held::Outstanding, |after_ms| Held::Applied { at: UnixMs(after_ms), after_ms });
        EdgeProgress { edge: "e1".parse().unwrap(), name: "Door".into(), held }
    }

    #[test]
    fn the_sentence_counts_and_names_the_slowest() {
        for (edges, tone, text) in [
            (vec![], Tone::Calm, "No edge takes part yet: none has joined this store."),
            (vec![Some(12)], Tone::Good, "The edge of this store has it, 12 ms after the commit."),
            (
                vec![Some(12), Some(83)],
                Tone::Good,
                "All 2 edges have it, the slowest 83 ms after the commit.",
            ),
            (
                vec![Some(12), None],
                Tone::Warn,
                "1 of 2 edges have it. One that is away gets it when it is back.",
            ),
            (vec![Some(130_000)], Tone::Good, "The edge of this store has it, 2 min after the commit."),
        ] {
            let edges: Vec<_> = edges.into_iter().map(edge).collect();
            assert_eq!(summary(&edges, &[]), (tone, text.to_owned()));
        }
    }

    #[test]
    fn a_box_that_polls_is_counted_apart_and_proves_nothing() {
        let polls = |held| EdgeProgress { held, ..edge(None) };
        let asked = || polls(Held::Asked { at: UnixMs(7), after_ms: 7 });
        let not_asked = || polls(Held::NotAsked);
        for (edges, tone, text) in [
            (vec![asked()], Tone::Calm, "1 of 1 box that polls has asked for it, which proves nothing."),
            (
                vec![edge(Some(12)), asked()],
                Tone::Calm,
                "The edge of this store has it, 12 ms after the commit. 1 of 1 box that polls has asked for it, which \
                 proves nothing.",
            ),
            (
                vec![not_asked(), asked()],
                Tone::Warn,
                "1 of 2 boxes that poll have asked for it, which proves nothing.",
            ),
        ] {
            assert_eq!(summary(&edges, &[]), (tone, text.to_owned()));
        }
        let row = row_of(&asked(), Verb::Removed, &[], |at| format!("at {}", at.0));
        assert_eq!(
            (row.state.text.as_str(), row.state.tone),
            ("polls: asked for it at 7, which proves nothing", Tone::Calm)
        );
    }

    #[test]
    fn a_removal_is_never_called_forgotten_where_the_face_is_still_found() {
        use protocol::{
            Epoch,
            message::{Receipt, ReceiptKey},
        };
        let stored = |probe| Stored {
            edge: "e1".parse().unwrap(),
            receipt: Receipt {
                key: ReceiptKey { face_id: "f1".parse().unwrap(), epoch: Epoch(1), seq: Seq(1) },
                removed_at: UnixMs(0),
                probe,
            },
            stored_at: UnixMs(0),
            page: None,
        };
        for (after, probe, text) in [
            (None, None, "not yet"),
            (None, Some(Probe::Gone), "not yet"),
            (Some(5), None, "forgotten"),
            (Some(5), Some(Probe::Gone), "forgotten, and checked"),
            (Some(5), Some(Probe::NeverHeld), "never held this face"),
            (Some(5), Some(Probe::StillFound), "still finds this face"),
        ] {
            let receipts: Vec<_> = probe.map(stored).into_iter().collect();
            assert_eq!(row_of(&edge(after), Verb::Removed, &receipts, |_| String::new()).state.text, text);
            let is_fault = probe == Some(Probe::StillFound);
            assert_eq!(summary(&[edge(after)], &receipts).0 == Tone::Bad, is_fault);
        }
        assert_eq!(row_of(&edge(Some(5)), Verb::Renamed, &[], |_| String::new()).state.text, "has it");
    }
}
