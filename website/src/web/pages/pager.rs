//! The links under a list that does not fit on one page; `pager.html` shows them.

/// How many rows of a list one page has.
pub const ROWS: u32 = 50;

/// The links.
pub struct Pager {
    /// To the first page, unless that is this one.
    pub first: Option<Link>,
    /// To the next one, if there is one.
    pub next: Option<Link>,
    /// Which rows these are; may be empty.
    pub rows_words: String,
}

/// One of them.
pub struct Link {
    /// Where it leads.
    pub path: String,
    /// What it says.
    pub words: &'static str,
}

impl Pager {
    /// Of a list that begins with what is newest.
    pub fn newest_first(first: Option<String>, next: Option<String>) -> Pager {
        Pager::new((first, "Back to the newest"), (next, "Older"))
    }

    /// Of a list in any other order.
    pub fn in_order(first: Option<String>, next: Option<String>, rows_words: String) -> Pager {
        Pager { rows_words, ..Pager::new((first, "Back to the first"), (next, "Next")) }
    }

    fn new(first: (Option<String>, &'static str), next: (Option<String>, &'static str)) -> Pager {
        let link = |(path, words): (Option<String>, _)| path.map(|path| Link { path, words });
        Pager { first: link(first), next: link(next), rows_words: String::new() }
    }
}
