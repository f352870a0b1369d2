//! The visits of a store, newest first.

use super::{
    edge_names::EdgeNames,
    page::{Page, show},
    pager::{Pager, ROWS},
    store::{self, Store, Tab},
};
use crate::{
    app::App,
    clock,
    db::Tx,
    tables::{
        self,
        visits::{Kind, Visit},
    },
    web::{
        assets,
        extract::{Path, Query},
        local_time::LocalTime,
        part::{Part, one_more},
        refusal::Refusal,
    },
};
use askama::Template;
use axum::{extract::State, response::Response};
use protocol::{FaceId, LocationId, Name, UnixMs};
use serde::Deserialize;
use std::{collections::HashMap, sync::Arc};

#[derive(Template)]
#[template(path = "visits.html")]
struct Visits {
    page: Page,
    store: Store,
    visits: Vec<Row>,
    pager: Pager,
}

struct Row {
    seen: LocalTime,
    /// The customer, where it is one still.
    customer: Option<(FaceId, Name)>,
    kind: &'static str,
    edge: String,
    came_in: String,
}

#[derive(Deserialize)]
pub struct Question {
    before: Option<i64>,
}

pub async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<LocationId>,
    Query(Question { before }): Query<Question>,
) -> Result<Response, Refusal> {
    let location = store::found(&app, &id).await?;
    let (store, now) = (Store::new(&location, Tab::Visits), clock::now());
    let mut tx = app.db.read().await?;
    let part = Part::of(tables::visits::newest(&mut tx, &id, before, one_more(ROWS)).await?, ROWS);
    let names = names(&mut tx, &id, &part.rows).await?;
    let edges = EdgeNames::of(&mut tx, &id).await?;
    let path = format!("/stores/{id}/visits");
    let next = part.rows.last().filter(|_| part.more).map(|(last, _)| format!("{path}?before={last}"));
    let visits = part.rows.into_iter().map(|(_, visit)| row(visit, &store, &names, &edges, now)).collect();
    show(&Visits {
        page: Page::new(format!("Visits of {}", store.name)),
        visits,
        pager: Pager::newest_first(before.map(|_| path), next),
        store,
    })
}

/// The names of the customers among `visits` who are live.
async fn names(
    tx: &mut Tx,
    id: &LocationId,
    visits: &[(i64, Visit)],
) -> Result<HashMap<FaceId, Name>, Refusal> {
    let mut names = HashMap::new();
    for face in visits.iter().filter_map(|(_, visit)| visit.face_id.as_ref()) {
        if names.contains_key(face) {
            continue;
        }
        let row = tables::customers::get(tx, id, face).await?;
        if let Some(live) = row.as_ref().and_then(tables::customers::Customer::live) {
            names.insert(face.clone(), live.content.name.clone());
        }
    }
    Ok(names)
}

fn row(visit: Visit, store: &Store, names: &HashMap<FaceId, Name>, edges: &EdgeNames, now: UnixMs) -> Row {
    let customer = visit.face_id.and_then(|face| names.get(&face).map(|name| (face.clone(), name.clone())));
    Row {
        seen: store.local(visit.seen_at, now),
        kind: kind_words(visit.kind, customer.is_some()),
        customer,
        edge: edges.name(&visit.edge),
        came_in: delay_words(visit.received_at.since(visit.seen_at).saturating_add(visit.clock_offset_ms)),
    }
}

/// What a visit was, besides or instead of a name.
fn kind_words(kind: Kind, is_customer: bool) -> &'static str {
    match (kind, is_customer) {
        (Kind::Known, true) => "",
        (Kind::Known | Kind::Merged, false) => "somebody removed since",
        (Kind::Enrolled, true) => "first visit",
        (Kind::Enrolled, false) => "first visit of somebody removed since",
        (Kind::Merged, true) => "recognised by the website",
        (Kind::Waiting, _) => "somebody new, waits for a manager",
        (Kind::Anonymous, _) => "somebody",
        (Kind::Untrusted, _) => "somebody new, not kept: the edge did not know of the newest removal",
        (Kind::Unknown, _) => "a face the website does not know",
        (Kind::LagHit, _) => "somebody removed, seen before the edge could know",
        (Kind::StaleHit, _) => "somebody removed, seen although the edge had confirmed it",
    }
}

/// How long after it was seen a visit came in, both by the website's clock.
fn delay_words(ms: i64) -> String {
    match ms {
        i64::MIN..2_000 => "at once".to_owned(),
        2_000..120_000 => format!("{} s later", ms / 1_000),
        120_000..7_200_000 => format!("{} min later", ms / 60_000),
        7_200_000..172_800_000 => format!("{} h later", ms / 3_600_000),
        _ => format!("{} days later", ms / 86_400_000),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delay_is_told_in_the_unit_that_fits() {
        for (ms, words) in [
            (-5, "at once"),
            (1_999, "at once"),
            (2_000, "2 s later"),
            (120_000, "2 min later"),
            (7_200_000, "2 h later"),
            (172_800_000, "2 days later"),
        ] {
            assert_eq!(delay_words(ms), words);
        }
    }
}
