//! A small disk of its own, that a test can fill or take the writing away from.

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A file system in memory, unmounted when dropped.
pub struct Disk(TempDir);

impl Disk {
    /// Mounts one of so many MB; says so where that is not allowed.
    pub fn mount(mb: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={mb}m");
        let words = ["-t", "tmpfs", "-o", &size, "tmpfs"];
        let mounted = Command::new("mount").args(words).arg(folder.path()).output().unwrap();
        if !mounted.status.success() {
            println!("skipped, because this user may not mount a small disk");
            return None;
        }
        Some(Self(folder))
    }

    /// A folder on it.
    pub fn folder(&self) -> PathBuf {
        let folder = self.0.path().join("state");
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    /// Leaves no byte free.
    pub fn fill(&self) {
        let mut ballast = fs::File::create(self.ballast()).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while ballast.write_all(&vec![7; size]).is_ok() {}
        }
    }

    /// Takes away what filled it.
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).unwrap();
    }

    /// Lets it be read only, or written again. Nobody may have a file of it open for writing.
    #[track_caller]
    pub fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.path()).status();
        assert!(done.unwrap().success(), "remount {how}");
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn ballast(&self) -> PathBuf {
        self.path().join("ballast")
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Somebody may still be using it: it goes when they do.
        let _ = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}
