//! The sample box that polls, as a program.

use crate::{Website, until};
use serde_json::{Value, json};
use std::{
    fs,
    io::{BufRead, BufReader, Read, Write},
    path::{Path, PathBuf},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};
use tempfile::TempDir;

/// `docs/polling_box.py` with a token, and the file in which it keeps what it knows.
pub struct PollingBox {
    url: String,
    token: String,
    edge: String,
    state: PathBuf,
    _folder: TempDir,
    running: Option<Running>,
    said: Arc<Mutex<String>>,
}

struct Running {
    child: Child,
    shown: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl PollingBox {
    /// Joins a location of `website` with the space that is known there.
    #[track_caller]
    pub fn join(website: &Website, location: &str, name: &str) -> Self {
        let code = website.join_code(location, name);
        let body = json!({ "code": code, "kind": "polling" });
        let joined = website.call("POST", "/api/edge/join", &body).ok();
        let text = |field: &str| joined[field].as_str().unwrap().to_owned();
        let folder = tempfile::tempdir().unwrap();
        Self {
            url: website.url(),
            token: text("token"),
            edge: text("edge"),
            state: folder.path().join("box.json"),
            _folder: folder,
            running: None,
            said: Arc::default(),
        }
    }

    /// Its edge's id.
    pub fn id(&self) -> &str {
        &self.edge
    }

    /// Starts the program, which polls twice in three seconds.
    pub fn start(&mut self) {
        let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/polling_box.py");
        let mut child = Command::new("python3")
            .arg(program)
            .arg(&self.url)
            .args(["--interval", "0.7", "--state"])
            .arg(&self.state)
            .env("REGULARS_BOX_TOKEN", &self.token)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (mut stderr, keep) = (child.stderr.take().unwrap(), Arc::clone(&self.said));
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut bytes) {
                keep.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
        });
        let (shown, answers) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        self.running = Some(Running { child, shown, answers: BufReader::new(answers) });
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        self.running = None;
    }

    /// Shows it a face, with the points of the visit where it is to send some; what it counts is on its disk.
    #[track_caller]
    pub fn see(&mut self, vector: &[f32], points: Option<u32>) -> Value {
        let running = self.running.as_mut().unwrap();
        let line = json!({ "embedding": vector, "points": points });
        writeln!(running.shown, "{line}").unwrap();
        let mut answer = String::new();
        running.answers.read_line(&mut answer).unwrap();
        serde_json::from_str(&answer).unwrap_or_else(|_| panic!("{answer:?}; it said: {}", self.said()))
    }

    /// The faces on its disk, with their names.
    pub fn faces(&self) -> Vec<(String, String)> {
        let Ok(text) = fs::read(&self.state) else { return Vec::new() };
        let state: Value = serde_json::from_slice(&text).unwrap();
        let faces = state["faces"].as_object().unwrap().iter();
        faces.map(|(id, face)| (id.clone(), face["name"].as_str().unwrap().to_owned())).collect()
    }

    /// Waits until the faces on its disk are these, in any order.
    #[track_caller]
    pub fn holds(&self, expected: &[&str]) {
        let mut expected: Vec<&str> = expected.to_vec();
        expected.sort_unstable();
        until("the box that polls holds whom it should", 60, || {
            let mut faces: Vec<String> = self.faces().into_iter().map(|(id, _)| id).collect();
            faces.sort_unstable();
            if faces == expected { Ok(()) } else { Err(format!("{faces:?}; it said: {}", self.said())) }
        });
    }

    /// What it has said to people so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }
}
