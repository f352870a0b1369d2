//! Between the columns of a table and the types they stand for. What does not parse was not written by this
//! program: it is reported as a decoding error, never taken for something else.

use protocol::{Digest, RowHash, UnixMs};
use std::{error::Error, fmt, str::FromStr};

/// A column holds something this program would not have written.
#[derive(Debug)]
struct Unreadable(&'static str);

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the column holds no {}: the database was changed by another program", self.0)
    }
}

impl Error for Unreadable {}

fn unreadable(what: &'static str) -> sqlx::Error {
    sqlx::Error::Decode(Box::new(Unreadable(what)))
}

/// An id, a flag, a policy or whatever else has a text form.
pub(crate) fn text<T: FromStr>(text: &str) -> sqlx::Result<T> {
    text.parse().map_err(|_| unreadable(std::any::type_name::<T>()))
}

/// Like [`text()`], of a column that may be empty.
pub(crate) fn text_or_null<T: FromStr>(column: Option<&str>) -> sqlx::Result<Option<T>> {
    column.map(text).transpose()
}

/// Exactly `N` bytes.
pub(crate) fn bytes<const N: usize>(column: &[u8]) -> sqlx::Result<[u8; N]> {
    column.try_into().map_err(|_| unreadable("value of the right length"))
}

/// A digest.
pub(crate) fn digest(column: &[u8]) -> sqlx::Result<Digest> {
    bytes(column).map(Digest::from_bytes)
}

/// A row's hash.
pub(crate) fn row_hash(column: &[u8]) -> sqlx::Result<RowHash> {
    bytes(column).map(RowHash::from_bytes)
}

/// Turns a parse error of a value into a decoding error.
pub(crate) fn parsed<T, E>(value: Result<T, E>, what: &'static str) -> sqlx::Result<T> {
    value.map_err(|_| unreadable(what))
}

/// A moment that may not have come.
pub(crate) fn moment(column: Option<i64>) -> Option<UnixMs> {
    column.map(UnixMs)
}

/// What the row must have and does not.
pub(crate) fn present<T>(column: Option<T>, what: &'static str) -> sqlx::Result<T> {
    column.ok_or_else(|| unreadable(what))
}
