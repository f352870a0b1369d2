//! A PostgreSQL server for this test process: the one `REGULARS_TEST_PG_URL` names, or a private one in a temporary
//! folder that goes when the process does.

use crate::{Lack, skip};
use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::fs::MetadataExt,
    path::PathBuf,
    process::{ChildStdin, Command, Stdio},
    sync::{
        Mutex, OnceLock,
        atomic::{AtomicU32, Ordering},
    },
};

/// Whether there is a server; where there is none the test is skipped.
pub fn available() -> bool {
    let server = server();
    if let Err(why) = server {
        skip(Lack::Provided, why);
    }
    server.is_ok()
}

/// The address of a fresh database on the server, whose name begins with `kind`. Where there is no server the test is
/// skipped.
pub fn database(kind: &str) -> Option<String> {
    static DATABASES: AtomicU32 = AtomicU32::new(0);
    let server = available().then(server)?.ok()?;
    let name = format!("{kind}_{}_{}", std::process::id(), DATABASES.fetch_add(1, Ordering::Relaxed));
    Some(create(server, &name, ""))
}

/// The address of a copy of a database that nothing is connected to.
pub fn copy(url: &str) -> String {
    let name = url.split(['/', '?']).nth(3).unwrap();
    create(server().unwrap(), &format!("{name}_copy"), &format!("TEMPLATE {name}"))
}

fn create(server: &str, name: &str, more: &str) -> String {
    let create = format!("CREATE DATABASE {name} {more}");
    let made = Command::new("psql").args([server, "-qc", &create]).output().unwrap();
    assert!(made.status.success(), "{create}: {}", String::from_utf8_lossy(&made.stderr));
    server.replacen("/postgres?", &format!("/{name}?"), 1)
}

/// The address of its database `postgres`, or why there is none.
fn server() -> Result<&'static str, &'static str> {
    static SERVER: OnceLock<Result<String, String>> = OnceLock::new();
    let server = SERVER.get_or_init(|| match env::var("REGULARS_TEST_PG_URL") {
        Ok(url) => Ok(url),
        Err(_) => private(),
    });
    server.as_deref().map_err(String::as_str)
}

/// Stops the server and removes its folder once stdin ends: that is when the test process does, however it does.
const RUN: &str = r#"
set -eu
dir=$(mktemp -d /tmp/regulars-pg-XXXXXX)
"$1/initdb" -D "$dir/data" -A trust -U postgres -E UTF8 --no-sync >"$dir/log" 2>&1
"$1/postgres" -D "$dir/data" -c listen_addresses= -c unix_socket_directories="$dir" -c fsync=off \
    -c full_page_writes=off -c max_connections=400 >>"$dir/log" 2>&1 </dev/null &
postgres=$!
tries=0
until "$1/pg_isready" -q -h "$dir" -U postgres; do
    tries=$((tries + 1)); [ $tries -lt 600 ] || exit 1; sleep 0.05
done
echo "$dir"
cat >/dev/null
kill -INT $postgres
wait $postgres || true
rm -rf "$dir"
"#;

fn private() -> Result<String, String> {
    static KEEPS_IT_RUNNING: Mutex<Option<ChildStdin>> = Mutex::new(None);
    let programs =
        programs().ok_or("no initdb in /usr/lib/postgresql: install Debian's package postgresql")?;
    let root = fs::metadata("/proc/self").is_ok_and(|me| me.uid() == 0);
    // PostgreSQL refuses to run as root.
    let words: &[&str] = if root { &["runuser", "-u", "postgres", "--", "sh"] } else { &["sh"] };
    let child = Command::new(words[0])
        .args(&words[1..])
        .args(["-c", RUN, "sh"])
        .arg(programs)
        .current_dir("/tmp")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| format!("PostgreSQL cannot be started: {error}"))?;
    *KEEPS_IT_RUNNING.lock().unwrap() = child.stdin.take();
    let mut dir = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut dir).map_err(|error| error.to_string())?;
    match dir.trim() {
        "" => Err("PostgreSQL did not start".to_owned()),
        dir => Ok(format!("postgres://postgres@localhost/postgres?host={dir}")),
    }
}

fn programs() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> =
        versions.filter_map(|version| Some(version.ok()?.path().join("bin"))).collect();
    found.retain(|bin| bin.join("initdb").exists());
    found.sort();
    found.pop()
}
