//! Skipping a test, so that somebody sees it: `cargo test` shows nothing of what a passing test prints.

use std::{env, fs::OpenOptions, io::Write, thread};

/// Names the file to which every skipped test adds a line, for `scripts/summary` to count.
const FILE: &str = "REGULARS_TEST_SKIPS";

/// Why something is missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// `make test` installs or starts it, or the machine says that it has it. Where nobody watches (`CI=true`), its
    /// absence is a failure of the whole run.
    Provided,
    /// Nothing that `make test` could do brings it: rights of this user, abilities of this kernel, data that is no part
    /// of the project.
    Elsewhere,
}

/// Counts the test that calls this as skipped; it must return right after. Without `make test` the reason is printed.
///
/// # Panics
/// When the file that is to count it cannot be written: a skip that nobody counts is a test that passes untested.
pub fn skip(lack: Lack, why: &str) {
    let Some(file) = env::var_os(FILE) else {
        println!("skipped, because {why}");
        return;
    };
    // One short write of a file that is opened to append: lines of tests that run at once do not mix.
    let mut file = OpenOptions::new().create(true).append(true).open(file).unwrap();
    file.write_all(line(lack, &test(), why).as_bytes()).unwrap();
}

/// The line: what kind of lack, the test and the reason, with tabs between them.
fn line(lack: Lack, test: &str, why: &str) -> String {
    let lack = match lack {
        Lack::Provided => "provided",
        Lack::Elsewhere => "elsewhere",
    };
    format!("{lack}\t{test}\t{}\n", why.replace(['\t', '\n'], " "))
}

/// The name of the running test, which is its thread's, behind that of its program.
fn test() -> String {
    let program = env::current_exe().unwrap();
    let program = program.file_stem().unwrap_or_default().to_string_lossy();
    // Cargo's names end in a hash.
    let program = program.rsplit_once('-').map_or(&*program, |(name, _)| name);
    format!("{program}::{}", thread::current().name().unwrap_or("?"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_names_the_test_and_stays_one_line() {
        let named = line(Lack::Provided, &test(), "there is no\tserver\nhere");
        assert_eq!(
            named,
            "provided\ttest_kit::skip::tests::a_line_names_the_test_and_stays_one_line\tthere is no server here\n"
        );
        assert!(line(Lack::Elsewhere, "a", "b").starts_with("elsewhere\ta\tb"));
    }
}
