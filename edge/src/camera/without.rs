//! A build without cameras: whatever is asked of one is refused.

use crate::camera::{
    id::{CameraId, Node},
    listing::Inspected,
    supervision::Opened,
    trouble::Trouble,
};

/// Cameras cannot be seen through.
///
/// # Errors
/// Always, in this build.
pub fn built() -> Result<(), Trouble> {
    Err(Trouble::NotBuilt)
}

/// Refuses.
///
/// # Errors
/// Always.
pub fn inspect(_: Node) -> Result<Inspected, Trouble> {
    Err(Trouble::NotBuilt)
}

/// Refuses.
///
/// # Errors
/// Always.
pub fn open(_: &CameraId) -> Result<Opened, Trouble> {
    Err(Trouble::NotBuilt)
}
