//! Where the program writes: results to stdout, its log to stderr.

use anyhow::Context;
use std::io::{IsTerminal, Write};

/// Writes one line to stdout; a reader that has gone away is an error and no panic.
pub fn print_line(line: &str) -> anyhow::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}").and_then(|()| stdout.flush()).context("stdout cannot be written")
}

/// Sends the log to stderr, filtered by `REGULARS_LOG` (`info` without it, of the router only warnings). Call once.
pub fn log_to_stderr() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("REGULARS_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info,rumqttd=warn"));
    let colours = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(colours).init();
}
