//! Lists that are longer than what is shown of them at once.

/// A part of a list, and whether more follows.
#[derive(Debug, PartialEq, Eq)]
pub struct Part<T> {
    /// What is shown.
    pub rows: Vec<T>,
    /// Whether there is more behind it.
    pub more: bool,
}

impl<T> Part<T> {
    /// The first `limit` of `found`, which was asked for with [`one_more`] than that.
    pub fn of(mut found: Vec<T>, limit: u32) -> Part<T> {
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        Part { rows: found, more }
    }

    /// The offset of the part behind this one, if there is one.
    pub fn next_offset(&self, offset: u32, limit: u32) -> Option<u32> {
        self.more.then_some(offset.saturating_add(limit))
    }
}

/// How many rows a table is asked for, so that `limit` are shown and it is known whether more follow.
pub fn one_more(limit: u32) -> u32 {
    limit.saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_row_too_many_says_that_more_follow() {
        for (found, rows, next) in [(0, 0, None), (2, 2, None), (3, 3, None), (4, 3, Some(13))] {
            let part = Part::of((0..found).collect(), 3);
            assert_eq!((part.rows.len(), part.next_offset(10, 3)), (rows, next), "{found} found");
        }
    }
}
