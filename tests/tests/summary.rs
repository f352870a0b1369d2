//! What `make test` says at its end about a run: nothing is skipped without being counted, and where nobody watches
//! nothing is skipped that need not be.
#![allow(clippy::unwrap_used)]

use std::{
    env, fs,
    path::Path,
    process::{Command, Output},
};
use tempfile::TempDir;
use tests::{Lack, skip};

const LOG: &str = "     Running unittests src/lib.rs\n\
    test result: ok. 12 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s\n\
    test result: FAILED. 7 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.02s\n";

/// What `scripts/summary` makes of a log and of what was skipped, attended or not.
fn summary(ci: bool, log: &str, skips: &str) -> (i32, String, String) {
    let folder = tempfile::tempdir().unwrap();
    let [log_file, skips_file] = ["log", "skips"].map(|name| folder.path().join(name));
    fs::write(&log_file, log).unwrap();
    fs::write(&skips_file, skips).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scripts/summary");
    let mut command = Command::new(script);
    command.arg(log_file).arg(skips_file).env_remove("CI");
    let Output { status, stdout, stderr } = command.envs(ci.then_some(("CI", "true"))).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

#[test]
fn a_run_without_a_skip_is_one_line() {
    for ci in [false, true] {
        assert_eq!(summary(ci, LOG, ""), (0, "19 passed, 2 failed, 0 skipped\n".to_owned(), String::new()));
    }
}

#[test]
fn every_reason_is_counted_and_names_its_tests() {
    let skips = "elsewhere\tfaces::known\tno folder\nprovided\tsite::copied\tno PostgreSQL\nelsewhere\tface::golden\tno folder\n";
    let said = "2 skipped: no folder: face::golden, faces::known\n\
        1 skipped: no PostgreSQL: site::copied\n\
        16 passed, 2 failed, 3 skipped\n";
    assert_eq!(summary(false, LOG, skips), (0, said.to_owned(), String::new()));
    let (code, again, complaint) = summary(true, LOG, skips);
    assert_eq!((code, again.as_str()), (1, said), "nobody watches");
    assert!(complaint.contains("CI=true") && complaint.ends_with("no PostgreSQL\n"), "{complaint}");
    let (code, _, complaint) = summary(true, LOG, "elsewhere\tfaces::known\tno folder\n");
    assert_eq!((code, complaint.as_str()), (0, ""), "nothing could have brought it");
}

#[test]
fn a_run_in_which_nothing_passed_fails() {
    let all = "elsewhere\ta\tb\n".repeat(19);
    for (log, skips) in [("", ""), (LOG, all.as_str())] {
        let (code, said, complaint) = summary(false, log, skips);
        assert_eq!((code, complaint.as_str()), (1, "FAILED: no test passed\n"));
        assert!(said.contains("0 passed"), "{said}");
    }
}

/// This test, started once more as a program of its own, skips itself; what it leaves is counted.
#[test]
fn what_a_test_skips_reaches_the_summary() {
    const ASKED: &str = "REGULARS_TEST_SKIP_THIS";
    if env::var_os(ASKED).is_some() {
        return skip(Lack::Provided, "somebody asked for it");
    }
    let folder = TempDir::new().unwrap();
    let file = folder.path().join("skips");
    let run = Command::new(env::current_exe().unwrap())
        .args(["what_a_test_skips_reaches_the_summary", "--exact", "--test-threads=2"])
        .env(ASKED, "1")
        .env("REGULARS_TEST_SKIPS", &file)
        .output()
        .unwrap();
    let log = String::from_utf8(run.stdout).unwrap();
    let (_, said, _) = summary(false, &format!("{LOG}{log}"), &fs::read_to_string(file).unwrap());
    let reason = "1 skipped: somebody asked for it: summary::what_a_test_skips_reaches_the_summary\n";
    assert_eq!(said, format!("{reason}19 passed, 2 failed, 1 skipped\n"), "{log}");
}

#[test]
fn where_nobody_watches_the_run_says_so() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    assert!(fs::read_to_string(root.join(".ci/run")).unwrap().contains("CI=true exec make"));
    assert!(fs::read_to_string(root.join("scripts/test")).unwrap().contains("scripts/summary \"$log\""));
}
