//! How far a file is, on one line, for a person at a terminal; nothing for anybody else.

use std::{
    io::{IsTerminal, Write, stderr},
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_millis(100);
const WIDTH: usize = 24;

/// The line of one file.
pub struct Progress<'a> {
    name: &'a str,
    bytes: u64,
    shown: Option<Instant>,
    terminal: bool,
}

impl<'a> Progress<'a> {
    /// A line for a file of so many bytes.
    pub fn of(name: &'a str, bytes: u64) -> Self {
        Self { name, bytes, shown: None, terminal: stderr().is_terminal() }
    }

    /// Shows how far it is, not too often.
    pub fn at(&mut self, written: u64) {
        let fresh = self.shown.is_some_and(|shown| shown.elapsed() < EVERY);
        if self.terminal && (!fresh || written == self.bytes) {
            self.shown = Some(Instant::now());
            let _ = write!(stderr(), "\r\x1b[K{}", line(self.name, written, self.bytes));
        }
    }
}

impl Drop for Progress<'_> {
    fn drop(&mut self) {
        if self.shown.is_some() {
            let _ = writeln!(stderr());
        }
    }
}

fn line(name: &str, written: u64, bytes: u64) -> String {
    let done = usize::try_from(written * WIDTH as u64 / bytes.max(1)).unwrap_or(WIDTH).min(WIDTH);
    let (bar, rest) = ("#".repeat(done), ".".repeat(WIDTH - done));
    let mb = |bytes: u64| bytes as f64 / 1e6;
    format!("[{bar}{rest}] {:.1} of {:.1} MB  {name}", mb(written), mb(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_how_far_it_is() {
        assert_eq!(line("a.onnx", 0, 0), format!("[{}] 0.0 of 0.0 MB  a.onnx", ".".repeat(24)));
        assert_eq!(
            line("a.onnx", 1_500_000, 3_000_000),
            format!("[{}{}] 1.5 of 3.0 MB  a.onnx", "#".repeat(12), ".".repeat(12))
        );
        assert!(line("a.onnx", 9, 3).starts_with(&format!("[{}]", "#".repeat(24))));
    }
}
