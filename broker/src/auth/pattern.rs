//! The topic pattern of a rule: a filter in which `%u` and `%c` stand for the user's name and client id, each only
//! as a whole level. Nothing is ever substituted into a text: what a client chose is only compared.

use std::str::FromStr;

/// The login that a pattern is compared for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The name that logged in.
    pub user: &'a str,
    /// The client id.
    pub client_id: &'a str,
}

/// A checked pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pattern(Vec<Level>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Level {
    Plain(Box<str>),
    /// `%u`
    User,
    /// `%c`
    Client,
    /// `+`
    One,
    /// `#`
    Rest,
}

/// Why a text is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadPattern {
    /// Nothing there.
    #[error("a filter has at least one character")]
    Empty,
    /// A wildcard inside of a level, or `#` before the last.
    #[error("`+` and `#` stand for whole levels, `#` only for the last")]
    Wildcard,
    /// `%u` or `%c` inside of a level, or another letter behind `%`.
    #[error("`%u` and `%c` stand for whole levels: write a/%u/b, not a/x-%u")]
    Placeholder,
    /// A shared subscription's prefix.
    #[error("a rule names topics, not shares: leave `$share/GROUP/` away")]
    Share,
}

impl FromStr for Pattern {
    type Err = BadPattern;

    fn from_str(text: &str) -> Result<Pattern, BadPattern> {
        if text.is_empty() {
            return Err(BadPattern::Empty);
        }
        if text.starts_with("$share/") {
            return Err(BadPattern::Share);
        }
        let last = text.split('/').count() - 1;
        let level = |(at, level): (usize, &str)| match level {
            "+" => Ok(Level::One),
            "#" if at == last => Ok(Level::Rest),
            "%u" => Ok(Level::User),
            "%c" => Ok(Level::Client),
            _ if level.contains(['+', '#']) => Err(BadPattern::Wildcard),
            _ if level.contains("%u") || level.contains("%c") => Err(BadPattern::Placeholder),
            _ => Ok(Level::Plain(level.into())),
        };
        text.split('/').enumerate().map(level).collect::<Result<_, _>>().map(Pattern)
    }
}

impl Pattern {
    /// Whether every topic that `filter` matches is matched by this pattern too. A topic name is a filter that
    /// matches itself.
    pub fn covers(&self, filter: &str, subject: Subject<'_>) -> bool {
        if filter.starts_with('$') && self.begins_wild() {
            return false;
        }
        let mut wanted = filter.split('/');
        for level in &self.0 {
            if *level == Level::Rest {
                return true;
            }
            match wanted.next() {
                None | Some("#") => return false,
                Some("+") if *level != Level::One => return false,
                Some("+") => {}
                Some(text) if level.is(text, subject) => {}
                Some(_) => return false,
            }
        }
        wanted.next().is_none()
    }

    /// Whether there can be a topic that both `filter` and this pattern match.
    pub fn touches(&self, filter: &str, subject: Subject<'_>) -> bool {
        let hidden = |plain: bool, other_wild: bool| plain && other_wild;
        let wild = filter.starts_with(['+', '#']);
        let named = matches!(self.0.first(), Some(Level::Plain(first)) if first.starts_with('$'));
        if hidden(filter.starts_with('$'), self.begins_wild()) || hidden(named, wild) {
            return false;
        }
        let (mut wanted, mut levels) = (filter.split('/'), self.0.iter());
        loop {
            match (levels.next(), wanted.next()) {
                (Some(Level::Rest), _) | (_, Some("#")) => return true,
                (None, None) => return true,
                (None, Some(_)) | (Some(_), None) => return false,
                (Some(level), Some("+")) if level.can_be_one(subject) => {}
                (Some(_), Some("+")) => return false,
                (Some(level), Some(text)) if level.is(text, subject) => {}
                (Some(_), Some(_)) => return false,
            }
        }
    }

    fn begins_wild(&self) -> bool {
        matches!(self.0.first(), Some(Level::One | Level::Rest))
    }
}

impl Level {
    /// Whether this level matches that one of a topic.
    fn is(&self, text: &str, subject: Subject<'_>) -> bool {
        match self {
            Level::Plain(plain) => **plain == *text,
            Level::User => whole(subject.user) && subject.user == text,
            Level::Client => whole(subject.client_id) && subject.client_id == text,
            Level::One | Level::Rest => true,
        }
    }

    /// Whether there is any level that it matches.
    fn can_be_one(&self, subject: Subject<'_>) -> bool {
        match self {
            Level::User => whole(subject.user),
            Level::Client => whole(subject.client_id),
            Level::Plain(_) | Level::One | Level::Rest => true,
        }
    }
}

/// A name that can stand for a level. Any other matches nothing.
fn whole(name: &str) -> bool {
    !name.is_empty() && !name.contains(['/', '+', '#', '\0']) && !name.starts_with('$')
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANN: Subject<'_> = Subject { user: "ann", client_id: "till-1" };

    #[test]
    fn a_pattern_covers_and_touches_level_by_level() {
        for (pattern, filter, covers, touches) in [
            ("a/b", "a/b", true, true),
            ("a/b", "a/c", false, false),
            ("a/b", "a/+", false, true),
            ("a/b", "a/#", false, true),
            ("a/b", "#", false, true),
            ("a/b", "a", false, false),
            ("a/b", "a/b/c", false, false),
            ("a/+", "a/b", true, true),
            ("a/+", "a/+", true, true),
            ("a/+", "a/#", false, true),
            ("a/+", "a/b/#", false, true),
            ("a/#", "a", true, true),
            ("a/#", "a/#", true, true),
            ("a/#", "a/+/c", true, true),
            ("a/#", "+/b", false, true),
            ("a/#", "ab/c", false, false),
            ("#", "a/#", true, true),
            ("#", "$SYS/x", false, false),
            ("+/x", "$SYS/x", false, false),
            ("$SYS/#", "$SYS/x", true, true),
            ("$SYS/#", "#", false, false),
            ("$SYS/x", "+/x", false, false),
            ("a/%u/#", "a/ann/x", true, true),
            ("a/%u/#", "a/ann", true, true),
            ("a/%u/#", "a/annie/x", false, false),
            ("a/%u/#", "a/+/x", false, true),
            ("a/%u/#", "a/%u/x", false, false),
            ("a/%c", "a/till-1", true, true),
            ("a/%c", "a/ann", false, false),
        ] {
            let pattern_of: Pattern = pattern.parse().unwrap();
            assert_eq!(pattern_of.covers(filter, ANN), covers, "{pattern} covers {filter}");
            assert_eq!(pattern_of.touches(filter, ANN), touches, "{pattern} touches {filter}");
        }
    }

    #[test]
    fn a_name_that_is_no_whole_level_matches_nothing() {
        let pattern: Pattern = "a/%u".parse().unwrap();
        for user in ["", "+", "#", "a/b", "x+", "$SYS"] {
            let subject = Subject { user, client_id: "c" };
            for filter in ["a/", "a/+", "a/#", "a/a/b", "a/x+", "a/$SYS"] {
                assert!(!pattern.covers(filter, subject), "{user:?} {filter}");
            }
        }
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for (text, expected) in [
            ("", BadPattern::Empty),
            ("a/#/b", BadPattern::Wildcard),
            ("a+/b", BadPattern::Wildcard),
            ("a/x-%u", BadPattern::Placeholder),
            ("%c1/x", BadPattern::Placeholder),
            ("$share/g/a", BadPattern::Share),
        ] {
            assert_eq!(text.parse::<Pattern>(), Err(expected), "{text}");
        }
        assert!("100%/x".parse::<Pattern>().is_ok());
    }
}
