//! The website's tables, changes, publisher and ingest on both databases, the broker and real sockets included.
#![allow(clippy::unwrap_used, missing_docs)]

mod apart;
mod backup;
mod certificate;
mod changes;
mod database;
mod edge;
mod edges;
mod epochs;
mod erased;
mod ingest;
mod joining;
mod migration;
mod optimistic;
mod people;
mod points;
mod poller;
mod polling;
mod polling_again;
mod polling_crowd;
mod postgres;
mod publisher;
mod scene;
mod slots;
mod stage;
mod start;
mod tombstones;
mod withdrawn;

/// Runs each test on both databases, with a stage of its own.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() { super::$test(crate::stage::Stage::sqlite()).await })+
        }
        mod on_postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $test() {
                if let Some(stage) = crate::stage::Stage::postgres().await { super::$test(stage).await }
            })+
        }
    };
}
pub(crate) use on_both;
