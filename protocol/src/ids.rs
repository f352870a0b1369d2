//! Ids are newtypes over the same short alphabet, parsed once at the rim and correct from then on.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use std::{fmt, str::FromStr};

/// Why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing there.
    #[error("an id is 1 to 64 characters, this one is empty")]
    Empty,
    /// More than 64 bytes.
    #[error("an id is 1 to 64 characters, this one has {0}")]
    TooLong(usize),
    /// A character outside `[A-Za-z0-9_-]`.
    #[error("an id is made of letters, digits, `_` and `-`")]
    BadCharacter,
}

fn check(text: &str) -> Result<(), IdError> {
    match text.len() {
        0 => Err(IdError::Empty),
        n if n > 64 => Err(IdError::TooLong(n)),
        _ if text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-') => Ok(()),
        _ => Err(IdError::BadCharacter),
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        ///
        /// `[A-Za-z0-9_-]{1,64}`; on the wire a postcard string.
        #[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(Box<str>);

        impl $name {
            /// The id's text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                check(text).map(|()| Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;

                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str("an id of 1 to 64 letters, digits, `_` and `-`")
                    }

                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                deserializer.deserialize_str(Text)
            }
        }
    };
}

id! {
    /// A set of edges that share one gallery, usually one store.
    LocationId
}
id! {
    /// A customer's face within a location; minted by the edge that first sees it, never used twice.
    FaceId
}
id! {
    /// One edge box, unique over all locations.
    EdgeId
}
id! {
    /// The space an embedding lives in, given by the model that made it. Vectors of two spaces are never
    /// compared.
    SpaceId
}

impl FaceId {
    /// Mints an id of 16 characters from 12 random bytes.
    pub fn from_random(random: [u8; 12]) -> Self {
        Self(text_of(random).into())
    }
}

impl EdgeId {
    /// Mints an id of 16 characters from 12 random bytes.
    pub fn from_random(random: [u8; 12]) -> Self {
        Self(text_of(random).into())
    }
}

/// Base64 in the id alphabet (RFC 4648, section 5), without padding: 12 bytes are exactly 16 characters.
fn text_of(random: [u8; 12]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::with_capacity(16);
    for three in random.chunks_exact(3) {
        let bits = u32::from(three[0]) << 16 | u32::from(three[1]) << 8 | u32::from(three[2]);
        for shift in [18, 12, 6, 0] {
            text.push(char::from(ALPHABET[(bits >> shift) as usize & 63]));
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_alphabet_and_the_length_pass() {
        for good in ["a", "visitor_5", "A-Z_09", &"x".repeat(64)] {
            assert_eq!(good.parse::<FaceId>().unwrap().as_str(), good);
        }
        for (bad, why) in [
            ("", IdError::Empty),
            (&*"x".repeat(65), IdError::TooLong(65)),
            ("a/b", IdError::BadCharacter),
            ("+", IdError::BadCharacter),
            ("#", IdError::BadCharacter),
            ("é", IdError::BadCharacter),
            ("a b", IdError::BadCharacter),
            ("a\0", IdError::BadCharacter),
        ] {
            assert_eq!(bad.parse::<LocationId>(), Err(why), "{bad:?}");
        }
    }

    #[test]
    fn minted_ids_are_sixteen_characters_of_the_alphabet() {
        assert_eq!(FaceId::from_random([0; 12]).as_str(), "AAAAAAAAAAAAAAAA");
        assert_eq!(FaceId::from_random([255; 12]).as_str(), "________________");
        let id = EdgeId::from_random([1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
        assert_eq!(id.as_str().parse::<EdgeId>().unwrap(), id);
        assert_eq!(id.as_str().len(), 16);
    }
}
