//! Our programs as a person starts them.

use crate::until;
use std::{
    env,
    ffi::OsStr,
    io::{BufRead, BufReader, Read},
    path::PathBuf,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, mpsc},
    thread,
    time::Duration,
};

/// The path of one of the workspace's programs.
///
/// # Panics
/// When it was not built: `cargo build --workspace --all-targets` builds tests and programs alike.
pub(crate) fn path(name: &str) -> PathBuf {
    let test = env::current_exe().unwrap();
    let path = test.parent().and_then(|deps| deps.parent()).unwrap().join(name);
    assert!(path.exists(), "{} is not there: run cargo build --workspace --all-targets", path.display());
    path
}

/// What a program that ended has left.
#[derive(Debug)]
pub struct Output {
    /// Its exit code; -1 when a signal ended it.
    pub code: i32,
    /// What it printed as data.
    pub stdout: String,
    /// What it said to people.
    pub stderr: String,
}

/// Runs a program to its end, with none of the caller's `REGULARS_` settings.
pub fn run<A: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = A>) -> Output {
    let output = command(name, arguments).stdin(Stdio::null()).output().unwrap();
    Output {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8(output.stdout).unwrap(),
        stderr: String::from_utf8(output.stderr).unwrap(),
    }
}

fn command<A: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(path(name));
    for (key, _) in env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("REGULARS_")) {
        command.env_remove(key);
    }
    if let Some(library) = env::var_os("REGULARS_ONNXRUNTIME") {
        command.env("REGULARS_ONNXRUNTIME", library);
    }
    // People stand in the project's folder, and tests in their crate's.
    command.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).args(arguments);
    command
}

/// A program that goes on running. It is killed when this is dropped.
pub struct Program {
    name: String,
    child: Child,
    lines: Mutex<mpsc::Receiver<String>>,
    said: Arc<Mutex<String>>,
    listening: Option<thread::JoinHandle<()>>,
    to_die: Option<String>,
}

impl Program {
    /// Starts it.
    pub fn start<A: AsRef<OsStr>>(name: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        Self::start_to_die(name, arguments, None)
    }

    /// Starts it; it dies where the crash point says, if there is one.
    pub fn start_to_die<A: AsRef<OsStr>>(
        name: &str,
        arguments: impl IntoIterator<Item = A>,
        crash_at: Option<&str>,
    ) -> Self {
        let mut child = command(name, arguments)
            .envs(crash_at.map(|point| (crash_point::VARIABLE, point)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let (send, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let mut stderr = child.stderr.take().unwrap();
        let keep = Arc::clone(&said);
        let listening = thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = stderr.read(&mut bytes) {
                keep.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..n]));
            }
        });
        let to_die = crash_at.map(|point| point.split(':').next().unwrap_or(point).to_owned());
        let (name, lines) = (name.to_owned(), Mutex::new(lines));
        Self { name, child, lines, said, listening: Some(listening), to_die }
    }

    /// Waits for a line on its standard output that `pick` makes something of.
    pub fn line<T>(&self, pick: impl Fn(&str) -> Option<T>) -> T {
        loop {
            match self.lines.lock().unwrap().recv_timeout(Duration::from_secs(60)) {
                Ok(line) => {
                    if let Some(picked) = pick(&line) {
                        return picked;
                    }
                }
                Err(_) => panic!("{} did not say what it should, but: {}", self.name, self.said()),
            }
        }
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        self.said.lock().unwrap().clone()
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Whether it was started to die at a crash point.
    pub fn is_to_die(&self) -> bool {
        self.to_die.is_some()
    }

    /// The crash point it was started to die at, as long as it has not.
    ///
    /// # Panics
    /// When it has ended, but not there.
    #[track_caller]
    pub fn crash_point_ahead(&mut self) -> Option<String> {
        let point = self.to_die.clone()?;
        if !self.has_ended() {
            return Some(point);
        }
        let (code, said) = self.end_within(0);
        let there = format!("{}{point}", crash_point::DIED_AT);
        assert!(said.contains(&there), "{} ended with {code} before {point}; it said: {said}", self.name);
        None
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it as a power cut does: `kill -9`.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Asks it to stop, as a service manager does, and gives its exit code.
    pub fn stop(mut self) -> i32 {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
        self.end_within(20).0
    }

    /// Waits at most so many seconds for its end, and gives its exit code and everything it said to people.
    #[track_caller]
    pub fn end_within(&mut self, seconds: u64) -> (i32, String) {
        let status = until(&format!("{} ends", self.name), seconds, || {
            self.child.try_wait().unwrap().ok_or_else(|| format!("it said: {}", self.said()))
        });
        self.listening.take().into_iter().for_each(|listening| listening.join().unwrap());
        (status.code().unwrap_or(-1), self.said())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {} said:\n{}", self.name, self.said());
        }
    }
}
