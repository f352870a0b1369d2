//! A PostgreSQL of our own: in a temporary folder, on a socket in it, with the durability it comes with.

use anyhow::{Context as _, Result, ensure};
use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};
use tempfile::TempDir;

/// A running server.
pub struct Postgres {
    /// The address of its database.
    pub url: String,
    programs: PathBuf,
    folder: TempDir,
}

impl Postgres {
    /// Starts one, unless PostgreSQL is not installed.
    pub fn start() -> Result<Option<Postgres>> {
        let Some(programs) = find() else { return Ok(None) };
        let folder = tempfile::tempdir()?;
        let (data, socket) = (folder.path().join("pg"), folder.path().join("socket"));
        ensure!(Command::new("chmod").arg("755").arg(folder.path()).status()?.success(), "chmod failed");
        for made in [&data, &socket] {
            std::fs::create_dir(made)?;
            if root() {
                let given = Command::new("chown").arg("postgres").arg(made).status()?;
                ensure!(given.success(), "there is no user postgres: it comes with the package");
            }
        }
        let url = format!("postgres://postgres@localhost/postgres?host={}", socket.display());
        let postgres = Postgres { url, programs, folder };
        postgres.run("initdb", &["--auth=trust", "--username=postgres", "--encoding=UTF8"])?;
        let log = format!("--log={}", data.join("server.log").display());
        let options =
            format!("--options=-c listen_addresses='' -c unix_socket_directories={}", socket.display());
        postgres.run("pg_ctl", &["--wait", "--silent", &log, &options, "start"])?;
        Ok(Some(postgres))
    }

    /// Runs one of its programs on the data folder; PostgreSQL refuses to run as root.
    fn run(&self, program: &str, arguments: &[&str]) -> Result<()> {
        let path = self.programs.join(program);
        let mut command = if root() {
            let mut command = Command::new("runuser");
            command.args(["-u", "postgres", "--"]).arg(&path);
            command
        } else {
            Command::new(&path)
        };
        let data = self.folder.path().join("pg");
        command.arg(format!("--pgdata={}", data.display())).args(arguments).current_dir("/");
        let ended =
            command.stdout(Stdio::null()).status().with_context(|| format!("cannot run {program}"))?;
        ensure!(ended.success(), "{program} failed");
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        // Its folder goes too: nothing is left to be saved.
        let _ = self.run("pg_ctl", &["--mode=immediate", "--silent", "stop"]);
    }
}

fn root() -> bool {
    rustix::process::geteuid().is_root()
}

/// Where the newest one is installed.
fn find() -> Option<PathBuf> {
    let versions = std::fs::read_dir(Path::new("/usr/lib/postgresql")).ok()?;
    let programs = versions.flatten().map(|version| version.path().join("bin"));
    programs.filter(|programs| programs.join("initdb").is_file()).max()
}
