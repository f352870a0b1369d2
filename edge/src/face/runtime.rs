//! Where libonnxruntime is: asked of whoever started the program first, guessed last.

use anyhow::{Context, Result};
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The one command that brings it.
pub const HOW_TO_GET_IT: &str = "`edge models pull` fetches it, and so does `make onnxruntime` for programs built in this project (or name one with --onnxruntime PATH)";

const SYSTEM: [&str; 6] = [
    "/usr/local/lib",
    "/usr/lib/x86_64-linux-gnu",
    "/usr/lib/aarch64-linux-gnu",
    "/usr/lib64",
    "/usr/lib",
    "/opt/onnxruntime/lib",
];

/// Everything the search depends on.
#[derive(Debug, Clone, Default)]
pub struct Surroundings {
    /// What the operator named: a file, or a folder that holds it. It must be there.
    pub setting: Option<PathBuf>,
    /// `ORT_DYLIB_PATH`, likewise.
    pub variable: Option<PathBuf>,
    /// Folders, the first that holds the library decides.
    pub folders: Vec<PathBuf>,
}

impl Surroundings {
    /// Those of this process: the folder of the executable and `lib` beside that; `lib` beside a `target` folder it was
    /// built in, where `make onnxruntime` puts it; the folder of models, where `edge models pull` puts it; the system's
    /// folders. None depends on where somebody stands: what lies there by chance is not run.
    pub fn of_this_process(setting: Option<PathBuf>, models: &Path) -> Self {
        let mut folders = env::current_exe().map(|exe| beside(&exe)).unwrap_or_default();
        folders.extend(std::path::absolute(models));
        folders.extend(SYSTEM.map(PathBuf::from));
        Self {
            setting,
            variable: env::var_os("ORT_DYLIB_PATH").filter(|v| !v.is_empty()).map(PathBuf::from),
            folders,
        }
    }

    /// The same without the system's folders: only what was put there for this program.
    pub fn without_the_systems(mut self) -> Self {
        self.folders.retain(|folder| !SYSTEM.iter().any(|system| folder == Path::new(system)));
        self
    }

    /// The library's absolute path.
    ///
    /// # Errors
    /// One sentence, when what was named is not there, or nothing is anywhere.
    pub fn find(&self) -> Result<PathBuf> {
        for (path, name) in [(&self.setting, "--onnxruntime"), (&self.variable, "ORT_DYLIB_PATH")] {
            if let Some(path) = path {
                return library_at(path).with_context(|| {
                    format!("{name} names {}, where no libonnxruntime is: {HOW_TO_GET_IT}", path.display())
                });
            }
        }
        self.folders.iter().find_map(|folder| library_at(folder)).with_context(|| {
            let places: Vec<String> =
                self.folders.iter().map(|folder| folder.display().to_string()).collect();
            format!(
                "libonnxruntime, which runs the face models, is in none of {}: {HOW_TO_GET_IT}",
                places.join(", ")
            )
        })
    }
}

/// The folders that belong to an executable.
fn beside(exe: &Path) -> Vec<PathBuf> {
    let Some(folder) = exe.parent() else { return Vec::new() };
    let built = exe.ancestors().find(|ancestor| ancestor.file_name().is_some_and(|name| name == "target"));
    let of = |folder: Option<&Path>| folder.map(|folder| folder.join("lib"));
    let folders = [Some(folder.to_owned()), of(folder.parent()), of(built.and_then(Path::parent))];
    folders.into_iter().flatten().collect()
}

/// The library at a path: the file itself, or inside a folder, where a name without a version goes first and the
/// highest version next.
fn library_at(path: &Path) -> Option<PathBuf> {
    let found = if path.is_dir() {
        let mut names: Vec<String> = fs::read_dir(path)
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| {
                name.strip_prefix("libonnxruntime.so").is_some_and(|rest| {
                    rest.is_empty()
                        || (rest.starts_with('.') && rest[1..].split('.').all(|n| n.parse::<u32>().is_ok()))
                })
            })
            .collect();
        names.sort_by_key(|name| {
            let version: Vec<u32> = name.split('.').skip(2).filter_map(|n| n.parse().ok()).collect();
            (!version.is_empty(), std::cmp::Reverse(version))
        });
        path.join(names.first()?)
    } else {
        path.to_owned()
    };
    // A link that points nowhere is not there.
    fs::canonicalize(found).ok().filter(|found| found.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_place_depends_on_where_somebody_stands() {
        for (exe, expected) in [
            ("/usr/local/bin/edge", vec!["/usr/local/bin", "/usr/local/lib"]),
            (
                "/src/regulars/target/release/edge",
                vec!["/src/regulars/target/release", "/src/regulars/target/lib", "/src/regulars/lib"],
            ),
            ("/x/target/debug/deps/t-1", vec!["/x/target/debug/deps", "/x/target/debug/lib", "/x/lib"]),
        ] {
            assert_eq!(
                beside(Path::new(exe)),
                expected.into_iter().map(PathBuf::from).collect::<Vec<_>>(),
                "{exe}"
            );
        }
        let here = Surroundings::of_this_process(None, Path::new("models"));
        assert!(here.folders.iter().all(|folder| folder.is_absolute()), "{here:?}");
        let near = here.clone().without_the_systems();
        assert_eq!(near.folders.len(), here.folders.len() - SYSTEM.len());
    }

    #[test]
    fn what_was_named_goes_first_and_must_be_there() {
        let place = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(place.path()).unwrap();
        let library = |folder: &str, name: &str| {
            fs::create_dir_all(root.join(folder)).unwrap();
            fs::write(root.join(folder).join(name), "").unwrap();
            root.join(folder).join(name)
        };
        let set = library("set", "libonnxruntime.so.1.24.4");
        let variable = library("variable", "libonnxruntime.so");
        library("folder", "libonnxruntime.so.1.9.0");
        let newer = library("folder", "libonnxruntime.so.1.24.4");
        library("folder", "libonnxruntime.so.1.24.4.part");
        library("folder", "libonnxruntime_providers_shared.so");
        let bare = library("bare", "libonnxruntime.so");
        library("bare", "libonnxruntime.so.1.24.4");
        library("empty", "README");

        let at = |setting: Option<&Path>, variable: Option<&Path>, folders: &[&str]| {
            let folders = folders.iter().map(|folder| root.join(folder)).collect();
            let named = |path: Option<&Path>| path.map(|p| root.join(p));
            Surroundings { setting: named(setting), variable: named(variable), folders }.find()
        };
        let all = ["empty", "folder"];
        assert_eq!(at(Some(&set), Some(&variable), &all).unwrap(), set);
        assert_eq!(at(Some(Path::new("set")), None, &all).unwrap(), set, "a folder will do");
        assert_eq!(at(None, Some(&variable), &all).unwrap(), variable);
        assert_eq!(at(None, None, &all).unwrap(), newer);
        assert_eq!(at(None, None, &["bare"]).unwrap(), bare);
        for (result, part) in [
            (at(Some(Path::new("nowhere")), None, &all), "--onnxruntime names"),
            (at(None, Some(Path::new("nowhere")), &all), "ORT_DYLIB_PATH names"),
            (at(None, None, &["empty", "nowhere"]), "is in none of"),
        ] {
            let sentence = result.unwrap_err().to_string();
            assert!(sentence.contains(part) && sentence.contains("make onnxruntime"), "{sentence}");
        }
    }
}
