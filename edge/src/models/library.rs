//! The build of libonnxruntime that everything here was measured with, and how it comes where it is missing.

use super::{Address, Fetcher, Wanted, part::Part};
use crate::face::{content::Content, runtime::Surroundings};
use anyhow::{Context, Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

/// The steps that fetch it with pip, the same as `make onnxruntime`.
const SCRIPT: &str = include_str!("../../models/get-onnxruntime.sh");

/// A build, known by its content.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Build {
    /// The file's name.
    pub name: &'static str,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, in hex.
    pub sha256: &'static str,
    /// The machine it runs on, as Rust calls it.
    pub machine: &'static str,
}

/// Whether the library at a path is the tested build.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Known {
    /// It is.
    Tested(PathBuf),
    /// It is another one, or another machine's.
    Other(PathBuf),
}

impl Build {
    /// ONNX Runtime 1.24.4, out of the wheels that its makers publish.
    pub const ALL: [Self; 2] = [
        Self {
            name: "libonnxruntime.so.1.24.4",
            bytes: 22_159_232,
            sha256: "2d518e11c7767f9fdc4413bdbeb45acf30db504ff76a82fc19d9238a3f9f6c24",
            machine: "x86_64",
        },
        Self {
            name: "libonnxruntime.so.1.24.4",
            bytes: 18_625_376,
            sha256: "f373ae5fd4d878ed17ebea26e5480bd3d0a15e3bd6bc94b878e6c1b73998d22a",
            machine: "aarch64",
        },
    ];

    /// The one for this machine.
    ///
    /// # Errors
    /// When there is none.
    pub fn here() -> Result<&'static Self> {
        let here = Self::ALL.iter().find(|build| build.machine == std::env::consts::ARCH);
        here.filter(|_| cfg!(target_os = "linux")).with_context(|| {
            format!(
                "no ready libonnxruntime is known for {} on {}: build one and name it with --onnxruntime PATH",
                std::env::consts::OS,
                std::env::consts::ARCH
            )
        })
    }

    /// Where a mirror has it: machines share the file's name, so each has a folder.
    pub fn below_mirror(&self) -> String {
        format!("{}/{}", self.machine, self.name)
    }

    /// Brings it into a folder: from the mirror, when there is one, otherwise by pip.
    ///
    /// # Errors
    /// One sentence: neither can be had, or what came is another build.
    pub fn pull(&self, folder: &Path, mirror: Option<&Address>, fetcher: &Fetcher) -> Result<()> {
        match mirror {
            Some(mirror) => {
                let address = mirror.join(&self.below_mirror())?;
                let wanted = Wanted { name: self.name, address, bytes: self.bytes, sha256: self.sha256 };
                fetcher.fetch(&wanted, folder)
            }
            None => self.by_pip(folder),
        }
    }

    fn by_pip(&self, folder: &Path) -> Result<()> {
        let staging = staging_in(folder)?;
        let ran = Command::new("sh")
            .args(["-c", SCRIPT, "get-onnxruntime.sh"])
            .arg(&staging)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .output();
        let result = ran.context("there is no shell to run pip with").and_then(|ran| {
            let said = String::from_utf8_lossy(&ran.stderr).into_owned();
            let last = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("pip said nothing");
            ensure!(
                ran.status.success(),
                "libonnxruntime could not be fetched ({last}): run `edge models pull` again when that is mended, or name a library with --onnxruntime PATH"
            );
            self.adopt(&staging.join(self.name), folder)
        });
        let _ = fs::remove_dir_all(&staging);
        result
    }

    /// Takes a library into a folder under its own name, when it is the right one.
    fn adopt(&self, from: &Path, folder: &Path) -> Result<()> {
        let found = sha256(from)?;
        ensure!(
            found == self.sha256,
            "pip brought another libonnxruntime than the tested one (expected SHA-256 {}, found {found}): name a library you trust with --onnxruntime PATH",
            self.sha256
        );
        let mut part = Part::open(folder, self.name, self.bytes)?;
        part.restart()?;
        part.write(&fs::read(from)?)?;
        part.finish()
    }
}

impl Known {
    /// Looks at a library.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn at(path: PathBuf) -> Result<Self> {
        let found = sha256(&path)?;
        match Build::here() {
            Ok(build) if build.sha256 == found => Ok(Self::Tested(path)),
            _ => Ok(Self::Other(path)),
        }
    }

    /// The library that would be used with this folder of models; nothing when there is none, or only one of the
    /// system's that is another build.
    ///
    /// # Errors
    /// When one was named that is not there, or it cannot be read.
    pub fn settled(surroundings: &Surroundings) -> Result<Option<Self>> {
        let named = surroundings.setting.is_some() || surroundings.variable.is_some();
        let near = surroundings.clone().without_the_systems();
        match (near.find(), surroundings.find()) {
            (Ok(path), _) => Self::at(path).map(Some),
            (Err(error), _) if named => Err(error),
            (Err(_), Ok(path)) => Ok(Some(Self::at(path)?).filter(|known| matches!(known, Self::Tested(_)))),
            (Err(_), Err(_)) => Ok(None),
        }
    }
}

/// A fresh folder inside another one, so that what is fetched is on the same disk.
fn staging_in(folder: &Path) -> Result<PathBuf> {
    let staging = folder.join(".onnxruntime.part");
    let _ = fs::remove_dir_all(&staging);
    fs::create_dir(&staging).with_context(|| {
        format!("{} cannot be made: choose another folder with --models DIR", staging.display())
    })?;
    Ok(staging)
}

fn sha256(path: &Path) -> Result<String> {
    let content = Content::of(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(content.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_script_knows_the_same_builds() {
        for build in Build::ALL {
            assert!(SCRIPT.contains(build.sha256), "{build:?}");
            assert!(build.name.ends_with(".1.24.4") && SCRIPT.contains("version=1.24.4"));
        }
        assert!(Build::here().is_ok_and(|here| here.machine == std::env::consts::ARCH));
    }
}
