//! No container engine runs here, so what `compose.yaml` and its Dockerfiles name is held against the programs.
#![allow(clippy::unwrap_used)]

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt, path::Path};
use tests::run;

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)).unwrap()
}

fn help(program: &str, words: &[&str]) -> String {
    let output = run(program, words.iter().chain(&["--help"]));
    assert_eq!(output.code, 0, "{program} {words:?} --help: {}", output.stderr);
    output.stdout
}

/// The words of `text` that begin with `prefix` and go on in `alphabet`.
fn words<'a>(text: &'a str, prefix: &str, alphabet: impl Fn(char) -> bool) -> BTreeSet<&'a str> {
    let starts = text.match_indices(prefix).map(|(at, _)| at);
    starts.map(|at| text[at..].split(|c: char| !alphabet(c)).next().unwrap()).collect()
}

fn settings(text: &str) -> BTreeSet<&str> {
    words(text, "REGULARS_", |c| c.is_ascii_uppercase() || c == '_')
}

#[test]
fn every_setting_is_one_the_programs_know() {
    let known = [
        help("website", &["serve"]),
        help("website", &["location", "add"]),
        help("website", &["edge", "add"]),
        help("edge", &["run"]),
        help("edge", &["join"]),
    ]
    .concat();
    let known = settings(&known);
    let compose = read("compose.yaml");
    let named = settings(&compose);
    assert!(named.len() >= 8, "the settings were found: {named:?}");
    for name in named {
        assert!(known.contains(name), "compose.yaml sets {name}, which no program reads");
    }
}

#[test]
fn every_command_and_flag_in_the_scripts_exists() {
    let mut commands = 0;
    for script in ["docker/make-store", "docker/join-and-run"] {
        for line in read(script).lines().map(|line| line.trim().trim_start_matches("exec ")) {
            let line: Vec<&str> = line.split_whitespace().collect();
            let Some(program @ ("website" | "edge")) = line.first().copied() else { continue };
            let is_word = |w: &&&str| w.chars().all(|c| c.is_ascii_lowercase());
            let verbs = if program == "website" { 2 } else { 1 };
            let path: Vec<&str> = line[1..].iter().take(verbs).take_while(is_word).copied().collect();
            let help = help(program, &path);
            for flag in line.iter().filter(|word| word.starts_with("--")) {
                assert!(
                    help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")),
                    "{line:?}: {flag}"
                );
            }
            commands += 1;
        }
    }
    assert_eq!(commands, 4, "the commands were found");
}

#[test]
fn every_file_that_is_copied_or_run_is_there() {
    let compose = read("compose.yaml");
    for dockerfile in words(&compose, "docker/", |c| c.is_ascii_alphanumeric() || "/.-".contains(c)) {
        for line in read(dockerfile).lines().filter_map(|line| line.strip_prefix("COPY docker/")) {
            let name = format!("docker/{}", line.split_whitespace().next().unwrap());
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(&name);
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o111, 0o111, "{name} can be run");
            let target = line.split_whitespace().nth(1).unwrap();
            let entry = format!("\"{target}\"");
            assert!(compose.contains(&entry) || read(dockerfile).contains(&entry), "{target} is used");
        }
    }
}

#[test]
fn ports_and_folders_agree() {
    let compose = read("compose.yaml");
    let website = read("docker/website.Dockerfile");
    let value = |name: &str| {
        let line = compose.lines().find(|line| line.trim().starts_with(name)).unwrap();
        line.split_once(':').unwrap().1.trim().trim_matches('"').to_owned()
    };
    let port = |name: &str| value(name).rsplit(':').next().unwrap().to_owned();
    let http = port("REGULARS_LISTEN");
    assert!(compose.contains(&format!("\"127.0.0.1:{http}:{http}\"")), "the pages are published");
    assert!(compose.contains(&format!("http://127.0.0.1:{http}/readyz")), "the health check asks there");
    assert!(website.contains(&format!("EXPOSE {http} {}", port("REGULARS_MQTT_LISTEN"))));
    assert!(read("docker/join-and-run").contains(&format!("http://website:{http}")));
    for (setting, prefix) in [
        ("REGULARS_DATA:", ""),
        ("REGULARS_STATE", ""),
        ("REGULARS_MODELS", ""),
        ("REGULARS_SOURCE", "images:"),
    ] {
        let folder = value(setting);
        let folder = folder.strip_prefix(prefix).unwrap();
        assert!(
            compose.contains(&format!(":{folder}\n")) || compose.contains(&format!(":{folder}:ro")),
            "{folder}"
        );
    }
}
