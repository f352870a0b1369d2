//! `edge match`: who is on these pictures, asked of the very gallery the daemon recognises with.

use crate::{
    daemon::rest::Rest,
    face::{Eyes, EyesConfig, Face, Grade, Rect, source},
    live::Space,
    socket::{self, Asked, GoodFor, Request},
};
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{fmt, path::Path, path::PathBuf};

/// One face on one picture.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Found {
    /// The picture.
    pub image: String,
    /// Where the face is, in pixels.
    pub r#box: Rect,
    /// The detector's certainty, 0 to 1.
    pub score: f32,
    /// known, ambiguous, new or poor.
    pub decision: String,
    /// Who, when known.
    pub face_id: Option<String>,
    /// As people call them, when known; empty until somebody gave a name.
    pub name: Option<String>,
    /// none, green, amber or red, when known.
    pub flag: Option<String>,
    /// The cosine to the most alike face, when it reaches the model's threshold `new`.
    pub similarity: Option<f32>,
}

#[derive(Deserialize)]
struct Told {
    decision: String,
    similarity: Option<i16>,
    who: Option<ToldWho>,
}

#[derive(Deserialize)]
struct ToldWho {
    face_id: String,
    name: String,
    flag: String,
}

/// Looks at pictures and asks the running daemon of `state`, or its cache when none runs.
///
/// # Errors
/// One sentence: a file that is no picture, models that are not the edge's, a lease that is over.
pub fn find(state: &Path, eyes: &EyesConfig, images: &[PathBuf]) -> Result<Vec<Found>> {
    let mut eyes = Eyes::open(eyes)?;
    let mut faces: Vec<(String, Face)> = Vec::new();
    for image in images {
        let frame = source::still(image)?;
        let name = image.display().to_string();
        faces.extend(eyes.look(&frame)?.into_iter().map(|face| (name.clone(), face)));
    }
    let space = Space::from(eyes.manifest());
    let good: Vec<Asked> = faces.iter().filter_map(|(_, face)| asked(face)).collect();
    let mut answers = ask(state, space, good)?.into_iter();
    let decided = faces.into_iter().map(|(image, face)| match asked(&face) {
        None => Ok(found(image, &face, None)),
        Some(_) => {
            let answer = answers.next().context("the edge answered fewer faces than it was asked")?;
            let told: Told = match answer.get("decided") {
                Some(told) => serde_json::from_value(told.clone()).context("the edge's answer cannot be read")?,
                None => bail!(
                    "this edge has no valid lease: it recognises nobody until it has verified its customers with the website"
                ),
            };
            Ok(found(image, &face, Some(told)))
        }
    });
    decided.collect()
}

fn ask(state: &Path, space: Space, faces: Vec<Asked>) -> Result<Vec<Value>> {
    let request = Request::Match { space: space.id.clone(), faces };
    if let Some(reply) = socket::ask(state, &request)? {
        let answers = reply.get("answers").and_then(Value::as_array);
        return answers.cloned().context("the edge's answer cannot be read");
    }
    let Request::Match { space: id, faces } = request else { return Ok(Vec::new()) };
    let (live, clock) = Rest::open(state)?.gallery(space);
    let answers = socket::answer(&live, &clock, &id, &faces)?;
    answers.iter().map(|answer| Ok(serde_json::to_value(answer)?)).collect()
}

fn asked(face: &Face) -> Option<Asked> {
    let good_for = match face.grade {
        Grade::Enrol => GoodFor::Enrol,
        Grade::Match(_) => GoodFor::Match,
        Grade::Poor(_) => return None,
    };
    Some(Asked { vector: face.vector.as_ref()?.as_slice().to_vec(), good_for })
}

fn found(image: String, face: &Face, told: Option<Told>) -> Found {
    let poor = Told { decision: "poor".to_owned(), similarity: None, who: None };
    let Told { decision, similarity, who } = told.unwrap_or(poor);
    let (face_id, name, flag) = match who {
        Some(ToldWho { face_id, name, flag }) => (Some(face_id), Some(name), Some(flag)),
        None => (None, None, None),
    };
    let similarity = similarity.map(|ten_thousandths| f32::from(ten_thousandths) / 10_000.0);
    Found { image, r#box: face.bounds, score: face.quality.score, decision, face_id, name, flag, similarity }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rect { x, y, w, h } = self.r#box;
        write!(
            f,
            "{}: face at {x:.0},{y:.0} of {w:.0}x{h:.0}, score {:.2}: {}",
            self.image, self.score, self.decision
        )?;
        if let Some(face_id) = &self.face_id {
            match self.name.as_deref() {
                Some("") | None => write!(f, " {face_id}, without a name")?,
                Some(name) => write!(f, " {name} ({face_id})")?,
            }
        }
        if let Some(flag) = self.flag.as_deref().filter(|flag| *flag != "none") {
            write!(f, ", flag {flag}")?;
        }
        match self.similarity {
            Some(similarity) => write!(f, ", similarity {similarity:.3}"),
            None => Ok(()),
        }
    }
}
