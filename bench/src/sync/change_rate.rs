//! What seq, digest and log cost: changes a second, one after the other, beside bare updates of one row.

use super::{people, postgres::Postgres, stage};
use crate::arena::Name;
use crate::row::{Row, Want};
use anyhow::{Context as _, Result, bail};
use protocol::{
    LocationId,
    message::{EnrolPolicy, Flag, Similarity},
};
use sqlx::{PgPool, SqlitePool};
use std::{path::Path, sync::Arc, time::Instant};
use website::{
    App, Settings,
    changes::{Edit, Held, Newcomer, edit},
    clock,
    db::Db,
    locations,
    points::Points,
    tables::{customers::Tally, spaces},
};

const CUSTOMERS: usize = 1_000;
/// Transactions of one measurement, of each kind.
const TRANSACTIONS: usize = 500;

/// Both databases, in turn with the bare updates, which have the same durability.
pub async fn measure(samples: usize) -> Result<Vec<Row>> {
    let folder = tempfile::tempdir()?;
    let mut rows = vec![of(folder.path(), "SQLite", None, samples).await?];
    match Postgres::start()? {
        Some(postgres) => {
            rows.push(of(folder.path(), "PostgreSQL", Some(postgres.url.clone()), samples).await?)
        }
        None => println!("skipped, because PostgreSQL is not installed: apt-get install postgresql"),
    }
    Ok(rows)
}

async fn of(folder: &Path, name: &str, url: Option<String>, samples: usize) -> Result<Row> {
    let figure = format!("{name}: change transactions, beside bare updates");
    let mut row = Row::new(figure, "1/s", Want::TimesAtLeast(0.5));
    let settings = Settings { database_url: url, ..Settings::new(folder.join(name)) };
    let app = App::open(settings).await?;
    let location = fill(&app).await?;
    let bare = Bare::make(&app.db).await?;
    for sample in 0..=samples {
        let began = Instant::now();
        for n in 0..TRANSACTIONS {
            bare.update(n).await?;
        }
        let bare = TRANSACTIONS as f64 / began.elapsed().as_secs_f64();
        let flag = if sample.is_multiple_of(2) { Flag::Green } else { Flag::Amber };
        let began = Instant::now();
        for n in 0..TRANSACTIONS {
            let flagged = Edit { flag: Some(flag), ..Edit::default() };
            let changed = edit(&app, &location, &people::face(n)?, flagged, &stage::by()).await?;
            changed.context("a customer had that flag")?;
        }
        // The first is there to warm up.
        if sample > 0 {
            row.add(Name::Ours, TRANSACTIONS as f64 / began.elapsed().as_secs_f64());
            row.beside.push(bare);
        }
    }
    app.db.close().await;
    Ok(row)
}

async fn fill(app: &Arc<App>) -> Result<LocationId> {
    let new = locations::NewLocation {
        id: "rate".parse()?,
        name: "rate".to_owned(),
        time_zone: "Europe/Oslo".to_owned(),
        enrol: EnrolPolicy::Auto,
        points_per_visit: Points::default(),
    };
    let location = locations::add(app, new, &stage::by()).await?.id;
    let mut tx = app.db.write().await?;
    let space = people::space()?;
    let space = spaces::Space {
        id: space.id,
        dimension: space.dimension,
        match_at: Similarity::from_cosine(space.thresholds.matches),
        new_below: Similarity::from_cosine(space.thresholds.new),
    };
    spaces::insert(&mut tx, &space, clock::now()).await?;
    tx.commit().await?;
    let mut held = Held::begin(&app.db, &location).await?;
    for n in 0..CUSTOMERS {
        let content = people::customer(n)?;
        let newcomer =
            Newcomer { face_id: &people::face(n)?, content, seen: Tally::default(), duplicate_of: None };
        held.enrol(newcomer, &stage::by()).await?;
    }
    held.commit().await?;
    Ok(location)
}

/// A table of two columns in the same database, through the same connections.
enum Bare {
    Lite(SqlitePool),
    Pg(PgPool),
}

const TABLE: &str = "CREATE TABLE bare (id BIGINT NOT NULL PRIMARY KEY, value BIGINT NOT NULL)";
const ROW: &str = "INSERT INTO bare (id, value) VALUES ($1, 0)";
const UPDATE: &str = "UPDATE bare SET value = value + 1 WHERE id = $1";

impl Bare {
    async fn make(db: &Db) -> Result<Bare> {
        match db {
            Db::Lite { w, r: _ } => {
                sqlx::query(TABLE).execute(w).await?;
                let mut tx = w.begin().await?;
                for n in 0..CUSTOMERS {
                    sqlx::query(ROW).bind(n as i64).execute(&mut *tx).await?;
                }
                tx.commit().await?;
                Ok(Bare::Lite(w.clone()))
            }
            Db::Pg(pool) => {
                sqlx::query(TABLE).execute(pool).await?;
                let mut tx = pool.begin().await?;
                for n in 0..CUSTOMERS {
                    sqlx::query(ROW).bind(n as i64).execute(&mut *tx).await?;
                }
                tx.commit().await?;
                Ok(Bare::Pg(pool.clone()))
            }
        }
    }

    /// One row, one statement, one transaction.
    async fn update(&self, id: usize) -> Result<()> {
        let changed = match self {
            Bare::Lite(pool) => {
                sqlx::query(UPDATE).bind(id as i64).execute(pool).await.map(|done| done.rows_affected())?
            }
            Bare::Pg(pool) => {
                sqlx::query(UPDATE).bind(id as i64).execute(pool).await.map(|done| done.rows_affected())?
            }
        };
        if changed == 1 { Ok(()) } else { bail!("row {id} is not there") }
    }
}
