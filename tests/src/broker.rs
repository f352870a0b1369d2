//! The stand-alone broker as a program, on loopback.

use crate::{Program, until};
use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};
use tempfile::TempDir;

/// Whether what passes can be read on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Listening {
    Plain,
    Encrypted,
}

/// A broker that asks a website about everybody but that website. What the website has answered is old after a second.
pub struct Broker {
    program: Option<Program>,
    folder: PathBuf,
    // Goes with the broker, unless the folder is the test's own.
    _own: Option<TempDir>,
    listening: Listening,
    website: SocketAddr,
    /// Where it listens.
    pub mqtt: SocketAddr,
    status: SocketAddr,
}

impl Broker {
    /// The password by which the website logs in.
    pub const PASSWORD: &str = "what-the-website-says";

    /// Starts one in the clear, for a website whose pages are at `website`.
    pub fn start(website: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("shared.secret"), "a-secret-that-both-know").unwrap();
        let path = folder.path().to_owned();
        Self::listen(path, Some(folder), Listening::Plain, website)
    }

    /// Starts one under TLS, with the `server.pem`, `server.key` and `shared.secret` of a folder.
    pub fn start_encrypted(folder: &Path, website: SocketAddr) -> Self {
        Self::listen(folder.to_owned(), None, Listening::Encrypted, website)
    }

    fn listen(folder: PathBuf, own: Option<TempDir>, listening: Listening, website: SocketAddr) -> Self {
        let free: SocketAddr = "127.0.0.1:0".parse().unwrap();
        let mut broker =
            Self { program: None, folder, _own: own, listening, website, mqtt: free, status: free };
        broker.resume();
        broker
    }

    fn scheme(&self) -> &'static str {
        match self.listening {
            Listening::Plain => "mqtt",
            Listening::Encrypted => "mqtts",
        }
    }

    fn configure(&self) -> PathBuf {
        let papers = match self.listening {
            Listening::Plain => "",
            Listening::Encrypted => "certificate = \"server.pem\"\nkey = \"server.key\"\n",
        };
        let settings = format!(
            "[[listener]]\nurl = \"{}://{}\"\n{papers}\
             [[user]]\nname = \"site\"\npassword = \"{}\"\nas = \"website\"\n\
             [http]\nauth_url = \"http://{website}/api/mqtt/auth\"\n\
             acl_url = \"http://{website}/api/mqtt/acl\"\n\
             revoked_url = \"http://{website}/api/mqtt/revoked\"\n\
             secret_file = \"shared.secret\"\nfresh_s = 1\nstale_s = 600\n",
            self.scheme(),
            self.mqtt,
            hashed(),
            website = self.website,
        );
        let file = self.folder.join("broker.toml");
        fs::write(&file, settings).unwrap();
        file
    }

    /// Starts it, again where it was if it was there before.
    pub fn resume(&mut self) {
        let file = self.configure();
        let arguments = ["serve", "--config", file.to_str().unwrap(), "--status", "127.0.0.1:0"];
        let program = Program::start("broker", arguments);
        let mqtt = format!(" {}://", self.scheme());
        (self.mqtt, self.status) = program.line(|line| {
            let address = |scheme: &str| line.split(scheme).nth(1)?.split_whitespace().next()?.parse().ok();
            Some((address(&mqtt)?, address(" http://")?))
        });
        self.program = Some(program);
        until("the broker listens", 20, || TcpStream::connect(self.mqtt).map_err(|error| error.to_string()));
    }

    /// Ends it as a power cut does, if it runs.
    pub fn kill(&mut self) {
        if let Some(program) = self.program.take() {
            program.kill();
        }
    }

    /// Whether it has died.
    pub fn has_died(&mut self) -> bool {
        self.program.as_mut().is_none_or(Program::has_ended)
    }

    /// What a website needs to use it instead of one of its own, reaching it at `at`.
    pub fn for_website(&self, at: SocketAddr) -> [String; 4] {
        let secret = self.folder.join("shared.secret").display().to_string();
        let url = format!("{}://site:{}@{at}", self.scheme(), Self::PASSWORD);
        ["--mqtt-url".to_owned(), url, "--mqtt-api-secret-file".to_owned(), secret]
    }

    /// One counter of its `/metrics`.
    #[track_caller]
    pub fn metric(&self, name: &str) -> u64 {
        let mut stream = TcpStream::connect(self.status).unwrap();
        write!(stream, "GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let value = answer.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("no {name} in {answer}")).parse().unwrap()
    }
}

/// The hash of the password, as `broker passwd` prints it.
fn hashed() -> &'static str {
    static HASHED: OnceLock<String> = OnceLock::new();
    HASHED.get_or_init(|| {
        let mut hashing = Command::new(crate::program::path("broker"))
            .arg("passwd")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        hashing.stdin.take().unwrap().write_all(Broker::PASSWORD.as_bytes()).unwrap();
        String::from_utf8(hashing.wait_with_output().unwrap().stdout).unwrap().trim().to_owned()
    })
}
