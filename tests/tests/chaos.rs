//! Twenty rounds of trouble with real programs; as many as one likes with `make chaos ROUNDS=200`.
#![allow(clippy::unwrap_used)]

use std::env;
use tests::{Database, chaos};

fn asked<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn ten_rounds_of_trouble_on_sqlite() {
    chaos::play(1, 10, Database::Sqlite);
}

#[test]
fn ten_rounds_of_trouble_on_postgres() {
    if Database::Postgres.available() {
        chaos::play(2, 10, Database::Postgres);
    }
}

#[test]
#[ignore = "make chaos asks for it, with ROUNDS and SEED"]
fn as_many_rounds_as_one_likes() {
    let (rounds, seed) = (asked("ROUNDS", 200), asked("SEED", 1));
    let on = env::var("ON").unwrap_or_default();
    let databases = [Database::Sqlite, Database::Postgres];
    let databases: Vec<_> = databases
        .into_iter()
        .filter(|database| on.is_empty() || on == format!("{database:?}"))
        .filter(|database| database.available())
        .collect();
    let share = rounds / databases.len();
    let figures = databases.iter().map(|database| chaos::play(seed, share, *database));
    println!("{}", figures.reduce(chaos::Figures::and).unwrap());
}
