//! What somebody says of a store to be added, before it is a location.

use super::refusal::Refusal;
use protocol::{LocationId, message::EnrolPolicy};

/// The id given, or one made from the name: `Main Street 5` is `main-street-5`.
///
/// # Errors
/// When the id given is none, or the name has nothing to make one from.
pub fn id(given: Option<&str>, name: &str) -> Result<LocationId, Refusal> {
    if let Some(given) = given {
        return given.parse().map_err(|error: protocol::IdError| Refusal::bad(error.to_string()));
    }
    let lower = name.to_ascii_lowercase();
    let words = lower.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-");
    slug.truncate(48);
    slug.trim_end_matches('-').parse().map_err(|_| {
        Refusal::bad("no id can be made from this name: give an id of 1 to 64 letters, digits, `_` and `-`")
    })
}

/// The policy asked for.
///
/// # Errors
/// When none is given, or it is none of the three.
pub fn policy(given: Option<&str>) -> Result<EnrolPolicy, Refusal> {
    let given = given.ok_or_else(|| {
        Refusal::bad(
            "say what becomes of new faces: enrol is one of auto, approve, off, and there is no default because \
             in many places enrolling faces without consent is unlawful",
        )
    })?;
    given.parse().map_err(|error: protocol::message::ParseEnrolPolicyError| Refusal::bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_from_the_name() {
        for (given, name, expected) in [
            (None, "Main Street 5", Some("main-street-5")),
            (None, "  Café — Nord  ", Some("caf-nord")),
            (None, "李", None),
            (Some("berlin_1"), "Main Street", Some("berlin_1")),
            (Some("a/b"), "Main Street", None),
            (Some(""), "Main Street", None),
        ] {
            let id = id(given, name).ok();
            assert_eq!(id.as_ref().map(LocationId::as_str), expected, "{given:?} {name:?}");
        }
        assert!(id(None, &"ab ".repeat(100)).unwrap().as_str().len() <= 48);
    }

    #[test]
    fn a_policy_is_asked_for() {
        assert_eq!(policy(Some("approve")).unwrap(), EnrolPolicy::Approve);
        assert!(policy(None).unwrap_err().sentence.contains("no default"));
        assert!(policy(Some("always")).unwrap_err().sentence.contains("one of auto, approve, off"));
    }
}
