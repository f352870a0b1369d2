//! Waiting for something that must come, without guessing how long it takes.

use std::{
    thread,
    time::{Duration, Instant},
};

/// Asks `check` again and again until it answers, for at most `seconds`.
///
/// # Panics
/// When it has not answered by then, with the last reason it gave.
#[track_caller]
pub fn until<T>(what: &str, seconds: u64, mut check: impl FnMut() -> Result<T, String>) -> T {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        match check() {
            Ok(value) => return value,
            Err(reason) if Instant::now() > end => panic!("{what}: not within {seconds} s: {reason}"),
            Err(_) => thread::sleep(Duration::from_millis(20)),
        }
    }
}
