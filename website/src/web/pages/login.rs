//! Coming in and going out.

use super::page::{Page, show, show_with};
use crate::{
    app::App,
    web::{
        assets,
        extract::Path,
        login,
        refusal::Refusal,
        session::{self, Transport},
    },
};
use askama::Template;
use axum::{
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Redirect, Response},
};
use std::sync::Arc;

#[derive(Template)]
#[template(path = "login.html")]
struct HowToGetIn {
    page: Page,
    problem: Option<&'static str>,
}

#[derive(Template)]
#[template(path = "login_link.html")]
struct Button {
    page: Page,
}

/// Says how to get a link.
pub async fn how() -> Result<Response, Refusal> {
    show(&HowToGetIn { page: Page::outside("Sign in"), problem: None })
}

/// The page behind a link: a button. Opening it uses nothing up.
pub async fn link(State(app): State<Arc<App>>, Path(link): Path<String>) -> Result<Response, Refusal> {
    if login::is_open(&app.db, &link).await? {
        show(&Button { page: Page::outside("Sign in") })
    } else {
        spent()
    }
}

/// The button was pressed.
pub async fn press(
    State(app): State<Arc<App>>,
    Path(link): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    match login::open_session(&app.db, &link).await? {
        Some(session) => {
            let cookie = session::set_cookie(&session, Transport::of(&headers));
            Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response())
        }
        None => spent(),
    }
}

/// Ends the session.
pub async fn logout(State(app): State<Arc<App>>, headers: HeaderMap) -> Result<Response, Refusal> {
    session::end(&app.db, &headers).await?;
    Ok(([(header::SET_COOKIE, session::clear_cookie())], Redirect::to("/login")).into_response())
}

fn spent() -> Result<Response, Refusal> {
    let problem = Some("This link was used already, has expired, or is not complete. Get a new one.");
    show_with(StatusCode::GONE, &HowToGetIn { page: Page::outside("Sign in"), problem })
}
