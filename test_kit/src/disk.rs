//! Disks that do what disks do on bad days. Where this user may not mount one, the test is skipped.

use crate::{Lack, skip};
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;

/// A small disk of its own, unmounted when dropped.
pub struct Disk {
    folder: TempDir,
    /// The file that a disk with a file system of its own lies in.
    image: Option<PathBuf>,
}

fn done(program: &str, words: &[&str], path: &Path) -> bool {
    Command::new(program).args(words).arg(path).output().is_ok_and(|output| output.status.success())
}

/// Whether the missing disk is one that this user could have: one who holds `CAP_SYS_ADMIN`, as root does, may mount.
fn may_mount() -> Lack {
    const CAP_SYS_ADMIN: u32 = 21;
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let held =
        status.lines().find_map(|line| u64::from_str_radix(line.strip_prefix("CapEff:")?.trim(), 16).ok());
    match held {
        Some(held) if held >> CAP_SYS_ADMIN & 1 == 1 => Lack::Provided,
        _ => Lack::Elsewhere,
    }
}

impl Disk {
    /// One of so many MB in memory.
    pub fn small(mb: usize) -> Option<Self> {
        Self::of_kb(mb << 10)
    }

    /// One of so many KB in memory.
    pub fn of_kb(kb: usize) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        if !done("mount", &["-t", "tmpfs", "-o", &format!("size={kb}k"), "tmpfs"], folder.path()) {
            skip(may_mount(), "this user may not mount a small disk");
            return None;
        }
        Some(Self { folder, image: None })
    }

    /// One with a file system that turns read-only when it finds itself damaged, as those of most boxes do.
    pub fn careful() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().with_extension("image");
        fs::File::create(&image).unwrap().set_len(16 << 20).unwrap();
        let disk = Self { folder, image: Some(image.clone()) };
        if !done("mkfs.ext4", &["-q", "-F"], &image) {
            skip(may_mount(), "mkfs.ext4 is missing or does not work");
            return None;
        }
        // Loop devices and the file that rings the alarm are the kernel's to have: rights alone do not bring them.
        if !disk.mount_image() || disk.alarm_bell().is_none() {
            skip(Lack::Elsewhere, "this user may not mount a file system of its own, or its kernel cannot");
            return None;
        }
        Some(disk)
    }

    fn mount_image(&self) -> bool {
        let Some(image) = &self.image else { return false };
        let words = ["-o", "loop,errors=remount-ro", image.to_str().unwrap()];
        done("mount", &words, self.folder.path())
    }

    /// The file by which the kernel is told that the file system is damaged.
    fn alarm_bell(&self) -> Option<PathBuf> {
        let mounts = fs::read_to_string("/proc/mounts").ok()?;
        let here = format!(" {} ", self.folder.path().display());
        let device = mounts.lines().find(|line| line.contains(&here))?.split(' ').next()?;
        let bell = Path::new("/sys/fs/ext4").join(Path::new(device).file_name()?).join("trigger_fs_error");
        bell.exists().then_some(bell)
    }

    /// Where it is mounted.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Somewhere for a program's files.
    pub fn state(&self) -> PathBuf {
        let state = self.folder.path().join("state");
        fs::create_dir_all(&state).unwrap();
        state
    }

    /// Leaves no byte free.
    pub fn fill(&self) {
        let mut ballast = fs::File::create(self.folder.path().join("ballast")).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while ballast.write_all(&vec![7; size]).is_ok() {}
        }
    }

    /// Takes away what filled it.
    pub fn make_room(&self) {
        fs::remove_file(self.folder.path().join("ballast")).unwrap();
    }

    /// Mounts it anew, `ro` or `rw`, while nobody has a file open.
    #[track_caller]
    pub fn remount(&self, how: &str) {
        assert!(done("mount", &["-o", &format!("remount,{how}")], self.folder.path()), "remount {how}");
    }

    /// It turns read-only under whoever has its files open.
    pub fn turn_read_only(&self) {
        fs::write(self.alarm_bell().unwrap(), "a test").unwrap();
    }

    /// Somebody checks it and mounts it again, while nobody has a file open.
    pub fn mend(&self) {
        let folder = self.folder.path();
        assert!(done("umount", &[], folder), "nobody has its files open");
        // Its exit code says that it has mended something.
        let _ = done("e2fsck", &["-f", "-y"], self.image.as_deref().unwrap());
        assert!(self.mount_image(), "the mended disk can be mounted");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        done("umount", &["-l"], self.folder.path());
        if let Some(image) = &self.image {
            let _ = fs::remove_file(image);
        }
    }
}
