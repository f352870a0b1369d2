//! Topic names and filters: what is well formed, what matches what. Levels are compared as whole levels, never
//! as substrings.

use crate::limits::Limits;

/// Why a topic name or a filter was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadTopic {
    /// Nothing there.
    #[error("a topic has at least one character")]
    Empty,
    /// Longer or deeper than `Limits` allows.
    #[error("the topic is longer or deeper than this broker allows")]
    TooLong,
    /// A wildcard in a topic name, or one that is not a whole level, or a `#` that is not the last one.
    #[error("`+` and `#` stand for whole levels of a filter, `#` only for the last")]
    Wildcard,
    /// `$share/` without a group and a filter behind it.
    #[error("a shared subscription is `$share/GROUP/FILTER`")]
    Share,
    /// A NUL character.
    #[error("a topic has no NUL character")]
    Nul,
}

/// Checks the topic name of a publish.
pub fn check_name(name: &str, limits: &Limits) -> Result<(), BadTopic> {
    check_size(name, limits)?;
    if name.contains(['+', '#']) { Err(BadTopic::Wildcard) } else { Ok(()) }
}

/// Checks the filter of a subscription.
pub fn check_filter(filter: &str, limits: &Limits) -> Result<(), BadTopic> {
    check_size(filter, limits)?;
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let last = levels.peek().is_none();
        match level {
            "+" => {}
            "#" if last => {}
            _ if level.contains(['+', '#']) => return Err(BadTopic::Wildcard),
            _ => {}
        }
    }
    Ok(())
}

fn check_size(text: &str, limits: &Limits) -> Result<(), BadTopic> {
    if text.is_empty() {
        return Err(BadTopic::Empty);
    }
    if text.contains('\0') {
        return Err(BadTopic::Nul);
    }
    let levels = text.bytes().filter(|byte| *byte == b'/').count() + 1;
    if text.len() > limits.topic_bytes || levels > limits.topic_levels {
        return Err(BadTopic::TooLong);
    }
    Ok(())
}

/// Whether a well-formed filter matches a well-formed topic name. A filter that begins with a wildcard does not
/// match a topic that begins with `$` (MQTT 3.1.1, section 4.7.2).
pub fn matches(filter: &str, name: &str) -> bool {
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut levels = name.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_level_by_level() {
        for (filter, name, expected) in [
            ("a/b", "a/b", true),
            ("a/b", "a/bc", false),
            ("a/b", "a", false),
            ("a/b", "a/b/c", false),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("+", "a", true),
            ("+", "/a", false),
            ("+/+", "/a", true),
            ("/+", "/a", true),
            ("a/#", "a", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("a/+/c/#", "a/b/c", true),
            ("a/+/c/#", "a/b/d", false),
            ("#", "a/b", true),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("store/é/#", "store/é/x", true),
        ] {
            assert_eq!(matches(filter, name), expected, "{filter} {name}");
        }
    }

    #[test]
    fn names_and_filters_are_checked() {
        let limits = Limits { topic_bytes: 20, topic_levels: 4, ..Limits::default() };
        for (text, name, filter) in [
            ("a/b", Ok(()), Ok(())),
            ("", Err(BadTopic::Empty), Err(BadTopic::Empty)),
            ("/", Ok(()), Ok(())),
            ("a/+/b", Err(BadTopic::Wildcard), Ok(())),
            ("#", Err(BadTopic::Wildcard), Ok(())),
            ("a/#", Err(BadTopic::Wildcard), Ok(())),
            ("a/#/b", Err(BadTopic::Wildcard), Err(BadTopic::Wildcard)),
            ("a+/b", Err(BadTopic::Wildcard), Err(BadTopic::Wildcard)),
            ("a/b#", Err(BadTopic::Wildcard), Err(BadTopic::Wildcard)),
            ("a\0b", Err(BadTopic::Nul), Err(BadTopic::Nul)),
            ("a/b/c/d/e", Err(BadTopic::TooLong), Err(BadTopic::TooLong)),
            ("aaaaaaaaaaaaaaaaaaaaa", Err(BadTopic::TooLong), Err(BadTopic::TooLong)),
            ("été/x", Ok(()), Ok(())),
        ] {
            assert_eq!(check_name(text, &limits), name, "name {text:?}");
            assert_eq!(check_filter(text, &limits), filter, "filter {text:?}");
        }
    }
}
