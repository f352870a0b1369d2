//! The program `edge` as people run it, on real pictures where they are at hand.
#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "face/data.rs"]
mod data;
mod site;

use data::{faces, root};
use protocol::message::Seen;
use serde_json::{Value, json};
use site::{Site, until};
use std::{
    env,
    io::{BufRead, BufReader, Read, Write},
    net::TcpListener,
    path::Path,
    process::{Child, Command, Output, Stdio},
};
use test_kit::{Lack, skip};

const CODE: &str = "GOODCODE";

fn edge(state: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_edge"));
    command.args(arguments).env("REGULARS_STATE", state).env("REGULARS_LOG", "warn");
    if env::var_os("REGULARS_ONNXRUNTIME").is_none() {
        command.env("REGULARS_ONNXRUNTIME", root().join("lib"));
    }
    command
}

async fn run(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

fn out(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    text
}

/// The one sentence of a program that failed.
fn refusal(output: &Output) -> String {
    assert!(!output.status.success());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(text.trim().lines().count(), 1, "one sentence: {text}");
    text
}

/// Answers joining edges for as long as the test runs, and tells what space they named.
fn welcome(site: &Site) -> (String, std::sync::mpsc::Receiver<Value>) {
    let identity = site.identity();
    let answer = json!({
        "edge": identity.edge, "location": identity.location, "location_name": identity.location_name,
        "mqtt": { "host": null, "port": identity.port }, "token": identity.token,
        "site_key": identity.site_key.to_string(), "digest_key": hex::encode(identity.digest_key.as_bytes()),
    });
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (told, asked) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = BufReader::new(stream.unwrap());
            let mut length = 0;
            let mut line = String::new();
            while stream.read_line(&mut line).unwrap() > 2 {
                if let Some(value) = line.to_lowercase().strip_prefix("content-length:") {
                    length = value.trim().parse().unwrap();
                }
                line.clear();
            }
            let mut body = vec![0; length];
            stream.read_exact(&mut body).unwrap();
            let request: Value = serde_json::from_slice(&body).unwrap();
            let (status, body) = match request["code"] == CODE {
                true => ("200 OK", answer.to_string()),
                false => (
                    "403 Forbidden",
                    json!({ "error": "this code is wrong or used up: ask for a new one" }).to_string(),
                ),
            };
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}",
                body.len()
            );
            write!(stream.get_mut(), "{head}\r\nconnection: close\r\n\r\n{body}").unwrap();
            let _ = told.send(request);
        }
    });
    (address, asked)
}

struct Daemon(Child);

impl Daemon {
    async fn start(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut first = String::new();
        let mut lines = BufReader::new(child.stdout.take().unwrap());
        tokio::task::spawn_blocking(move || {
            lines.read_line(&mut first).unwrap();
            assert_eq!(first, "edge edge_1 of store_a joined, no source\n");
        })
        .await
        .unwrap();
        Self(child)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_on_pictures_is_counted_known_and_forgotten() {
    let Some(data) = faces() else { return };
    let (folder, mut site) = (tempfile::tempdir().unwrap(), Site::start().await);
    site.key_of_joined_edge_is_unknown();
    site.head().await;
    let state = folder.path().join("state");
    let models = data.join("models");
    let models = models.to_str().unwrap();
    let picture = |name: &str| data.join("images").join(name).to_str().unwrap().to_owned();
    let pictures = folder.path().join("pictures");
    std::fs::create_dir(&pictures).unwrap();
    for name in ["Family1-Dad1.jpg", "Family1-Dad3.jpg"] {
        std::fs::copy(picture(name), pictures.join(name)).unwrap();
    }

    let (url, asked) = welcome(&site);
    let joined = run(edge(&state, &["join", &url, CODE, "--models", models])).await;
    assert_eq!(out(&joined), "edge edge_1 of store_a joined\n");
    let request = asked.recv().unwrap();
    assert_eq!(
        (&request["space"]["dimension"], &request["public_key"].as_str().unwrap().len()),
        (&json!(512), &64)
    );

    let source = format!("images:{}", pictures.display());
    let played =
        run(edge(&state, &["run", "--source", &source, "--models", models, "--exit-when-done"])).await;
    assert_eq!(out(&played), format!("edge edge_1 of store_a joined, source {source}\n"));
    let visits: Vec<_> = site.heard.lock().unwrap().visits.values().cloned().collect();
    let [Seen::New { face_id, space, embedding }] =
        &visits.iter().map(|v| v.seen.clone()).collect::<Vec<_>>()[..]
    else {
        panic!("two pictures of one man are one visit of somebody new: {visits:?}")
    };
    site.enrol(face_id.as_str(), "Dad", space.clone(), embedding.clone()).await;
    site.head().await;

    let daemon = Daemon::start(edge(&state, &["run", "--models", models])).await;
    let status = || async {
        serde_json::from_str::<Value>(&out(&run(edge(&state, &["status", "--json"])).await)).unwrap()
    };
    until("the daemon is in step", || async { status().await["verified"] == 1 }).await;
    let found = |names: Vec<&'static str>| {
        let images: Vec<String> = names.into_iter().map(picture).collect();
        let arguments: Vec<&str> =
            ["match", "--json", "--models", models].into_iter().chain(images.iter().map(|i| &**i)).collect();
        let command = edge(&state, &arguments);
        async move { serde_json::from_str::<Vec<Value>>(&out(&run(command).await)).unwrap() }
    };
    let (dad, others) =
        (found(vec!["Family1-Dad2.jpg"]).await, found(vec!["Family1-Mom1.jpg", "Family3-Man1.jpg"]).await);
    assert_eq!((&dad[0]["decision"], &dad[0]["name"]), (&json!("known"), &json!("Dad")));
    assert_eq!(dad[0]["face_id"], json!(face_id.as_str()));
    assert!(
        !others.is_empty()
            && others.iter().all(|face| face["decision"] == "new" && face["face_id"].is_null())
    );

    site.remove(face_id.as_str()).await;
    site.head().await;
    until("the removal is verified", || async { status().await["verified"] == 2 }).await;
    let gone = found(vec!["Family1-Dad2.jpg"]).await;
    assert!(gone[0]["decision"] == "new" && gone[0]["name"].is_null(), "{gone:?}");

    let second = run(edge(&state, &["run", "--models", models])).await;
    assert!(refusal(&second).contains("in use by a running edge"));
    drop(daemon);
    let text = out(&run(edge(&state, &["status"])).await);
    assert!(text.contains("not running") && text.contains("verified at seq 2"), "{text}");
    let gone = found(vec!["Family1-Dad2.jpg"]).await;
    assert_eq!(gone[0]["decision"], "new", "the files say what the daemon said");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_is_not_spent_on_models_that_would_not_run() {
    let Some(data) = faces() else { return };
    let (folder, site) = (tempfile::tempdir().unwrap(), Site::start().await);
    let (url, asked) = welcome(&site);
    let state = folder.path().join("state");
    let models = folder.path().join("models");
    std::fs::create_dir(&models).unwrap();
    for name in ["yunet_s_dynamic.onnx", "mobileface_v2_512.onnx"] {
        std::fs::copy(data.join("models").join(name), models.join(name)).unwrap();
    }
    let no_library = folder.path().join("libonnxruntime.so");
    std::fs::write(&no_library, "no library").unwrap();
    let join = |more: &[&str]| {
        let words = [&["join", &url, CODE, "--models", models.to_str().unwrap()], more].concat();
        run(edge(&state, &words))
    };
    let said = refusal(&join(&["--onnxruntime", no_library.to_str().unwrap()]).await);
    assert!(said.contains("cannot be loaded as onnxruntime"), "{said}");
    let manifest = include_str!("../models/yunet_s_mobileface_v2.toml").replace("\"rgb\"", "\"bgr\"");
    std::fs::write(models.join("manifest.toml"), manifest).unwrap();
    let said = refusal(&join(&[]).await);
    assert!(said.contains("fails its self-test"), "{said}");
    assert!(asked.try_recv().is_err() && !state.exists(), "the website was not asked");
    std::fs::remove_file(models.join("manifest.toml")).unwrap();
    assert_eq!(out(&join(&[]).await), "edge edge_1 of store_a joined\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_done_is_said_in_one_sentence() {
    let Some(data) = faces() else { return };
    let (folder, site) = (tempfile::tempdir().unwrap(), Site::start().await);
    let models = data.join("models").to_str().unwrap().to_owned();
    let (url, _asked) = welcome(&site);
    let state = folder.path().join("state");
    let empty = folder.path().join("empty");
    std::fs::create_dir(&empty).unwrap();
    let empty = format!("images:{}", empty.display());
    let no_picture = folder.path().join("notes.jpg");
    std::fs::write(&no_picture, "no picture").unwrap();
    let nowhere = folder.path().join("nowhere").to_str().unwrap().to_owned();
    for (arguments, expected) in [
        (vec!["status"], "holds no identity"),
        (vec!["run", "--models", &models], "holds no identity"),
        (vec!["run", "--models", &models, "--source", &empty], "holds no picture"),
        (vec!["run", "--models", &nowhere], "--models takes the folder"),
        (vec!["match", "--models", &models, no_picture.to_str().unwrap()], "is no picture that can be read"),
        (vec!["join", &url, "BADCODE", "--models", &models], "this code is wrong or used up"),
        (vec!["join", "http://shop.example", CODE, "--models", &models], "in the clear"),
        (vec!["join", "http://127.0.0.1:1", CODE, "--models", &models], "cannot be reached"),
    ] {
        let sentence = refusal(&run(edge(&state, &arguments)).await);
        assert!(sentence.contains(expected), "{arguments:?}: {sentence}");
    }
}

/// Whether this machine has a camera of its own; then nothing can be said of what happens without one.
fn has_camera() -> bool {
    let devices = std::fs::read_dir("/dev").unwrap();
    devices.flatten().any(|device| device.file_name().to_string_lossy().starts_with("video"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_cannot_be_used_is_refused_in_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let run_with = |source: &'static str, more: &[&'static str]| {
        let arguments = [&["run", "--models", "nowhere", "--source", source], more].concat();
        run(edge(&state, &arguments))
    };
    for (source, more, expected) in [
        ("camera:99", &[][..], "there is no camera 99"),
        ("camera:/dev/v4l/by-id/usb-nothing", &[], "there is no camera /dev/v4l/by-id/usb-nothing"),
        ("camera:/dev/null", &[], "camera /dev/null: it is no video device"),
        ("camera:0", &["--exit-when-done"], "camera:0 has none"),
    ] {
        let sentence = refusal(&run_with(source, more).await);
        assert!(sentence.contains(expected), "{source}: {sentence}");
    }
    for (source, expected) in [("camera:", "names no camera"), ("camera:door", "`edge cameras` lists them")] {
        let told = run_with(source, &[]).await;
        let text = String::from_utf8_lossy(&told.stderr).into_owned();
        assert!(told.status.code() == Some(2) && text.contains(expected), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cameras_are_listed_and_none_is_told_by_the_exit_code() {
    let folder = tempfile::tempdir().unwrap();
    if has_camera() {
        return skip(Lack::Elsewhere, "this machine has a camera");
    }
    let told = run(edge(folder.path(), &["cameras"])).await;
    assert_eq!(told.status.code(), Some(1));
    assert!(told.stdout.is_empty() && refusal(&told).contains("no camera found: plug one in"));
    let told = run(edge(folder.path(), &["cameras", "--json"])).await;
    assert_eq!((told.status.code(), &*told.stdout), (Some(1), &b"[]\n"[..]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edge_that_waits_for_its_camera_stays_in_step_says_so_and_ends_when_told() {
    let Some(data) = faces() else { return };
    let (folder, site) = (tempfile::tempdir().unwrap(), Site::start().await);
    site.key_of_joined_edge_is_unknown();
    let state = folder.path().join("state");
    let models = data.join("models").to_str().unwrap().to_owned();
    let (url, _asked) = welcome(&site);
    out(&run(edge(&state, &["join", &url, CODE, "--models", &models])).await);
    site.head().await;
    let mut command =
        edge(&state, &["run", "--models", &models, "--source", "camera:99", "--wait-for-camera"]);
    let mut daemon = command.stdout(Stdio::null()).spawn().unwrap();
    let status = || async { run(edge(&state, &["status", "--json"])).await.stdout };
    until("the daemon is in step and says that its camera is lost", || async {
        let status: Value = serde_json::from_slice(&status().await).unwrap_or_default();
        status["state"] == "verified" && status["camera"]["state"] == "lost"
    })
    .await;
    let status: Value = serde_json::from_slice(&status().await).unwrap();
    let camera = &status["camera"];
    assert_eq!(
        (&camera["camera"], &camera["frames"], &camera["losses"]),
        (&json!("99"), &json!(0), &json!(0))
    );
    assert!(camera["since"].as_i64() <= status["now"].as_i64() && camera["since"].as_i64() > Some(0));
    let text = out(&run(edge(&state, &["status"])).await);
    assert!(
        text.contains("camera 99: lost since ")
            && text.contains("(the device is gone: plug it in), trying again")
    );

    // The thread that plays waits for a frame that does not come.
    let pid = daemon.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let ended = tokio::task::spawn_blocking(move || daemon.wait().unwrap());
    let ended = tokio::time::timeout(std::time::Duration::from_secs(20), ended).await;
    assert!(ended.expect("it ends when it is told to").unwrap().success());
}
