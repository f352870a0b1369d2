//! What the documents list is what the programs have.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

/// The requests that a line such as `.route("/edges", get(list).post(add))` takes, beneath `prefix`.
fn requests(line: &str, prefix: &str) -> Vec<String> {
    let Some((path, handlers)) =
        line.trim().strip_prefix(".route(\"").and_then(|rest| rest.split_once("\", "))
    else {
        return vec![];
    };
    let methods = ["get", "post", "patch", "put", "delete"];
    let takes = |method: &&str| -> bool {
        handlers.starts_with(&format!("{method}(")) || handlers.contains(&format!(".{method}("))
    };
    let path = format!("{prefix}{}", path.trim_end_matches('/'));
    methods.into_iter().filter(takes).map(|method| format!("`{} {path}`", method.to_uppercase())).collect()
}

#[test]
fn the_api_page_lists_every_request() {
    let (page, code) = (read("docs/api.md"), read("website/src/web/api/mod.rs"));
    let (of_location, rest) = code.split_once("let v1 =").unwrap();
    let (v1, edge) = rest.split_once("Router::new()\n        .route(\"/edge").unwrap();
    let edge = format!("        .route(\"/edge{edge}");
    let mut all: Vec<String> = Vec::new();
    for (part, prefix) in [(of_location, "/locations/{location}"), (v1, ""), (&*edge, "/api")] {
        all.extend(part.lines().flat_map(|line| requests(line, prefix)));
    }
    assert!(all.len() >= 22, "the routes were found: {all:?}");
    for request in &all {
        assert!(page.contains(request.as_str()), "docs/api.md says nothing of {request}");
    }
    let listed = page.lines().filter(|line| line.starts_with("| `")).count();
    assert_eq!(
        listed,
        all.iter().filter(|request| !request.contains("/api/edge")).count(),
        "as many, and no more"
    );
}
