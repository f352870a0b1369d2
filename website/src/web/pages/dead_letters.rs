//! Visits of a store that can never be stored, with the reason.

use super::{
    edge_names::EdgeNames,
    page::{Page, show},
    pager::{Pager, ROWS},
    store::{self, Store, Tab},
};
use crate::{
    app::App,
    clock,
    tables::dead_letters,
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
use protocol::LocationId;
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct DeadLetters {
    page: Page,
    store: Store,
    letters: Vec<Row>,
    pager: Pager,
}

struct Row {
    edge: String,
    reason: &'static str,
    number: String,
    came_in: LocalTime,
}

#[derive(Deserialize)]
pub struct Question {
    #[serde(default)]
    offset: u32,
}

pub async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<LocationId>,
    Query(Question { offset }): Query<Question>,
) -> Result<Response, Refusal> {
    let location = store::found(&app, &id).await?;
    let (store, now) = (Store::new(&location, Tab::Visits), clock::now());
    let mut tx = app.db.read().await?;
    let part = Part::of(dead_letters::newest(&mut tx, &id, offset, one_more(ROWS)).await?, ROWS);
    let edges = EdgeNames::of(&mut tx, &id).await?;
    let row = |letter: dead_letters::DeadLetter| Row {
        edge: edges.name(&letter.edge),
        reason: reason_words(&letter.reason),
        number: format!("{} {}", letter.number.0, letter.number.1),
        came_in: store.local(letter.received_at, now),
    };
    let path = format!("/stores/{id}/dead-letters");
    let next = part.next_offset(offset, ROWS).map(|offset| format!("{path}?offset={offset}"));
    show(&DeadLetters {
        page: Page::new(format!("Dead letters of {}", store.name)),
        letters: part.rows.into_iter().map(row).collect(),
        pager: Pager::newest_first((offset > 0).then_some(path), next),
        store,
    })
}

fn reason_words(reason: &str) -> &'static str {
    match reason {
        "id_taken" => "a new face under an id that exists or existed",
        "unknown_space" => "a face of a model that no edge has registered",
        "wrong_dimension" => "a face of another length than its model makes",
        _ => "the database refused its content",
    }
}
