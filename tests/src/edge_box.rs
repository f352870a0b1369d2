//! An edge as a program.

use crate::{Output, Program, Website, run, until};
use serde_json::Value;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// One edge box: its state folder, and the daemon when it runs.
pub struct EdgeBox {
    state: TempDir,
    models: PathBuf,
    daemon: Option<Program>,
}

impl EdgeBox {
    /// Joins a location of `website`.
    #[track_caller]
    pub fn join(website: &Website, location: &str, name: &str, models: &Path) -> Self {
        let edge = Self { state: tempfile::tempdir().unwrap(), models: models.to_owned(), daemon: None };
        let code = website.join_code(location, name);
        let output = edge.command(&["join", &website.url(), &code, "--models", models.to_str().unwrap()]);
        assert_eq!(output.code, 0, "edge join: {}", output.stderr);
        edge
    }

    /// Starts the daemon, which only stays in step.
    pub fn start(&mut self) {
        self.run(&[]);
    }

    /// Starts the daemon on a source of pictures.
    pub fn watch(&mut self, source: &str) {
        self.run(&["--source", source]);
    }

    fn run(&mut self, more: &[&str]) {
        let state = self.state.path().to_str().unwrap();
        let models = self.models.to_str().unwrap();
        let arguments = ["run", "--state", state, "--models", models].into_iter().chain(more.iter().copied());
        self.daemon = Some(Program::start("edge", arguments));
        until("the edge answers", 60, || match self.status() {
            Ok(_) => Ok(()),
            Err(reason) => Err(format!("{reason}; it said: {}", self.daemon.as_ref().unwrap().said())),
        });
    }

    /// Ends the daemon as a power cut does.
    pub fn kill(&mut self) {
        self.daemon.take().unwrap().kill();
    }

    /// Its state folder.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// What the daemon said to people so far.
    pub fn said(&self) -> String {
        self.daemon.as_ref().map(Program::said).unwrap_or_default()
    }

    /// Runs one of its commands on its state folder.
    pub fn command(&self, words: &[&str]) -> Output {
        let state = ["--state", self.state.path().to_str().unwrap()];
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
