//! A customer's name as people write it.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A customer's name: 0 to 120 characters, none of them a control character, trimmed.
///
/// Empty means that nobody has given one yet. Its `Debug` hides the text, so that no log line ever holds it.
#[derive(Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

/// Why a text is no name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameError {
    /// More than [`Name::MAX_CHARS`] characters.
    #[error("a name has at most {max} characters, this one has {0}", max = Name::MAX_CHARS)]
    TooLong(usize),
    /// A line break or another control character.
    #[error("a name cannot contain line breaks or other control characters")]
    Control,
}

impl Name {
    /// The longest name, in characters.
    pub const MAX_CHARS: usize = 120;

    /// The name's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether nobody has given a name yet.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for Name {
    type Err = NameError;

    fn from_str(text: &str) -> Result<Self, NameError> {
        let text = text.trim();
        let chars = text.chars().count();
        if chars > Self::MAX_CHARS {
            return Err(NameError::TooLong(chars));
        }
        if text.chars().any(char::is_control) {
            return Err(NameError::Control);
        }
        Ok(Self(text.to_owned()))
    }
}

impl TryFrom<String> for Name {
    type Error = NameError;

    /// Accepts only what [`FromStr`] would leave as it is: two spellings of one name would be two digests.
    fn try_from(text: String) -> Result<Self, NameError> {
        let name: Name = text.parse()?;
        if name.0 == text { Ok(name) } else { Err(NameError::Control) }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Debug for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Name(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_trimmed_and_bounded() {
        assert_eq!("  Ada Lovelace ".parse::<Name>().unwrap().as_str(), "Ada Lovelace");
        assert_eq!("Zoë 李".parse::<Name>().unwrap().as_str(), "Zoë 李");
        assert_eq!("é".repeat(121).parse::<Name>(), Err(NameError::TooLong(121)));
        assert_eq!("a\nb".parse::<Name>(), Err(NameError::Control));
        assert!(Name::try_from(" Ada".to_owned()).is_err(), "the wire carries the trimmed form only");
    }

    #[test]
    fn debug_shows_no_name() {
        assert_eq!(format!("{:?}", "Ada".parse::<Name>().unwrap()), "Name(..)");
    }
}
