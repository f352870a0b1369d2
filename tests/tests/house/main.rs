//! The rules of the house that a machine can check.
#![allow(clippy::unwrap_used)]

mod imports;
mod rooms;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").canonicalize().unwrap()
}

/// The files of the project: what git tracks, and what it would.
fn files() -> Vec<PathBuf> {
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root())
        .output()
        .unwrap();
    let list = String::from_utf8(output.stdout).unwrap();
    list.lines().map(|name| root().join(name)).filter(|path| path.is_file()).collect()
}

fn rust_files() -> Vec<(PathBuf, String)> {
    let rust = files().into_iter().filter(|path| path.extension().is_some_and(|e| e == "rs"));
    rust.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
}

#[test]
fn no_file_is_past_400_lines_and_none_is_named_after_nothing() {
    let files = rust_files();
    assert!(files.len() > 50, "the files were found");
    for (path, text) in files {
        let lines = text.lines().count();
        assert!(lines <= 400, "{} has {lines} lines", path.display());
        let stem = path.file_stem().unwrap().to_string_lossy();
        let vague = ["util", "utils", "helper", "helpers", "common", "manager", "misc"];
        assert!(!vague.contains(&&*stem), "{} says nothing", path.display());
    }
}

/// Which of our crates each of our crates may use, tests included.
const LAYERS: [(&str, &[&str]); 12] = [
    ("crash_point", &[]),
    ("fault_proxy", &[]),
    ("test_kit", &[]),
    ("protocol", &[]),
    ("gallery", &["protocol"]),
    ("broker", &["protocol"]),
    ("website", &["crash_point", "protocol", "gallery", "broker"]),
    ("edge", &["crash_point", "protocol", "gallery"]),
    ("demo", &["protocol", "gallery", "broker", "website", "edge"]),
    ("sim", &["protocol", "gallery", "website", "edge"]),
    ("tests", &["fault_proxy", "test_kit", "protocol", "gallery", "broker", "website", "edge", "demo"]),
    ("bench", &["fault_proxy", "protocol", "gallery", "broker", "website", "edge"]),
];

#[test]
fn crates_see_only_what_lies_below_them() {
    let ours: BTreeSet<&str> = LAYERS.iter().map(|(name, _)| *name).collect();
    for (name, below) in LAYERS {
        let manifest = fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap();
        let dependencies = manifest.split("[dev-dependencies]").next().unwrap();
        for line in dependencies.lines().filter(|line| line.ends_with(".workspace = true")) {
            let used = line.split('.').next().unwrap().replace('-', "_");
            assert!(!ours.contains(&*used) || below.contains(&&*used), "{name} may not use {used}");
        }
    }
}

/// The files in which a foreign library may be named.
const HOMES: [(&str, &[&str]); 6] = [
    ("rumqttd::", &["broker/src/routing/router.rs"]),
    ("postcard::", &["protocol/src/"]),
    ("nokhwa::", &["edge/src/camera/capture.rs"]),
    ("ort::", &["edge/src/face/"]),
    ("rusqlite::", &["edge/src/"]),
    ("v4l::", &["edge/src/camera/device.rs"]),
];

#[test]
fn each_foreign_library_has_one_home() {
    for (path, text) in rust_files() {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        if name.contains("tests/") {
            continue;
        }
        for (library, homes) in HOMES {
            let used = text.lines().any(|line| {
                let code = line.trim_start();
                let at = code.find(library);
                let word = at.is_some_and(|at| at == 0 || !code.as_bytes()[at - 1].is_ascii_alphanumeric());
                word && !code.starts_with("//")
            });
            assert!(!used || homes.iter().any(|home| name.starts_with(home)), "{name} uses {library}");
        }
    }
}

#[test]
fn nothing_is_left_for_another_day() {
    let words = [["TO", "DO"].concat(), ["FIX", "ME"].concat()];
    for (path, text) in rust_files() {
        for word in &words {
            assert!(!text.contains(word.as_str()), "{} holds {word}", path.display());
        }
    }
}

#[test]
fn nothing_is_skipped_uncounted() {
    let words = ["skipped", ", because"].concat();
    for (path, text) in rust_files() {
        let name = path.strip_prefix(root()).unwrap().to_string_lossy().into_owned();
        // A benchmark is run by somebody who reads what it prints.
        let counted = name.starts_with("bench/") || name == "test_kit/src/skip.rs";
        assert!(counted || !text.contains(&words), "{name} skips without test_kit::skip");
    }
}

#[test]
fn documents_name_files_that_exist() {
    for document in ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "topics.md"] {
        let text = fs::read_to_string(root().join(document)).unwrap();
        for word in text.split(|c: char| c.is_whitespace() || "`(),;|".contains(c)) {
            let path = word.trim_end_matches(['.', ':', '/']);
            let ours = LAYERS.iter().any(|(name, _)| path.starts_with(&format!("{name}/")));
            if ours && !path.contains(['*', '<']) {
                assert!(root().join(path).exists(), "{document} names {path}");
            }
        }
    }
}
