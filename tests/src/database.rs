//! Looking into the website's database behind its back.

use crate::{Database, Website};
use std::process::Command;

impl Website {
    /// What a query gives, as text.
    #[track_caller]
    pub fn query(&self, sql: &str) -> Vec<Vec<String>> {
        let Some(url) = self.database_url() else {
            let flags = rusqlite::OpenFlags::SQLITE_OPEN_READ_ONLY;
            let file = self.data().join("website.db");
            let database = rusqlite::Connection::open_with_flags(file, flags).unwrap();
            let mut query = database.prepare(sql).unwrap();
            let columns = query.column_count();
            let text = |row: &rusqlite::Row<'_>, n| {
                Ok(match row.get_ref(n)? {
                    rusqlite::types::ValueRef::Integer(number) => number.to_string(),
                    other => other.as_str()?.to_owned(),
                })
            };
            let rows = query.query_map([], |row| (0..columns).map(|n| text(row, n)).collect()).unwrap();
            return rows.map(Result::unwrap).collect();
        };
        let answer = psql(url, &["-At", "-F", "\u{1f}", "-c", sql]);
        let text = String::from_utf8(answer).unwrap();
        text.lines().map(|line| line.split('\u{1f}').map(str::to_owned).collect()).collect()
    }

    /// How a column of bytes is read as hexadecimal text.
    pub fn hex_of(&self, column: &str) -> String {
        match self.database() {
            Database::Sqlite => format!("lower(hex({column}))"),
            Database::Postgres => format!("encode({column}, 'hex')"),
        }
    }

    /// The tables of a database that is no file in the data folder.
    pub fn tables(&self) -> Vec<String> {
        match self.database() {
            Database::Sqlite => Vec::new(),
            Database::Postgres => {
                let sql = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'";
                self.query(sql).into_iter().flatten().collect()
            }
        }
    }

    /// Everything that PostgreSQL hands out of a table, as it is stored.
    pub fn dump(&self, table: &str) -> Vec<u8> {
        let sql = format!("COPY {table} TO STDOUT (FORMAT binary)");
        psql(self.database_url().unwrap(), &["-c", &sql])
    }
}

fn psql(url: &str, words: &[&str]) -> Vec<u8> {
    let output = Command::new("psql").arg(url).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}
