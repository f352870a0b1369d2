//! The program `edge`, as it is where nothing is at hand: away from the folder it was built in, with a home of its own.

use crate::{data::root, server::Server};
use edge::{face::Manifest, models::library::Build};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    env, fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
};
use tempfile::TempDir;

/// A copy of the program in a folder of its own.
pub struct Program {
    folder: TempDir,
}

impl Program {
    pub fn alone() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (built, copy) = (env!("CARGO_BIN_EXE_edge"), folder.path().join("edge"));
        fs::hard_link(built, &copy).or_else(|_| fs::copy(built, &copy).map(drop)).unwrap();
        Self { folder }
    }

    /// Where it puts models.
    pub fn models(&self) -> PathBuf {
        self.folder.path().join("home/regulars/models")
    }

    /// A path that is nobody's yet.
    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(self.folder.path().join("edge"));
        for (key, _) in env::vars_os().filter(|(key, _)| key.to_string_lossy().starts_with("REGULARS_")) {
            command.env_remove(key);
        }
        command.env_remove("ORT_DYLIB_PATH").env("XDG_DATA_HOME", self.folder.path().join("home"));
        // Where somebody stands has nothing to do with what is found.
        command.current_dir(root()).args(words).stdin(Stdio::null());
        command
    }

    pub fn run(&self, words: &[&str]) -> Output {
        self.command(words).output().unwrap()
    }

    pub fn start(&self, words: &[&str]) -> Child {
        self.command(words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// What it said when it did what it was asked.
    #[track_caller]
    pub fn good(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}", text(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Everything it said when it did not; the last line is its sentence.
    #[track_caller]
    pub fn refused(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert_eq!(output.status.code(), Some(1), "{words:?}: {}", text(&output));
        let said = text(&output);
        assert!(said.lines().last().is_some_and(|line| line.starts_with("edge: ")), "{words:?}: {said}");
        said
    }

    /// The folder that `edge models list` says the set is in.
    pub fn listed(&self, set: &str) -> Value {
        let listed: Vec<Value> = serde_json::from_str(&self.good(&["models", "list", "--json"])).unwrap();
        listed.into_iter().find(|listed| listed["name"] == set).unwrap()["folder"].clone()
    }
}

pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[&output.stdout[..], &output.stderr[..]].concat()).into_owned()
}

/// What a mirror of the default set has.
pub fn mirrored(faces: &Path) -> BTreeMap<String, Vec<u8>> {
    let models = faces.join("models");
    let manifest = Manifest::shipped().remove(0);
    let origins = manifest.origins().into_iter().flat_map(|(_, origins)| origins);
    let read = |name: &str| {
        fs::read(models.join(name)).or_else(|_| fs::read(models.join("source").join(name))).unwrap()
    };
    let mut files: BTreeMap<String, Vec<u8>> =
        origins.map(|file| (file.name.clone(), read(&file.name))).collect();
    let build = Build::here().unwrap();
    files.insert(build.below_mirror(), fs::read(crate::world::library()).unwrap());
    files
}

/// A mirror that has everything.
pub fn mirror(faces: &Path) -> Server {
    Server::of(mirrored(faces))
}
