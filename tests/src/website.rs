//! The website as a program, and its HTTP door.

use crate::{Program, run, until};
use serde_json::{Value, json};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

/// Which database the website keeps its truth in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Database {
    /// The embedded one, in the data folder.
    Sqlite,
    /// A fresh database on the server that `REGULARS_TEST_PG_URL` names.
    Postgres,
}

/// A running website with its broker inside.
pub struct Website {
    program: Option<Program>,
    data: PathBuf,
    // Goes with the website, unless the folder is the test's own.
    _folder: Option<TempDir>,
    database_url: Option<String>,
    extra: Vec<String>,
    /// Where it serves pages and the API.
    pub http: SocketAddr,
    /// Where its broker listens.
    pub mqtt: SocketAddr,
    token: String,
}

/// One answer of the HTTP API.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body; null where there was none.
    pub body: Value,
}

impl Answer {
    /// The body, of an answer that must be a good one.
    #[track_caller]
    pub fn ok(self) -> Value {
        assert!((200..300).contains(&self.status), "{} {}", self.status, self.body);
        self.body
    }
}

impl Website {
    /// Starts one on SQLite, on free ports.
    pub fn start() -> Self {
        Self::start_with(Database::Sqlite, &[])
    }

    /// Starts one with more settings. Without the server that PostgreSQL needs, see [`Database::available`].
    pub fn start_with(database: Database, extra: &[&str]) -> Self {
        Self::start_at("127.0.0.1:0".parse().unwrap(), database, extra)
    }

    /// Starts one whose pages are at `http`.
    pub fn start_at(http: SocketAddr, database: Database, extra: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().to_owned();
        Self { _folder: Some(folder), ..Self::open(data, http, database, extra) }
    }

    /// Starts one on SQLite that keeps everything in a folder of the test's.
    pub fn start_in(data: &Path, extra: &[&str]) -> Self {
        Self::open(data.to_owned(), "127.0.0.1:0".parse().unwrap(), Database::Sqlite, extra)
    }

    fn open(data: PathBuf, http: SocketAddr, database: Database, extra: &[&str]) -> Self {
        let mut website = Self {
            program: None,
            data,
            _folder: None,
            database_url: database.fresh(),
            extra: extra.iter().map(|&s| s.to_owned()).collect(),
            http,
            mqtt: "127.0.0.1:0".parse().unwrap(),
            token: String::new(),
        };
        website.resume();
        website.token = website.command(&["token", "create", "tests"]).trim().to_owned();
        website
    }

    /// Starts it again on the addresses and the data it had.
    pub fn resume(&mut self) {
        self.begin();
        self.is_up();
    }

    /// Starts it again without waiting.
    pub fn begin(&mut self) {
        self.program = Some(Program::start("website", self.arguments()));
    }

    /// Waits until it says where it listens, and is ready.
    #[track_caller]
    pub fn is_up(&mut self) {
        (self.http, self.mqtt) = self.program.as_ref().unwrap().line(|line| {
            let address = |scheme: &str| line.split(scheme).nth(1)?.split_whitespace().next()?.parse().ok();
            Some((address("http://")?, address("mqtt://").or_else(|| address("mqtts://"))?))
        });
        until("the website is ready", 30, || match self.call("GET", "/readyz", &Value::Null) {
            Answer { status: 200, .. } => Ok(()),
            answer => Err(format!("{answer:?}")),
        });
    }

    /// Starts it again to die at a crash point, and waits until it is ready or has died.
    pub fn resume_to_die(&mut self, crash_at: &str) {
        self.program = Some(Program::start_to_die("website", self.arguments(), Some(crash_at)));
        until("the website is ready, or dead", 30, || match self.call("GET", "/readyz", &Value::Null) {
            Answer { status: 200, .. } => Ok(()),
            _ if self.program.as_mut().unwrap().has_ended() => Ok(()),
            answer => Err(format!("{answer:?}")),
        });
    }

    /// Starts it again where it must not come up, and gives its exit code and what it said to people.
    #[track_caller]
    pub fn is_refused(&self) -> (i32, String) {
        Program::start("website", self.arguments()).end_within(30)
    }

    /// What it said to people since it was started.
    pub fn said(&self) -> String {
        self.program.as_ref().map(Program::said).unwrap_or_default()
    }

    /// Whether it was started to die at a crash point.
    pub fn is_to_die(&self) -> bool {
        self.program.as_ref().is_some_and(Program::is_to_die)
    }

    /// The crash point it was started to die at, as long as it has not.
    #[track_caller]
    pub fn crash_point_ahead(&mut self) -> Option<String> {
        self.program.as_mut()?.crash_point_ahead()
    }

    pub(crate) fn database_url(&self) -> Option<&str> {
        self.database_url.as_deref()
    }

    /// Which database it keeps its truth in.
    pub fn database(&self) -> Database {
        if self.database_url.is_some() { Database::Postgres } else { Database::Sqlite }
    }

    /// Whether it has died.
    pub fn has_died(&mut self) -> bool {
        self.program.as_mut().is_none_or(Program::has_ended)
    }

    fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["serve".to_owned()];
        arguments.extend(["--listen".to_owned(), self.http.to_string()]);
        if !self.extra.iter().any(|word| word == "--mqtt-url") {
            arguments.extend(["--mqtt-listen".to_owned(), self.mqtt.to_string()]);
        }
        arguments.extend(self.where_the_data_is());
        arguments.extend(self.extra.iter().cloned());
        arguments
    }

    fn where_the_data_is(&self) -> Vec<String> {
        let mut arguments = vec!["--data".to_owned(), self.data.display().to_string()];
        if let Some(url) = &self.database_url {
            arguments.extend(["--database-url".to_owned(), url.clone()]);
        }
        arguments
    }

    /// Ends it as a power cut does, if it runs.
    pub fn kill(&mut self) {
        if let Some(program) = self.program.take() {
            program.kill();
        }
    }

    /// Asks it to stop and gives its exit code.
    pub fn stop(&mut self) -> i32 {
        self.program.take().unwrap().stop()
    }

    /// Its folder of data.
    pub fn data(&self) -> &Path {
        &self.data
    }

    /// Runs one of its commands on the same data and gives what it printed.
    #[track_caller]
    pub fn command(&self, words: &[&str]) -> String {
        let output = run("website", words.iter().map(|&w| w.to_owned()).chain(self.where_the_data_is()));
        assert_eq!(output.code, 0, "website {words:?}: {}", output.stderr);
        output.stdout
    }

    /// The page's address.
    pub fn url(&self) -> String {
        format!("http://{}", self.http)
    }

    /// One call of the HTTP API with the token of the tests.
    pub fn call(&self, method: &str, path: &str, body: &Value) -> Answer {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url()))
            .header("authorization", format!("Bearer {}", self.token))
            .header("content-type", "application/json")
            .body(if body.is_null() { String::new() } else { body.to_string() })
            .unwrap();
        let agent: ureq::Agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .build()
            .into();
        match agent.run(request) {
            Ok(mut response) => {
                let text = response.body_mut().read_to_string().unwrap();
                let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
                Answer { status: response.status().as_u16(), body }
            }
            Err(error) => Answer { status: 0, body: Value::String(error.to_string()) },
        }
    }

    /// Reads something that is there.
    #[track_caller]
    pub fn get(&self, path: &str) -> Value {
        self.call("GET", &format!("/api/v1{path}"), &Value::Null).ok()
    }

    /// Makes a location that enrols whoever comes in.
    pub fn location(&self, id: &str) {
        let body = json!({ "id": id, "name": id, "time_zone": "Europe/Oslo", "enrol": "auto" });
        self.call("POST", "/api/v1/locations", &body).ok();
    }

    /// Adds an edge and gives its join code.
    #[track_caller]
    pub fn join_code(&self, location: &str, name: &str) -> String {
        let body = json!({ "name": name, "place": "the door" });
        let edge = self.call("POST", &format!("/api/v1/locations/{location}/edges"), &body).ok();
        edge["code"].as_str().unwrap().to_owned()
    }

    /// A location's customers, live ones only.
    #[track_caller]
    pub fn customers(&self, location: &str) -> Vec<Value> {
        let page = self.get(&format!("/locations/{location}/customers?limit=500"));
        page["customers"].as_array().unwrap().clone()
    }
}

impl Database {
    /// Whether it can be had here; where it cannot, the test is skipped.
    pub fn available(self) -> bool {
        self == Database::Sqlite || test_kit::postgres::available()
    }

    /// The address of a fresh database, if it has one.
    fn fresh(self) -> Option<String> {
        match self {
            Database::Sqlite => None,
            Database::Postgres => Some(test_kit::postgres::database("whole").unwrap()),
        }
    }
}
