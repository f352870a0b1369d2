//! The folders of a crate: how many files each holds, and which may import which.

use super::imports::{Module, imports, paths, tokens};
use super::root;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// A folder, or a file beside `lib.rs`, and what it may import. Each imports only what stands above it, so that there
/// is no circle.
type Rooms = &'static [(&'static str, &'static [&'static str])];

/// The crates whose folders are checked.
const CRATES: [(&str, Rooms); 1] = [("broker", BROKER)];

const BROKER: Rooms = &[
    ("codec", &[]),
    ("auth", &[]),
    ("limits", &["auth"]),
    ("observe", &["auth"]),
    ("routing", &["codec", "limits", "observe"]),
    ("session", &["auth", "codec", "limits", "observe", "routing"]),
    ("core", &["auth", "codec", "limits", "observe", "routing", "session"]),
    ("net", &["auth", "codec", "core", "limits", "observe", "routing", "session"]),
    ("broker", &["auth", "core", "limits", "net", "observe", "routing"]),
    ("standalone", &["auth", "broker", "core", "limits", "net", "observe", "routing"]),
    ("fuzzing", &["auth", "codec", "core", "limits", "net", "routing", "session"]),
];

/// Rust files directly in a folder.
const FILES_MAX: usize = 16;

#[test]
fn no_folder_holds_more_files_than_one_can_survey() {
    for (name, _) in CRATES {
        count(&root().join(name).join("src"));
    }
}

fn count(folder: &Path) {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let (folders, files): (Vec<_>, Vec<_>) = paths.partition(|path| path.is_dir());
    let rust =
        files.iter().filter(|file| file.extension().is_some_and(|extension| extension == "rs")).count();
    assert!(rust <= FILES_MAX, "{} holds {rust} Rust files: divide it", folder.display());
    folders.iter().for_each(|folder| count(folder));
}

#[test]
fn rooms_import_only_what_stands_above_them() {
    for (name, rooms) in CRATES {
        let mut unused = BTreeSet::new();
        for (at, (room, allowed)) in rooms.iter().enumerate() {
            for above in *allowed {
                let is_above = rooms[..at].iter().any(|(other, _)| other == above);
                assert!(
                    is_above,
                    "{name}: {room} may import {above}, which does not stand above it in the table"
                );
                unused.insert(((*room).to_owned(), (*above).to_owned()));
            }
        }
        for (from, to) in imports(&root().join(name).join("src")) {
            let importer = from.join("::");
            let Some(target) = to.first() else {
                panic!("{name}: {importer} imports by a name of lib.rs: name the module that holds the item");
            };
            let known = |room: &String| rooms.iter().any(|(name, _)| name == room);
            assert!(known(&from[0]) && known(target), "{name}: {} or {target} is not in the table", from[0]);
            let allowed =
                rooms.iter().any(|(room, above)| *room == from[0] && above.contains(&target.as_str()));
            assert!(allowed || from[0] == *target, "{name}: {importer} may not import {}", to.join("::"));
            unused.remove(&(from[0].clone(), target.clone()));
        }
        assert!(unused.is_empty(), "{name}: the table allows what no file needs: {unused:?}");
    }
}

/// Within each folder, its files and folders import one another without a circle; so no files of the crate do.
#[test]
fn no_folder_has_a_circle_in_it() {
    for (name, _) in CRATES {
        let imports = imports(&root().join(name).join("src"));
        assert!(imports.len() > 20, "{name}: the imports were found");
        if let Some(circle) = circle(&imports) {
            panic!("{name}: a circle of imports: {}", circle.join(" -> "));
        }
    }
}

/// A circle among the children of one module, as its members in order; the first one again at the end.
fn circle(imports: &BTreeSet<(Module, Module)>) -> Option<Vec<String>> {
    let mut next: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in imports {
        let shared = from.iter().zip(to).take_while(|(a, b)| a == b).count();
        // A module that holds the other one is no neighbour, but imports both ways are a circle all the same.
        let until = |module: &Module| module[..module.len().min(shared + 1)].join("::");
        next.entry(until(from)).or_default().insert(until(to));
    }
    let mut done = BTreeSet::new();
    next.keys().find_map(|start| walk(start, &next, &mut Vec::new(), &mut done))
}

fn walk(
    at: &str,
    next: &BTreeMap<String, BTreeSet<String>>,
    way: &mut Vec<String>,
    done: &mut BTreeSet<String>,
) -> Option<Vec<String>> {
    if let Some(begin) = way.iter().position(|before| before == at) {
        return Some(way[begin..].iter().cloned().chain([at.to_owned()]).collect());
    }
    if !done.insert(at.to_owned()) {
        return None;
    }
    way.push(at.to_owned());
    let found = next.get(at).into_iter().flatten().find_map(|to| walk(to, next, way, done));
    way.pop();
    found
}

#[test]
fn imports_are_read_from_the_text() {
    let text = r##"
        //! Not `crate::comment::A`.
        mod child;
        #[cfg(test)]
        mod tests;
        use crate::a::{self, b::{C, D as E}, *};
        pub(crate) use super::{sibling::F, super::aunt};
        use std::fmt;
        fn f(quote: char) -> crate::inline::G<'static> {
            let _ = ('"', "crate::string::H", r#"a " crate::raw::I"#);
            child::j(super::k::<crate::generic::L>())
        }
        #[cfg(test)]
        mod inner {
            use crate::test::M;
        }
    "##;
    let module: Module = ["x", "y"].map(str::to_owned).into();
    let found: Vec<String> =
        paths(&module, tokens(text).words()).iter().map(|path| path.join("::")).collect();
    let expected = [
        "a",
        "a::b::C",
        "a::b::D",
        "a",
        "x::sibling::F",
        "aunt",
        "inline::G",
        "x::y::child::j",
        "x::k",
        "generic::L",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_circle_is_found_across_folders() {
    let arrows = |list: &[(&str, &str)]| -> BTreeSet<(Module, Module)> {
        let module = |text: &str| text.split("::").map(str::to_owned).collect();
        list.iter().map(|(from, to)| (module(from), module(to))).collect()
    };
    let straight = [("a::x", "b::y"), ("b::y", "c"), ("a::x", "a::z"), ("a::z", "c")];
    assert_eq!(circle(&arrows(&straight)), None);
    let round = [&straight[..], &[("c", "a::w")]].concat();
    assert_eq!(circle(&arrows(&round)).unwrap(), ["a", "b", "c", "a"]);
    let inside = [&straight[..], &[("a::z", "a::x")]].concat();
    assert_eq!(circle(&arrows(&inside)).unwrap(), ["a::x", "a::z", "a::x"]);
    assert_eq!(circle(&arrows(&[("a", "a::b"), ("a::b", "a")])).unwrap(), ["a", "a::b", "a"]);
}
