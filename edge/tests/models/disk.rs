//! A small disk of its own, unmounted when dropped. Where this user may not mount one, the test says so and passes.

use std::{path::Path, process::Command};
use tempfile::TempDir;

pub struct Disk(TempDir);

impl Disk {
    /// One of so many KB in memory.
    pub fn of_kb(kb: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let size = format!("size={kb}k");
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(folder.path()).output();
        if !mounted.is_ok_and(|output| output.status.success()) {
            println!("skipped, because this user may not mount a small disk");
            return None;
        }
        Some(Self(folder))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).output();
    }
}
