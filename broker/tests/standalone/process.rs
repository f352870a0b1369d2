//! The program `broker`, started as a person starts it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// No test waits longer than this for anything.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// The password of every user of [`SETTINGS`].
pub const PASSWORD: &str = "a long enough password";

/// What a program that ended has left.
pub struct Output {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_broker"));
    for (key, _) in std::env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("REGULARS_")) {
        command.env_remove(key);
    }
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs it to its end.
pub fn run(arguments: &[&str], stdin: &str) -> Output {
    let mut child = command(arguments).spawn().unwrap();
    child.stdin.take().unwrap().write_all(stdin.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

/// A broker that serves; killed when dropped.
pub struct Serving {
    child: Child,
    told: String,
    pub mqtt: SocketAddr,
    pub http: SocketAddr,
}

/// What stands behind this scheme in the line that tells where it listens.
fn place(told: &str, scheme: &str) -> Option<SocketAddr> {
    told.split_whitespace().find_map(|word| word.strip_prefix(scheme)?.strip_prefix("://")?.parse().ok())
}

impl Serving {
    pub fn start(arguments: &[&str]) -> Serving {
        Serving::of(command(&["serve", "--listen", "127.0.0.1:0", "--status", "127.0.0.1:0"]).args(arguments))
    }

    /// Where only the settings say where to listen.
    pub fn start_only(arguments: &[&str]) -> Serving {
        Serving::of(command(&["serve", "--status", "127.0.0.1:0"]).args(arguments))
    }

    pub fn with(config: &Path) -> Serving {
        Serving::start(&["--config", config.to_str().unwrap()])
    }

    pub fn of(command: &mut Command) -> Serving {
        Serving::logging(command, Stdio::inherit())
    }

    /// With its log somewhere else.
    pub fn logging(command: &mut Command, log: Stdio) -> Serving {
        let mut child = command.stderr(log).spawn().unwrap();
        let mut told = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut told).unwrap();
        let [mqtt, http] = ["mqtt", "http"].map(|scheme| place(&told, scheme).unwrap());
        Serving { child, told, mqtt, http }
    }

    /// Where its listener of this scheme is.
    pub fn place(&self, scheme: &str) -> SocketAddr {
        place(&self.told, scheme).unwrap_or_else(|| panic!("no {scheme} in {:?}", self.told))
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([&format!("-{name}"), &pid]).status().unwrap().success());
    }

    /// Status line and body.
    pub fn get(&self, path: &str) -> (String, String) {
        let mut stream = std::net::TcpStream::connect(self.http).unwrap();
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.lines().next().unwrap().to_owned(), body.to_owned())
    }

    /// One counter of `/metrics`.
    pub fn metric(&self, name: &str) -> u64 {
        let (_, text) = self.get("/metrics");
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {text}")).parse().unwrap()
    }

    /// Asks it to end, and returns its exit code.
    pub fn terminate(mut self) -> i32 {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.child.wait().unwrap().code().unwrap_or(-1)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The hash of [`PASSWORD`].
pub fn hash() -> &'static str {
    static HASH: std::sync::OnceLock<String> = std::sync::OnceLock::new();
    HASH.get_or_init(|| run(&["passwd"], &format!("{PASSWORD}\n")).stdout.trim().to_owned())
}

/// Settings in a folder of their own, with the users `ann`, `bob`, `site` (the website) and `eve` (people).
pub fn settings(rest: &str) -> (tempfile::TempDir, std::path::PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let users = [("ann", "rules"), ("bob", "rules"), ("site", "website"), ("eve", "people")];
    let users = users.map(|(name, role)| {
        format!("[[user]]\nname = \"{name}\"\npassword = \"{}\"\nas = \"{role}\"\n", hash())
    });
    let file = folder.path().join("broker.toml");
    std::fs::write(&file, format!("{}{rest}", users.concat())).unwrap();
    (folder, file)
}

/// One rule.
pub fn rule(effect: &str, action: &str, filter: &str) -> String {
    format!("[[rule]]\neffect = \"{effect}\"\naction = \"{action}\"\nfilter = \"{filter}\"\n")
}
