//! Where models lie when nobody names a folder.

use crate::face::{ModelSet, model_set::MANIFEST_FILE};
use anyhow::{Result, bail};
use std::{
    env,
    ffi::OsString,
    fs,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
};

/// Models that an administrator or a service has fetched.
const OF_THE_MACHINE: &str = "/var/lib/regulars/models";
/// Models that came with a package.
const OF_A_PACKAGE: &str = "/usr/share/regulars/models";

/// What the places depend on.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `XDG_DATA_HOME`.
    pub data_home: Option<PathBuf>,
    /// `HOME`.
    pub home: Option<PathBuf>,
    /// Whose process it is.
    pub user: User,
}

/// Whose process it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum User {
    /// May write everywhere: what it fetches is for the whole machine.
    Root,
    /// Anybody else.
    #[default]
    Other,
}

impl Places {
    /// Those of this process. A relative path in a variable counts for nothing.
    pub fn of_this_process() -> Self {
        let absolute = |value: OsString| Some(PathBuf::from(value)).filter(|path| path.is_absolute());
        let variable = |name| env::var_os(name).and_then(absolute);
        // The owner of this entry is the user as whom the process acts.
        let root = fs::metadata("/proc/self").is_ok_and(|entry| entry.uid() == 0);
        let user = if root { User::Root } else { User::Other };
        Self { data_home: variable("XDG_DATA_HOME"), home: variable("HOME"), user }
    }

    /// Where models are looked for, in this order.
    pub fn to_read(&self) -> Vec<PathBuf> {
        let shared = [OF_THE_MACHINE, OF_A_PACKAGE].map(PathBuf::from);
        self.own().into_iter().chain(shared).collect()
    }

    /// Where models are put.
    pub fn to_write(&self) -> PathBuf {
        match (self.user, &self.data_home) {
            (User::Root, None) => PathBuf::from(OF_THE_MACHINE),
            _ => self.own().unwrap_or_else(|| PathBuf::from(OF_THE_MACHINE)),
        }
    }

    fn own(&self) -> Option<PathBuf> {
        let data = self.data_home.clone().or_else(|| Some(self.home.as_ref()?.join(".local/share")))?;
        Some(data.join("regulars/models"))
    }

    /// The first of them that holds a model set.
    ///
    /// # Errors
    /// One sentence, when none does.
    pub fn find(&self) -> Result<PathBuf> {
        let places = self.to_read();
        if let Some(place) = places.iter().find(|place| holds_a_set(place)) {
            return Ok(place.clone());
        }
        let places: Vec<String> = places.iter().map(|place| place.display().to_string()).collect();
        bail!(
            "there are no face models in {}: get them with `edge models pull`, or name their folder with --models DIR",
            places.join(", ")
        )
    }
}

/// Whether something lies there that means to be a set; whether it is right is asked when it is used.
fn holds_a_set(folder: &Path) -> bool {
    folder.join(MANIFEST_FILE).exists() || ModelSet::manifest_of(folder).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_has_a_place_and_root_has_the_machines() {
        let path = |text: &str| Some(PathBuf::from(text));
        for (data_home, home, user, own, written) in [
            (None, path("/home/x"), User::Other, "/home/x/.local/share/regulars/models", None),
            (path("/data"), path("/home/x"), User::Other, "/data/regulars/models", None),
            (None, path("/root"), User::Root, "/root/.local/share/regulars/models", Some(OF_THE_MACHINE)),
            (path("/data"), path("/root"), User::Root, "/data/regulars/models", None),
            (None, None, User::Other, OF_THE_MACHINE, None),
        ] {
            let places = Places { data_home, home, user };
            assert_eq!(places.to_read()[0], Path::new(own), "{places:?}");
            assert_eq!(places.to_write(), Path::new(written.unwrap_or(own)), "{places:?}");
            assert!(places.to_read().ends_with(&[OF_THE_MACHINE.into(), OF_A_PACKAGE.into()]));
        }
    }

    #[test]
    fn a_place_without_a_set_is_passed_over() {
        let data = tempfile::tempdir().unwrap();
        let places = Places { data_home: Some(data.path().to_owned()), home: None, user: User::Other };
        let own = places.to_write();
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("yunet_s_dynamic.onnx"), "half of a set").unwrap();
        if let Err(error) = places.find() {
            assert!(error.to_string().contains("`edge models pull`"), "{error}");
        }
        assert!(!holds_a_set(&own));
        fs::write(own.join("mobileface_v2_512.onnx"), "the other half").unwrap();
        assert_eq!(places.find().unwrap(), own);
    }
}
