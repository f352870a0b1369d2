//! Which camera is meant.

use anyhow::{Result, bail, ensure};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    str::FromStr,
};

/// A camera as it is written on the command line, behind `camera:`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CameraId {
    /// `0`: the system's number of the device, `/dev/video0`.
    Index(u32),
    /// `/dev/video2`, or a link to a device such as those in `/dev/v4l/by-id`, which stay when numbers change.
    Path(PathBuf),
}

/// A device file: `/dev/video` and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Node(pub u32);

impl CameraId {
    /// The device it is at this moment: a link is followed anew each time, because a camera that is plugged in again may
    /// get another number. The device of an index need not exist.
    ///
    /// # Errors
    /// The system's, when there is no such path; [`io::ErrorKind::InvalidInput`] when it leads to no video device.
    pub fn node(&self) -> io::Result<Node> {
        match self {
            Self::Index(index) => Ok(Node(*index)),
            Self::Path(path) => Node::of(&fs::canonicalize(path)?).ok_or(io::ErrorKind::InvalidInput.into()),
        }
    }
}

impl FromStr for CameraId {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.starts_with('/') {
            return Ok(Self::Path(text.into()));
        }
        ensure!(
            !text.is_empty(),
            "camera: names no camera: it is camera:0 or camera:/dev/...; `edge cameras` lists them"
        );
        match text.parse() {
            Ok(index) => Ok(Self::Index(index)),
            Err(_) => bail!(
                "{text:?} is no camera: it is a number such as 0, or a path such as /dev/video0; `edge cameras` lists them"
            ),
        }
    }
}

impl fmt::Display for CameraId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Index(index) => write!(f, "{index}"),
            Self::Path(path) => write!(f, "{}", path.display()),
        }
    }
}

impl Node {
    /// The device of a path that is no link.
    pub fn of(path: &Path) -> Option<Self> {
        path.file_name()?.to_str()?.strip_prefix("video")?.parse().ok().map(Self)
    }

    /// Its device file.
    pub fn path(self) -> PathBuf {
        format!("/dev/video{}", self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_camera_is_a_number_or_a_path() {
        for (text, expected) in [
            ("0", Some(CameraId::Index(0))),
            ("/dev/video2", Some(CameraId::Path("/dev/video2".into()))),
            ("", None),
            ("-1", None),
            ("front door", None),
            ("dev/video0", None),
        ] {
            let parsed = text.parse::<CameraId>();
            assert_eq!(parsed.as_ref().ok(), expected.as_ref(), "{text:?}");
            assert!(parsed.is_ok_and(|id| id.to_string() == text) || expected.is_none());
        }
    }

    #[test]
    fn a_link_is_followed_to_the_device() {
        let folder = tempfile::tempdir().unwrap();
        let [device, other, link] = ["video7", "null", "usb-camera"].map(|name| folder.path().join(name));
        let leads_to = |target: &Path| {
            fs::write(target, "").unwrap();
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(target, &link).unwrap();
            CameraId::Path(link.clone()).node()
        };
        assert_eq!(leads_to(&device).unwrap(), Node(7));
        assert_eq!(leads_to(&other).unwrap_err().kind(), io::ErrorKind::InvalidInput);
        fs::remove_file(&link).unwrap();
        assert_eq!(CameraId::Path(link).node().unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
