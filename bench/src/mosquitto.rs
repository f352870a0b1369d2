//! Mosquitto as a process of its own.

use crate::arena::{Addresses, Process};
use crate::paper::Paper;
use anyhow::{Context as _, Result, bail};
use std::fs::File;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often it is tried whether Mosquitto listens; it does not say so.
const LOOK: Duration = Duration::from_millis(10);

/// Why there is nothing beside our figures.
pub const MISSING: &str = "skipped, because mosquitto is not installed: apt-get install mosquitto";

/// What it is told apart from where to listen: nothing that holds it back, nothing written to disk, and the
/// window of our broker.
const SETTINGS: &str = "allow_anonymous true
persistence false
set_tcp_nodelay true
max_inflight_messages 200
max_queued_messages 0
max_queued_bytes 0
log_type error
user root
";

/// The settings in one line, for the report.
pub fn settings() -> String {
    SETTINGS.trim_end().replace('\n', ", ")
}

/// Where it is installed, if it is.
pub fn find() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders.map(|folder| folder.join("mosquitto")).find(|program| program.is_file())
}

/// Its version, as it says itself.
pub fn version() -> Option<String> {
    let output = Command::new(find()?).arg("-h").output().ok()?;
    String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
}

/// Starts it and waits until it listens.
pub async fn start(program: &Path, folder: &Path, paper: &Paper) -> Result<(Process, Addresses)> {
    let [plain, tls] = free_ports()?;
    let (certificate, key) = (paper.certificate.display(), paper.key.display());
    let settings = format!(
        "{SETTINGS}listener {} 127.0.0.1\nlistener {} 127.0.0.1\ncertfile {certificate}\nkeyfile {key}\n",
        plain.port(),
        tls.port()
    );
    let file = folder.join(format!("mosquitto-{}.conf", plain.port()));
    std::fs::write(&file, settings).context("cannot write Mosquitto's settings")?;
    let log = folder.join(format!("mosquitto-{}.log", plain.port()));
    let stderr = File::create(&log).context("cannot make a file for Mosquitto's log")?;
    let child = Command::new(program).arg("-c").arg(&file).stdin(Stdio::null()).stderr(stderr).spawn();
    let mut process = Process(child.with_context(|| format!("cannot start {}", program.display()))?);
    let soon = Instant::now() + Duration::from_secs(10);
    while TcpStream::connect(tls).is_err() {
        if process.0.try_wait()?.is_some() || Instant::now() > soon {
            bail!("mosquitto did not start: {}", std::fs::read_to_string(&log).unwrap_or_default().trim());
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok((process, [plain, tls]))
}

/// Ports that nobody uses at the moment.
fn free_ports() -> Result<Addresses> {
    let held = [TcpListener::bind(("127.0.0.1", 0))?, TcpListener::bind(("127.0.0.1", 0))?];
    let address = |held: &TcpListener| held.local_addr();
    let addresses: Vec<SocketAddr> = held.iter().map(address).collect::<Result<_, _>>()?;
    addresses.try_into().ok().context("two ports")
}
