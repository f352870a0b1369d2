//! The customers of a store.

use super::{
    page::{Page, show},
    store::{self, Store, Tab},
};
use crate::{
    app::App,
    clock, tables,
    web::{
        assets,
        extract::{Path, Query},
        local_time::LocalTime,
        refusal::Refusal,
    },
};
use askama::Template;
use axum::{extract::State, response::Response};
use protocol::{FaceId, LocationId, Name, UnixMs, message::Flag};
use serde::Deserialize;
use std::sync::Arc;

const ROWS: u32 = 50;

#[derive(Template)]
#[template(path = "customers.html")]
struct Customers {
    page: Page,
    store: Store,
    search: String,
    customers: Vec<Customer>,
    rows_words: String,
    first_path: Option<String>,
    next_path: Option<String>,
}

/// A customer as a page shows it. The face is not part of it.
pub struct Customer {
    pub face_id: FaceId,
    pub name: Name,
    pub flag: Flag,
    pub visits: i64,
    pub points: i64,
    pub last_seen: Option<LocalTime>,
}

impl Customer {
    /// What the page of `store` shows of a row, if it is live.
    pub fn of_row(row: &tables::customers::Customer, store: &Store, now: UnixMs) -> Option<Customer> {
        let live = row.live()?;
        Some(Customer {
            face_id: row.face_id.clone(),
            name: live.content.name.clone(),
            flag: live.content.flag,
            visits: live.visits,
            points: live.points,
            last_seen: live.last_seen_at.map(|at| store.local(at, now)),
        })
    }
}

#[derive(Deserialize)]
pub struct Question {
    #[serde(default)]
    q: String,
    #[serde(default)]
    offset: u32,
}

pub async fn list(
    State(app): State<Arc<App>>,
    Path(id): Path<LocationId>,
    Query(Question { q, offset }): Query<Question>,
) -> Result<Response, Refusal> {
    let location = store::found(&app, &id).await?;
    let (store, search, now) = (Store::new(&location, Tab::Customers), q.trim().to_owned(), clock::now());
    let mut rows =
        tables::customers::search(&mut app.db.read().await?, &id, &search, offset, ROWS + 1).await?;
    let more = rows.len() > ROWS as usize;
    rows.truncate(ROWS as usize);
    let customers: Vec<_> = rows.iter().filter_map(|row| Customer::of_row(row, &store, now)).collect();
    let path = |offset: u32| {
        let question = [("q", search.as_str()), ("offset", &offset.to_string())]
            .map(|(name, value)| format!("{name}={}", encoded(value)));
        format!("/stores/{id}/customers?{}", question.join("&"))
    };
    show(&Customers {
        page: Page::new(format!("Customers of {}", store.name)),
        rows_words: rows_words(offset, customers.len(), &search, location.totals.count),
        first_path: (offset > 0).then(|| path(0)),
        next_path: more.then(|| path(offset.saturating_add(ROWS))),
        search,
        customers,
        store,
    })
}

fn rows_words(offset: u32, rows: usize, search: &str, all: u64) -> String {
    let (first, last) = (u64::from(offset) + 1, u64::from(offset) + rows as u64);
    match (rows, search.is_empty()) {
        (0, _) => String::new(),
        (_, true) => format!("{first} to {last} of {all}"),
        (_, false) => format!("{first} to {last} found"),
    }
}

/// Percent-encodes what must not stand in a question as it is.
fn encoded(text: &str) -> String {
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    text.bytes()
        .map(|byte| if plain(&byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_search_survives_the_address() {
        for (text, expected) in
            [("Ada", "Ada"), ("a&q=b#c d", "a%26q%3Db%23c%20d"), ("é\"<", "%C3%A9%22%3C"), ("", "")]
        {
            assert_eq!(encoded(text), expected);
        }
    }
}
