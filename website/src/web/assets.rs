//! The pages' style sheet and mark, served by the program itself. No page asks another host for anything.

use axum::{
    Router,
    extract::Path,
    http::{StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use sha2::{Digest as _, Sha256};
use std::sync::LazyLock;

static STYLE: Asset = Asset {
    file: "style.css",
    media_type: "text/css; charset=utf-8",
    bytes: include_bytes!("../../assets/style.css"),
};
static MARK: Asset =
    Asset { file: "mark.svg", media_type: "image/svg+xml", bytes: include_bytes!("../../assets/mark.svg") };

/// Changes whenever a file does, so that browsers may keep what they have for ever.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hash = Sha256::new();
    for asset in [&STYLE, &MARK] {
        hash.update(asset.bytes);
    }
    hex::encode(&hash.finalize()[..8])
});

struct Asset {
    file: &'static str,
    media_type: &'static str,
    bytes: &'static [u8],
}

/// Where the style sheet is.
pub fn style_path() -> String {
    STYLE.path()
}

/// Where the mark is.
pub fn mark_path() -> String {
    MARK.path()
}

/// The routes of the files. They need no login.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/assets/{version}/{file}", get(serve))
}

impl Asset {
    fn path(&self) -> String {
        format!("/assets/{}/{}", *VERSION, self.file)
    }
}

async fn serve(Path((version, file)): Path<(String, String)>) -> Response {
    match [&STYLE, &MARK].into_iter().find(|asset| asset.file == file && version == *VERSION) {
        Some(asset) => {
            let keep = "public, max-age=31536000, immutable";
            let headers = [(header::CONTENT_TYPE, asset.media_type), (header::CACHE_CONTROL, keep)];
            (headers, asset.bytes).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
