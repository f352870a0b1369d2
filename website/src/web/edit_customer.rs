//! What somebody asks to change of a customer, parsed by the sentence of its type.

use super::refusal::Refusal;
use crate::{
    app::App,
    changes::{Actor, ChangeError, Held},
    tables::customers::{self, Customer, POINTS_MAX, State},
};
use protocol::{
    FaceId, LocationId, Name, NameError,
    message::{Flag, ParseFlagError},
};

/// A name, or why it is none.
///
/// # Errors
/// When it is too long or has control characters.
pub fn name(text: &str) -> Result<Name, Refusal> {
    text.parse().map_err(|error: NameError| Refusal::bad(error.to_string()))
}

/// A flag, or why it is none.
///
/// # Errors
/// When it is none of the four.
pub fn flag(text: &str) -> Result<Flag, Refusal> {
    text.parse().map_err(|error: ParseFlagError| Refusal::bad(error.to_string()))
}

/// Points, or why they are none.
///
/// # Errors
/// When they are negative or beyond [`POINTS_MAX`].
pub fn points(points: i64) -> Result<i64, Refusal> {
    match points {
        0..=POINTS_MAX => Ok(points),
        _ => Err(Refusal::bad(format!("points are a number from 0 to {POINTS_MAX}"))),
    }
}

/// Sets a customer's points to `points`: asked twice it is the same as once. Edges do not know points.
///
/// # Errors
/// When there is no such live customer.
pub async fn set_points(
    app: &App,
    location: &LocationId,
    face: &FaceId,
    points: i64,
    by: &Actor,
) -> Result<(), ChangeError> {
    let mut held = Held::begin(&app.db, location).await?;
    let row = held.live(face).await?;
    let now = row.live().map_or(0, |live| live.points);
    customers::add_points(&mut held.tx, location, face, points - now).await?;
    held.note("customer.points", face.as_str(), by).await?;
    held.commit().await
}

/// Why there is nothing to see of `face`.
pub fn not_live(face: &FaceId, row: Option<&Customer>) -> Refusal {
    let face_id = face.clone();
    match row.map(|row| &row.state) {
        None => ChangeError::UnknownCustomer(face_id).into(),
        Some(State::Removed { merged_into: Some(into), .. }) => {
            ChangeError::Merged { face_id, into: into.clone() }.into()
        }
        Some(State::Removed { merged_into: None, .. } | State::Live(_)) => {
            ChangeError::Removed(face_id).into()
        }
    }
}
