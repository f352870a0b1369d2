//! What visits are worth.

use std::{fmt, str::FromStr};

/// The points of one visit: 0 to [`Points::MAX`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, serde::Serialize)]
#[serde(transparent)]
pub struct Points(u16);

/// The number is none of [`Points`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a visit is worth a whole number of points from 0 to {}", Points::MAX)]
pub struct PointsError;

impl Points {
    /// The most that one visit can be worth.
    pub const MAX: u16 = 10_000;

    /// As a column and a sum have it.
    pub fn get(self) -> i64 {
        i64::from(self.0)
    }
}

impl TryFrom<i64> for Points {
    type Error = PointsError;

    fn try_from(points: i64) -> Result<Self, PointsError> {
        u16::try_from(points).ok().filter(|points| *points <= Points::MAX).map(Points).ok_or(PointsError)
    }
}

impl FromStr for Points {
    type Err = PointsError;

    fn from_str(text: &str) -> Result<Self, PointsError> {
        text.trim().parse::<i64>().map_err(|_| PointsError)?.try_into()
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_visit_is_worth_a_bounded_number_of_points() {
        for (text, expected) in [
            ("0", Ok(0)),
            (" 5 ", Ok(5)),
            ("10000", Ok(10_000)),
            ("10001", Err(PointsError)),
            ("-1", Err(PointsError)),
            ("1.5", Err(PointsError)),
            ("70000", Err(PointsError)),
            ("99999999999999999999", Err(PointsError)),
            ("", Err(PointsError)),
        ] {
            assert_eq!(text.parse::<Points>().map(Points::get), expected, "{text:?}");
        }
    }
}
