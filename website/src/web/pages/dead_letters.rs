//! Visits of a store that can never be stored, with the reason.

use super::{
    page::{Page, show},
    store::{self, Store, Tab},
};
use crate::{
    app::App,
    clock,
    tables::{dead_letters, edges},
    web::{
        assets,
        extract::{Path, Query},
        local_time::LocalTime,
        refusal::Refusal,
    },
};
use askama::Template;
use axum::{extract::State, response::Response};
use protocol::{EdgeId, LocationId};
use serde::Deserialize;
use std::{collections::HashMap, sync::Arc};

const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "dead_letters.html")]
struct DeadLetters {
    page: Page,
    store: Store,
    letters: Vec<Row>,
    first_path: Option<String>,
    next_path: Option<String>,
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
    let mut found = dead_letters::newest(&mut tx, &id, offset, ROWS + 1).await?;
    let more = found.len() > ROWS as usize;
    found.truncate(ROWS as usize);
    let edges = edges::of_location(&mut tx, &id).await?;
    let names: HashMap<EdgeId, String> = edges.into_iter().map(|edge| (edge.id, edge.name)).collect();
    let row = |letter: dead_letters::DeadLetter| Row {
        edge: names.get(&letter.edge).cloned().unwrap_or_else(|| letter.edge.to_string()),
        reason: reason_words(&letter.reason),
        number: format!("{} {}", letter.number.0, letter.number.1),
        came_in: store.local(letter.received_at, now),
    };
    let path = format!("/stores/{id}/dead-letters");
    show(&DeadLetters {
        page: Page::new(format!("Dead letters of {}", store.name)),
        letters: found.into_iter().map(row).collect(),
        first_path: (offset > 0).then(|| path.clone()),
        next_path: more.then(|| format!("{path}?offset={}", offset.saturating_add(ROWS))),
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
