//! Waiting for something that must come, without guessing how long it takes.

use std::{
    thread,
    time::{Duration, Instant},
};

/// How long is waited for what says nothing of its own.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// What a look finds: whether it is so, what was waited for, or why it is not there yet.
pub trait Answer {
    /// What was waited for.
    type Found;

    /// What was found.
    ///
    /// # Errors
    /// With what is known about why it is not there yet.
    fn found(self) -> Result<Self::Found, String>;
}

impl Answer for bool {
    type Found = ();

    fn found(self) -> Result<(), String> {
        self.then_some(()).found()
    }
}

impl<T> Answer for Option<T> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self.ok_or_else(|| "it did not come".to_owned())
    }
}

impl<T> Answer for Result<T, String> {
    type Found = T;

    fn found(self) -> Result<T, String> {
        self
    }
}

/// Looks again and again until it is there, for at most `seconds`.
///
/// # Panics
/// When it is not there by then, with the last reason.
#[track_caller]
pub fn until<A: Answer>(what: &str, seconds: u64, mut look: impl FnMut() -> A) -> A::Found {
    let end = Instant::now() + Duration::from_secs(seconds);
    loop {
        match look().found() {
            Ok(found) => return found,
            Err(reason) => assert!(Instant::now() < end, "{what}: not within {seconds} s: {reason}"),
        }
        thread::sleep(LOOK);
    }
}

/// The same in a task, for at most twenty seconds.
///
/// # Panics
/// As [`until`] does.
pub async fn until_async<A: Answer, F: Future<Output = A>>(
    what: &str,
    mut look: impl FnMut() -> F,
) -> A::Found {
    let end = Instant::now() + PATIENCE;
    loop {
        match look().await.found() {
            Ok(found) => return found,
            Err(reason) => assert!(Instant::now() < end, "{what}: not within {PATIENCE:?}: {reason}"),
        }
        tokio::time::sleep(LOOK).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_returns_what_was_found_at_last() {
        let mut looks = 0;
        let found = until("three looks", 5, || {
            looks += 1;
            if looks < 3 { Err(format!("{looks} looks")) } else { Ok(looks) }
        });
        assert_eq!(found, 3);
        until("what is so", 0, || true);
    }

    #[test]
    #[should_panic(expected = "a miracle: not within 0 s: none was seen")]
    fn it_ends_with_the_last_reason() {
        until("a miracle", 0, || Err::<(), _>("none was seen".to_owned()));
    }
}
