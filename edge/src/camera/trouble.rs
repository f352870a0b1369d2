//! Why a camera gives no frames.

use crate::camera::format::Offer;
use std::{any::Any, io};

/// What is wrong, each with what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// There is no such device, or no longer.
    #[error("the device is gone: plug it in")]
    Gone,
    /// Another program has it.
    #[error("another program uses it: stop that one first")]
    Busy,
    /// The user may not read it.
    #[error(
        "this user may not use it: add the user to the group `video` (usermod --append --groups video USER), then log in again"
    )]
    Denied,
    /// The bus cannot carry what it sends.
    #[error("its USB bus has no room for what it sends: plug it into another port, away from other cameras")]
    NoRoom,
    /// The path leads to something else.
    #[error("it is no video device: `edge cameras` lists those that are")]
    NoCamera,
    /// It offers nothing that can be decoded.
    #[error(
        "it offers nothing that can be decoded: MJPG, YUYV, NV12, RGB3 or BGR3 in whole frames a second is needed, and it has {0}"
    )]
    NoFormat(String),
    /// The program cannot see through any.
    #[error(
        "this edge was built without cameras: build it on Linux with `cargo build --release -p edge --features camera`"
    )]
    NotBuilt,
    /// Anything else, in the system's or the library's words.
    #[error("{0}")]
    Other(String),
}

// Linux's numbers of what can be told apart.
const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const ENXIO: i32 = 6;
const EACCES: i32 = 13;
const EBUSY: i32 = 16;
const ENODEV: i32 = 19;
const ENOSPC: i32 = 28;

impl Trouble {
    /// What a library says. Its errors are sentences, and the system's number stands in them.
    pub fn said(text: &str) -> Self {
        let number = text.rsplit_once("(os error ").and_then(|(_, rest)| rest.split_once(')'));
        let known = number.and_then(|(number, _)| Self::numbered(number.parse().ok()?));
        known.unwrap_or_else(|| Self::Other(text.to_owned()))
    }

    /// None of these can be used.
    pub fn undecodable(offers: &[Offer]) -> Self {
        let mut fourccs: Vec<_> = offers.iter().map(|offer| &*offer.fourcc).collect();
        fourccs.dedup();
        Self::NoFormat(if fourccs.is_empty() { "nothing".to_owned() } else { fourccs.join(", ") })
    }

    /// What a library that panicked said.
    pub fn panicked(panic: &(dyn Any + Send)) -> Self {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("it said nothing");
        Self::Other(format!("the camera's library failed: {text}"))
    }

    fn numbered(errno: i32) -> Option<Self> {
        match errno {
            ENOENT | ENXIO | ENODEV => Some(Self::Gone),
            EBUSY => Some(Self::Busy),
            EPERM | EACCES => Some(Self::Denied),
            ENOSPC => Some(Self::NoRoom),
            _ => None,
        }
    }
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::InvalidInput && error.raw_os_error().is_none() {
            return Self::NoCamera;
        }
        error.raw_os_error().and_then(Self::numbered).unwrap_or_else(|| Self::Other(error.to_string()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_s_number_is_found_in_a_library_s_sentence() {
        for (text, expected) in [
            ("Could not open device 0: V4L2 Error: No such file or directory (os error 2)", Trouble::Gone),
            ("Could not capture frame: No such device (os error 19)", Trouble::Gone),
            ("Could not open device stream: Device or resource busy (os error 16)", Trouble::Busy),
            ("Could not open device 0: V4L2 Error: Permission denied (os error 13)", Trouble::Denied),
            ("Could not capture frame: No space left on device (os error 28)", Trouble::NoRoom),
            ("Failed to Fufill", Trouble::Other("Failed to Fufill".to_owned())),
            ("broken (os error x)", Trouble::Other("broken (os error x)".to_owned())),
        ] {
            assert_eq!(Trouble::said(text), expected);
        }
        assert_eq!(Trouble::from(io::Error::from_raw_os_error(16)), Trouble::Busy);
        assert_eq!(Trouble::from(io::Error::from(io::ErrorKind::InvalidInput)), Trouble::NoCamera);
    }
}
