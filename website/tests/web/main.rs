//! The website through its HTTP door, on real sockets and real databases.
#![allow(clippy::unwrap_used, missing_docs)]

mod answer;
mod api;
mod confirmed;
mod door;
mod forms;
mod join;
mod pages;
mod polled;
mod polling;
mod polling_pages;
mod proof;
mod scene;
mod sender;
mod stage;

/// Runs one test on both databases. Each gets a website of its own.
macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod on_sqlite {
            $(#[test] fn $test() { super::$test(&crate::stage::Stage::sqlite()); })+
        }
        mod on_postgres {
            $(#[test] fn $test() {
                if let Some(stage) = crate::stage::Stage::postgres() { super::$test(&stage); }
            })+
        }
    };
}
pub(crate) use on_both;
