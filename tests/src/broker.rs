//! The stand-alone broker as a program, on loopback and in the clear.

use crate::{Program, until};
use std::{
    fs,
    io::Write,
    net::{SocketAddr, TcpStream},
    process::{Command, Stdio},
};
use tempfile::TempDir;

const PASSWORD: &str = "what-the-website-says";

/// A broker that asks a website about everybody but that website.
pub struct Broker {
    program: Option<Program>,
    folder: TempDir,
    /// Where it listens.
    pub mqtt: SocketAddr,
}

impl Broker {
    /// Starts one for a website whose pages are at `website`.
    pub fn start(website: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("shared.secret"), "a-secret-that-both-know").unwrap();
        let mut broker = Self { program: None, folder, mqtt: "127.0.0.1:0".parse().unwrap() };
        broker.configure(website);
        broker.resume();
        // From now on it listens where it does now.
        broker.configure(website);
        broker
    }

    fn configure(&self, website: SocketAddr) {
        let settings = format!(
            "[[listener]]\nurl = \"mqtt://{}\"\n\
             [[user]]\nname = \"site\"\npassword = \"{}\"\nas = \"website\"\n\
             [http]\nauth_url = \"http://{website}/api/mqtt/auth\"\n\
             acl_url = \"http://{website}/api/mqtt/acl\"\n\
             revoked_url = \"http://{website}/api/mqtt/revoked\"\n\
             secret_file = \"shared.secret\"\nfresh_s = 1\nstale_s = 600\n",
            self.mqtt,
            hashed()
        );
        fs::write(self.folder.path().join("broker.toml"), settings).unwrap();
    }

    /// Starts it again where it was.
    pub fn resume(&mut self) {
        let file = self.folder.path().join("broker.toml");
        let arguments = ["serve", "--config", file.to_str().unwrap(), "--status", "127.0.0.1:0"];
        let program = Program::start("broker", arguments);
        self.mqtt =
            program.line(|line| line.split(" mqtt://").nth(1)?.split_whitespace().next()?.parse().ok());
        self.program = Some(program);
        until("the broker listens", 20, || TcpStream::connect(self.mqtt).map_err(|error| error.to_string()));
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        if let Some(program) = self.program.take() {
            program.kill();
        }
    }

    /// Whether it has died.
    pub fn has_died(&mut self) -> bool {
        self.program.as_mut().is_none_or(Program::has_ended)
    }

    /// What a website needs to use it instead of one of its own.
    pub fn for_website(&self) -> [String; 4] {
        let secret = self.folder.path().join("shared.secret").display().to_string();
        let url = format!("mqtt://site:{PASSWORD}@{}", self.mqtt);
        ["--mqtt-url".to_owned(), url, "--mqtt-api-secret-file".to_owned(), secret]
    }
}

/// The hash that `broker passwd` prints.
fn hashed() -> String {
    let mut hashing = Command::new(crate::program::path("broker"))
        .arg("passwd")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    hashing.stdin.take().unwrap().write_all(PASSWORD.as_bytes()).unwrap();
    String::from_utf8(hashing.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
}
