//! A subscription's filter: what it matches, and the group that shares it.

use super::topic::{BadTopic, check_filter};
use crate::limits::Limits;
use std::sync::Arc;

const SHARE: &str = "$share/";

/// A filter that has been checked. Two are the same when their texts are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    text: Arc<str>,
    /// Where the part begins that is matched with topics.
    pattern_at: usize,
}

impl Filter {
    /// A filter of MQTT 3.1.1, which has no shared subscriptions.
    pub fn plain(text: &str, limits: &Limits) -> Result<Filter, BadTopic> {
        check_filter(text, limits)?;
        Ok(Filter { text: text.into(), pattern_at: 0 })
    }

    /// A filter of MQTT 5.0: `$share/GROUP/PATTERN` is shared by all clients that name the same group and pattern.
    pub fn sharing(text: &str, limits: &Limits) -> Result<Filter, BadTopic> {
        let Some(shared) = text.strip_prefix(SHARE) else { return Filter::plain(text, limits) };
        let (group, pattern) = shared.split_once('/').ok_or(BadTopic::Share)?;
        if group.is_empty() || group.contains(['+', '#']) {
            return Err(BadTopic::Share);
        }
        if group.len() > limits.topic_bytes {
            return Err(BadTopic::TooLong);
        }
        check_filter(pattern, limits)?;
        Ok(Filter { text: text.into(), pattern_at: SHARE.len() + group.len() + 1 })
    }

    /// As the client wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The part that is matched with topics.
    pub fn pattern(&self) -> &str {
        &self.text[self.pattern_at..]
    }

    /// The name of the group that shares it, if any.
    pub fn group(&self) -> Option<&str> {
        (self.pattern_at > 0).then(|| &self.text[SHARE.len()..self.pattern_at - 1])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_filter_has_a_group_and_a_pattern() {
        let limits = Limits::default();
        for (text, expected) in [
            ("a/+", Ok((None, "a/+"))),
            ("$share/g/a/+", Ok((Some("g"), "a/+"))),
            ("$share/g//a", Ok((Some("g"), "/a"))),
            ("$share/é/#", Ok((Some("é"), "#"))),
            ("$shared/g/a", Ok((None, "$shared/g/a"))),
            ("$share/g", Err(BadTopic::Share)),
            ("$share//a", Err(BadTopic::Share)),
            ("$share/+/a", Err(BadTopic::Share)),
            ("$share/g#/a", Err(BadTopic::Share)),
            ("$share/g/", Err(BadTopic::Empty)),
            ("$share/g/a+", Err(BadTopic::Wildcard)),
        ] {
            let filter = Filter::sharing(text, &limits);
            let parts = filter.as_ref().map(|filter| (filter.group(), filter.pattern())).map_err(|bad| *bad);
            assert_eq!(parts, expected, "{text}");
        }
        let plain = Filter::plain("$share/g/a", &limits).unwrap();
        assert_eq!((plain.group(), plain.pattern()), (None, "$share/g/a"));
    }
}
