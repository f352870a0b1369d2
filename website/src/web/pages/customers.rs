//! The customers of a store.

use super::{
    page::{Page, show},
    pager::{Pager, ROWS},
    store::{self, Store, Tab},
};
use crate::{
    app::App,
    clock, tables,
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
use protocol::{FaceId, LocationId, Name, UnixMs, message::Flag};
use serde::Deserialize;
use std::sync::Arc;

#[derive(Template)]
#[template(path = "customers.html")]
struct Customers {
    page: Page,
    store: Store,
    search: String,
    customers: Vec<Customer>,
    pager: Pager,
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
    let mut tx = app.db.read().await?;
    let part =
        Part::of(tables::customers::search(&mut tx, &id, &search, offset, one_more(ROWS)).await?, ROWS);
    let customers: Vec<_> = part.rows.iter().filter_map(|row| Customer::of_row(row, &store, now)).collect();
    let path = |offset: u32| {
        let question = [("q", search.as_str()), ("offset", &offset.to_string())]
            .map(|(name, value)| format!("{name}={}", encoded(value)));
        format!("/stores/{id}/customers?{}", question.join("&"))
    };
    let (first, next) = ((offset > 0).then(|| path(0)), part.next_offset(offset, ROWS).map(path));
    let rows_words = rows_words(offset, customers.len(), &search, location.totals.count);
    show(&Customers {
        page: Page::new(format!("Customers of {}", store.name)),
        pager: Pager::in_order(first, next, rows_words),
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
