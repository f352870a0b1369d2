//! Twenty rounds of trouble with real programs; as many as one likes with `make chaos ROUNDS=200`.
#![allow(clippy::unwrap_used)]

use std::env;
use tests::{Database, chaos};

/// Bytes on the wire are left to `make chaos`, because a location of 100,000 takes its time.
fn print(figures: &chaos::Figures) {
    println!("{figures}bytes on the wire: not measured here, make chaos does it");
}

fn asked<T: std::str::FromStr>(name: &str, otherwise: T) -> T {
    env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn ten_rounds_of_trouble_on_sqlite() {
    print(&chaos::play(1, 10, Database::Sqlite));
}

#[test]
fn ten_rounds_of_trouble_on_postgres() {
    if Database::Postgres.available() {
        print(&chaos::play(2, 10, Database::Postgres));
    }
}

#[test]
#[ignore = "make chaos asks for it, with ROUNDS and SEED"]
fn as_many_rounds_as_one_likes() {
    let (rounds, seed) = (asked("ROUNDS", 200_usize), asked("SEED", 1));
    let on = env::var("ON").unwrap_or_default();
    let databases = [Database::Sqlite, Database::Postgres];
    let databases: Vec<_> = databases
        .into_iter()
        .filter(|database| on.is_empty() || on == format!("{database:?}"))
        .filter(|database| database.available())
        .collect();
    let share = rounds.div_ceil(databases.len());
    let figures = databases.iter().map(|database| chaos::play(seed, share, *database));
    print!("{}", figures.reduce(chaos::Figures::and).unwrap());
}
