//! What every page has, and how a template becomes an answer.

use crate::web::refusal::Refusal;
use askama::Template;
use axum::{
    http::StatusCode,
    response::{Html, IntoResponse, Redirect, Response},
};
use serde::Deserialize;

/// The frame of a page.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Its name, for the browser's tab.
    pub title: String,
    /// After how many seconds it shall look again by itself.
    pub refresh_s: Option<u32>,
    /// What was just done.
    pub message: Option<&'static str>,
    /// Whether there is a session to sign out of.
    pub signed_in: bool,
}

impl Page {
    /// A page inside a session.
    pub fn new(title: impl Into<String>) -> Page {
        Page { title: title.into(), refresh_s: None, message: None, signed_in: true }
    }

    /// A page for people who are not in.
    pub fn outside(title: &str) -> Page {
        Page { signed_in: false, ..Page::new(title) }
    }

    /// The same page, saying what was just done.
    #[must_use]
    pub fn saying(self, said: Option<Said>) -> Page {
        Page { message: said.map(Said::sentence), ..self }
    }
}

/// What a page says after a change. The address carries one of these words and never a text: nobody can make a
/// link that puts their own words on our page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Said {
    /// A store was added.
    StoreAdded,
    /// A customer has a new name.
    Renamed,
    /// A customer has a new flag.
    Flagged,
    /// A customer has more points, or fewer.
    PointsAdded,
    /// The form asked for what was so already.
    Unchanged,
    /// A customer was removed.
    Removed,
    /// An edge was revoked.
    Revoked,
    /// An edge's alarm was seen to.
    AlarmEnded,
    /// A new face became a customer.
    LetIn,
    /// A new face was refused.
    FaceRefused,
    /// A store has other settings.
    SettingsStored,
}

/// The question of a page that may say something.
#[derive(Debug, Deserialize)]
pub struct AfterChange {
    said: Option<String>,
}

impl AfterChange {
    /// What the page says; a word that is none of ours says nothing.
    pub fn said(&self) -> Option<Said> {
        Said::ALL.into_iter().find(|said| Some(said.word()) == self.said.as_deref())
    }
}

impl Said {
    const ALL: [Said; 11] = [
        Said::StoreAdded,
        Said::Renamed,
        Said::Flagged,
        Said::PointsAdded,
        Said::Unchanged,
        Said::Removed,
        Said::Revoked,
        Said::AlarmEnded,
        Said::LetIn,
        Said::FaceRefused,
        Said::SettingsStored,
    ];

    /// Sends the browser to `path`, where the page says this.
    pub fn at(self, path: &str) -> Redirect {
        Redirect::to(&format!("{path}?said={}", self.word()))
    }

    fn word(self) -> &'static str {
        match self {
            Said::StoreAdded => "store-added",
            Said::Renamed => "renamed",
            Said::Flagged => "flagged",
            Said::PointsAdded => "points-added",
            Said::Unchanged => "unchanged",
            Said::Removed => "removed",
            Said::Revoked => "revoked",
            Said::AlarmEnded => "alarm-ended",
            Said::LetIn => "let-in",
            Said::FaceRefused => "face-refused",
            Said::SettingsStored => "settings-stored",
        }
    }

    fn sentence(self) -> &'static str {
        match self {
            Said::StoreAdded => "The store is there. Add its first edge next.",
            Said::Renamed => "The new name is stored and on its way to the edges.",
            Said::Flagged => "The new flag is stored and on its way to the edges.",
            Said::PointsAdded => "The points are stored.",
            Said::Unchanged => "Nothing to change: it was so already.",
            Said::Removed => {
                "The customer is wiped from the website, and the removal is on its way to the edges."
            }
            Said::Revoked => "The edge is revoked and cannot connect any more.",
            Said::AlarmEnded => "The alarm is ended.",
            Said::LetIn => {
                "The face is a customer now, with how this person agreed, and on its way to the edges."
            }
            Said::FaceRefused => "The face is refused, and what was stored of it is destroyed.",
            Said::SettingsStored => "The settings are stored and count from now on.",
        }
    }
}

/// The page of a template.
///
/// # Errors
/// When the template cannot be filled in.
pub fn show(template: &impl Template) -> Result<Response, Refusal> {
    show_with(StatusCode::OK, template)
}

/// The page of a template, with a status.
///
/// # Errors
/// When the template cannot be filled in.
pub fn show_with(status: StatusCode, template: &impl Template) -> Result<Response, Refusal> {
    let text = template.render().map_err(|error| Refusal::internal(&error))?;
    Ok((status, Html(text)).into_response())
}
