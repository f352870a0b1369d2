//! An edge as a program.

use crate::{Output, Program, Website, run, until};
use edge::{
    Status,
    socket::{self, Asked, GoodFor, Request},
};
use protocol::SpaceId;
use serde_json::Value;
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// One edge box: its state folder, and the daemon when it runs.
pub struct EdgeBox {
    state: PathBuf,
    _folder: Option<TempDir>,
    models: PathBuf,
    daemon: Option<Program>,
}

impl EdgeBox {
    /// Joins a location of `website`.
    #[track_caller]
    pub fn join(website: &Website, location: &str, name: &str, models: &Path) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().to_owned();
        Self { _folder: Some(folder), ..Self::join_in(&state, website, location, name, models) }
    }

    /// Joins a location and keeps its state in a folder that stays.
    #[track_caller]
    pub fn join_in(state: &Path, website: &Website, location: &str, name: &str, models: &Path) -> Self {
        let edge = Self { state: state.to_owned(), _folder: None, models: models.to_owned(), daemon: None };
        let code = website.join_code(location, name);
        let output = edge.command(&["join", &website.url(), &code, "--models", models.to_str().unwrap()]);
        assert_eq!(output.code, 0, "edge join: {}", output.stderr);
        edge
    }

    /// Makes it reach its broker at another address from its next start on.
    pub fn reach_broker_at(&self, address: SocketAddr) {
        let file = self.state.join("identity.json");
        let mut identity: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
        identity["host"] = address.ip().to_string().into();
        identity["port"] = address.port().into();
        fs::write(file, identity.to_string()).unwrap();
    }

    /// Its id.
    pub fn id(&self) -> String {
        let identity: Value =
            serde_json::from_slice(&fs::read(self.state.join("identity.json")).unwrap()).unwrap();
        identity["edge"].as_str().unwrap().to_owned()
    }

    /// Starts the daemon, which only stays in step.
    pub fn start(&mut self) {
        self.run(&[]);
    }

    /// Starts the daemon on a source of pictures.
    pub fn watch(&mut self, source: &str) {
        self.run(&["--source", source]);
    }

    /// Starts the daemon so that every sighting is a visit, to die at a crash point if one is given, and waits until
    /// it answers or has died.
    pub fn count_everybody(&mut self, crash_at: Option<&str>) {
        self.begin(crash_at);
        until("the edge answers, or is dead", 60, || match self.asked() {
            Some(_) => Ok(()),
            None if self.has_died() => Ok(()),
            None => Err(self.said()),
        });
    }

    /// The same without waiting.
    pub fn begin(&mut self, crash_at: Option<&str>) {
        let words = self.words(&["--away-s", "0"]);
        self.daemon = Some(Program::start_to_die("edge", words, crash_at));
    }

    fn run(&mut self, more: &[&str]) {
        let daemon = Program::start("edge", self.words(more));
        daemon.line(|line| line.starts_with("edge ").then_some(()));
        self.daemon = Some(daemon);
        until("the edge answers", 60, || match self.status() {
            Ok(_) => Ok(()),
            Err(reason) => Err(format!("{reason}; it said: {}", self.said())),
        });
    }

    fn words(&self, more: &[&str]) -> Vec<String> {
        let (state, models) = (self.state.to_str().unwrap(), self.models.to_str().unwrap());
        let words = ["run", "--state", state, "--models", models].into_iter().chain(more.iter().copied());
        words.map(str::to_owned).collect()
    }

    /// Ends the daemon as a power cut does, if it runs.
    pub fn kill(&mut self) {
        if let Some(daemon) = self.daemon.take() {
            daemon.kill();
        }
    }

    /// Asks the daemon to stop and gives its exit code.
    pub fn stop(&mut self) -> i32 {
        self.daemon.take().unwrap().stop()
    }

    /// Whether the daemon has died.
    pub fn has_died(&mut self) -> bool {
        self.daemon.as_mut().is_none_or(Program::has_ended)
    }

    /// Whether the daemon was started to die at a crash point.
    pub fn is_to_die(&self) -> bool {
        self.daemon.as_ref().is_some_and(Program::is_to_die)
    }

    /// The crash point that the daemon was started to die at, as long as it has not.
    #[track_caller]
    pub fn crash_point_ahead(&mut self) -> Option<String> {
        self.daemon.as_mut()?.crash_point_ahead()
    }

    /// Its state folder.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// What the daemon said to people so far.
    pub fn said(&self) -> String {
        self.daemon.as_ref().map(Program::said).unwrap_or_default()
    }

    /// Runs one of its commands on its state folder.
    pub fn command(&self, words: &[&str]) -> Output {
        let state = ["--state", self.state.to_str().unwrap()];
        run("edge", words.iter().chain(&state))
    }

    /// What `edge status --json` says.
    ///
    /// # Errors
    /// With the sentence the program said instead.
    pub fn status(&self) -> Result<Value, String> {
        let output = self.command(&["status", "--json"]);
        match output.code {
            0 => serde_json::from_str(&output.stdout).map_err(|error| format!("{error}: {}", output.stdout)),
            code => Err(format!("exit {code}: {}", output.stderr)),
        }
    }

    /// What the running daemon says of itself, at the door where `edge status` asks.
    pub fn asked(&self) -> Option<Status> {
        let reply = socket::ask(&self.state, &Request::Status).ok().flatten()?;
        Some(serde_json::from_value(reply).unwrap())
    }

    /// Shows the daemon a face.
    pub fn show(&self, space: &SpaceId, vector: &[f32]) -> Shown {
        let face = Asked { vector: vector.to_vec(), good_for: GoodFor::Enrol };
        match socket::ask(&self.state, &Request::See { space: space.clone(), face }) {
            Ok(Some(reply)) => Shown::Answered(reply["answer"].clone()),
            Ok(None) => Shown::NobodyThere,
            Err(_) => Shown::Unanswered,
        }
    }

    /// Whether the daemon's live gallery knows a face, without counting anything; nothing when it may not say.
    pub fn knows(&self, space: &SpaceId, vector: &[f32]) -> Option<bool> {
        let face = Asked { vector: vector.to_vec(), good_for: GoodFor::Enrol };
        let faces = vec![face];
        let reply = socket::ask(&self.state, &Request::Match { space: space.clone(), faces }).ok()??;
        let answer = reply["answers"][0]["decided"]["decision"].as_str()?;
        Some(answer == "known")
    }

    /// What `edge match` says of the one face in a picture.
    #[track_caller]
    pub fn look(&self, picture: &Path) -> Value {
        let models = self.models.to_str().unwrap();
        let output = self.command(&["match", picture.to_str().unwrap(), "--models", models, "--json"]);
        assert_eq!(output.code, 0, "edge match: {}", output.stderr);
        let faces: Vec<Value> = serde_json::from_str(&output.stdout).unwrap();
        assert_eq!(faces.len(), 1, "{}", output.stdout);
        faces[0].clone()
    }
}

/// What came of showing a face.
#[derive(Debug, Clone, PartialEq)]
pub enum Shown {
    /// The edge decided; what it counted is durable.
    Answered(Value),
    /// It was asked and did not answer: it may have counted or not.
    Unanswered,
    /// No daemon was there to see.
    NobodyThere,
}

impl Shown {
    /// Whether a visit was counted: somebody was known, or new.
    pub fn is_visit(&self) -> bool {
        let Shown::Answered(answer) = self else { return false };
        answer["decided"]["decision"] == "known" || answer["decided"]["decision"] == "new"
    }
}
