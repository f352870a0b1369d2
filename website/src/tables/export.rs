//! Whole tables, whatever columns they have: what a backup reads and a restore writes.

use crate::db::{Tx, on};
use sqlx::{AssertSqlSafe, ColumnIndex, Decode, Row, Type};

/// The tables of a backup, each after those it refers to.
pub const TABLES: [&str; 24] = [
    "site",
    "spaces",
    "faces",
    "locations",
    "customers",
    "merges",
    "change_log",
    "edges",
    "polling_boxes",
    "edge_starts",
    "edge_progress",
    "receipt_pages",
    "receipts",
    "confirmations",
    "visits",
    "polled_visits",
    "dead_letters",
    "review_queue",
    "audit",
    "mqtt_users",
    "api_tokens",
    "erasures",
    "consents",
    "withdrawals",
];

/// The tables that no backup holds: who is signed in at the moment, codes that wait to be used, and what edges said and
/// boxes were told last, which is void after a restore.
pub const LEFT_OUT: [&str; 5] = ["join_codes", "edge_reports", "login_links", "sessions", "polling_answers"];

/// Columns that the database counts by itself.
const COUNTED: [(&str, &str); 4] =
    [("faces", "slot"), ("receipt_pages", "id"), ("visits", "id"), ("audit", "id")];

const PAGE: i64 = 1_000;

/// What a column holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A signed 64-bit number.
    Int,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
}

/// A column: name and kind.
pub type Column = (String, Kind);

/// One value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// None.
    Null,
    /// A number.
    Int(i64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
}

/// Every table there is, but the database's own.
pub async fn tables(tx: &mut Tx) -> sqlx::Result<Vec<String>> {
    match tx {
        Tx::Pg(tx) => sqlx::query_scalar(
            "SELECT table_name::TEXT FROM information_schema.tables WHERE table_schema = current_schema() \
                 AND table_name NOT LIKE '\\_sqlx%' ORDER BY table_name",
        )
        .fetch_all(&mut **tx)
        .await,
        Tx::Lite(tx) => sqlx::query_scalar(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE '\\_sqlx%' ESCAPE '\\' \
                 AND name NOT LIKE 'sqlite%' ORDER BY name",
        )
        .fetch_all(&mut **tx)
        .await,
    }
}

/// The columns of a table, in their order.
pub async fn columns(tx: &mut Tx, table: &str) -> sqlx::Result<Vec<Column>> {
    let found: Vec<(String, String)> = match tx {
        Tx::Pg(tx) => {
            sqlx::query_as(
                "SELECT column_name::TEXT, data_type::TEXT FROM information_schema.columns \
                 WHERE table_schema = current_schema() AND table_name = $1 ORDER BY ordinal_position",
            )
            .bind(table)
            .fetch_all(&mut **tx)
            .await?
        }
        Tx::Lite(tx) => {
            sqlx::query_as("SELECT name, type FROM pragma_table_info($1) ORDER BY cid")
                .bind(table)
                .fetch_all(&mut **tx)
                .await?
        }
    };
    let kind = |name: &str| match name {
        "bytea" | "BLOB" => Kind::Bytes,
        "text" | "TEXT" => Kind::Text,
        _ => Kind::Int,
    };
    Ok(found.into_iter().map(|(column, of)| (column, kind(&of))).collect())
}

/// A walk through one table, a page at a time, in one snapshot. Slots without a face are passed over.
#[derive(Debug)]
pub struct Walk<'a> {
    table: &'a str,
    columns: &'a [Column],
    /// SQLite's number of the last row.
    last: i64,
    begun: bool,
}

impl<'a> Walk<'a> {
    /// Before the first row.
    pub fn new(table: &'a str, columns: &'a [Column]) -> Walk<'a> {
        Walk { table, columns, last: i64::MIN, begun: false }
    }

    /// The next rows; none at the end.
    pub async fn next(&mut self, tx: &mut Tx) -> sqlx::Result<Vec<Vec<Value>>> {
        let names = self.columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
        let held = if self.table == "faces" { "used = 1" } else { "TRUE" };
        match tx {
            Tx::Pg(tx) => {
                if !self.begun {
                    let table = self.table;
                    // A name for each: prepared statements remember what columns they fetch.
                    let declare = format!(
                        "DECLARE walk_{table} NO SCROLL CURSOR FOR SELECT {names} FROM {table} WHERE {held}"
                    );
                    sqlx::query(AssertSqlSafe(declare)).execute(&mut **tx).await?;
                    self.begun = true;
                }
                let fetch = format!("FETCH FORWARD {PAGE} FROM walk_{}", self.table);
                let rows = sqlx::query(AssertSqlSafe(fetch)).fetch_all(&mut **tx).await?;
                if rows.is_empty() {
                    let close = format!("CLOSE walk_{}", self.table);
                    sqlx::query(AssertSqlSafe(close)).execute(&mut **tx).await?;
                }
                rows.iter().map(|row| values(row, self.columns, 0)).collect()
            }
            Tx::Lite(tx) => {
                let table = self.table;
                let select = format!(
                    "SELECT rowid, {names} FROM {table} WHERE rowid > $1 AND {held} ORDER BY rowid LIMIT {PAGE}"
                );
                let rows = sqlx::query(AssertSqlSafe(select)).bind(self.last).fetch_all(&mut **tx).await?;
                if let Some(row) = rows.last() {
                    self.last = row.try_get(0)?;
                }
                rows.iter().map(|row| values(row, self.columns, 1)).collect()
            }
        }
    }
}

fn values<'r, R>(row: &'r R, columns: &[Column], skip: usize) -> sqlx::Result<Vec<Value>>
where
    R: Row,
    usize: ColumnIndex<R>,
    i64: Decode<'r, R::Database> + Type<R::Database>,
    String: Decode<'r, R::Database> + Type<R::Database>,
    Vec<u8>: Decode<'r, R::Database> + Type<R::Database>,
{
    let value = |(at, (_, kind)): (usize, &Column)| {
        Ok(match kind {
            Kind::Int => row.try_get::<Option<i64>, _>(at + skip)?.map_or(Value::Null, Value::Int),
            Kind::Text => row.try_get::<Option<String>, _>(at + skip)?.map_or(Value::Null, Value::Text),
            Kind::Bytes => row.try_get::<Option<Vec<u8>>, _>(at + skip)?.map_or(Value::Null, Value::Bytes),
        })
    };
    columns.iter().enumerate().map(value).collect()
}

/// Adds one row.
pub async fn insert(tx: &mut Tx, table: &str, columns: &[Column], row: &[Value]) -> sqlx::Result<()> {
    let names = columns.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ");
    let places = (1..=columns.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
    let given = if matches!(tx, Tx::Pg(_)) { "OVERRIDING SYSTEM VALUE " } else { "" };
    let insert = format!("INSERT INTO {table} ({names}) {given}VALUES ({places})");
    on!(tx, conn => {
        let mut query = sqlx::query(AssertSqlSafe(insert));
        for ((_, kind), value) in columns.iter().zip(row) {
            query = match (kind, value) {
                (_, Value::Int(number)) => query.bind(*number),
                (_, Value::Text(text)) => query.bind(text.as_str()),
                (_, Value::Bytes(bytes)) => query.bind(&bytes[..]),
                (Kind::Int, Value::Null) => query.bind(None::<i64>),
                (Kind::Text, Value::Null) => query.bind(None::<&str>),
                (Kind::Bytes, Value::Null) => query.bind(None::<&[u8]>),
            };
        }
        query.execute(conn).await.map(drop)
    })
}

/// Empties every table.
pub async fn empty(tx: &mut Tx) -> sqlx::Result<()> {
    for table in LEFT_OUT.iter().chain(TABLES.iter().rev()) {
        let delete = format!("DELETE FROM {table}");
        on!(tx, conn => sqlx::query(AssertSqlSafe(delete)).execute(conn).await.map(drop))?;
    }
    Ok(())
}

/// Lets the database count on from the highest number there is. (SQLite does so by itself.)
pub async fn count_on(tx: &mut Tx) -> sqlx::Result<()> {
    if let Tx::Pg(tx) = tx {
        for (table, column) in COUNTED {
            let set = format!(
                "SELECT setval(pg_get_serial_sequence('{table}', '{column}'), \
                 (SELECT COALESCE(MAX({column}), 0) + 1 FROM {table}), false)"
            );
            sqlx::query(AssertSqlSafe(set)).execute(&mut **tx).await?;
        }
    }
    Ok(())
}
