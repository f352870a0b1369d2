//! Refusals as pages.

use super::page::{Page, show_with};
use crate::web::{assets, refusal::Refusal};
use askama::Template;
use axum::{
    http::StatusCode,
    response::{IntoResponse as _, Response},
};

#[derive(Template)]
#[template(path = "error.html")]
struct ErrorPage {
    page: Page,
    heading: &'static str,
    sentence: String,
}

/// Turns a [`Refusal`] that went out as JSON into a page; leaves everything else as it is.
pub async fn as_page(answer: Response) -> Response {
    let Some(refusal) = answer.extensions().get::<Refusal>() else { return answer };
    let heading = match refusal.status {
        StatusCode::NOT_FOUND => "Not here",
        StatusCode::FORBIDDEN => "Refused",
        status if status.is_server_error() => "Something went wrong",
        _ => "That did not work",
    };
    let page = ErrorPage { page: Page::outside(heading), heading, sentence: sentence(&refusal.sentence) };
    show_with(refusal.status, &page).unwrap_or_else(|refusal| refusal.into_response())
}

/// A refusal's words as a sentence of a page.
fn sentence(words: &str) -> String {
    let mut chars = words.chars();
    match chars.next() {
        Some(first) => format!("{}{}.", first.to_uppercase(), chars.as_str()),
        None => String::new(),
    }
}
