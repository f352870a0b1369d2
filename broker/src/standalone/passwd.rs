//! Passwords: hashed for the settings, and checked at each login.

use anyhow::{Context, ensure};
use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc::PasswordHash};
use std::io::Read;

/// The shortest password, in characters.
const CHARS_MIN: usize = 12;
/// The longest, in bytes.
const BYTES_MAX: u64 = 4096;

/// The password on stdin, without the end of its line.
pub fn from_stdin() -> anyhow::Result<String> {
    let mut password = String::new();
    std::io::stdin()
        .lock()
        .take(BYTES_MAX)
        .read_to_string(&mut password)
        .context("the password is not text")?;
    Ok(password.trim_end_matches(['\r', '\n']).to_owned())
}

/// The hash of the password on stdin.
pub fn hash_of_stdin() -> anyhow::Result<String> {
    let password = from_stdin()?;
    ensure!(password.chars().count() >= CHARS_MIN, "a password has at least {CHARS_MIN} characters");
    hash(&password)
}

/// The hash of a password.
pub fn hash(password: &str) -> anyhow::Result<String> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    Ok(hash.map_err(|_| anyhow::anyhow!("the password cannot be hashed"))?.to_string())
}

/// Whether this is an argon2 hash.
pub fn is_hash(text: &str) -> bool {
    text.starts_with("$argon2") && PasswordHash::new(text).is_ok()
}

/// Whether the hash is that of the password. Takes tens of milliseconds, by design.
pub fn verify(password: &[u8], hash: &str) -> bool {
    PasswordHash::new(hash).is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_password_fits_its_hash() {
        let made = hash("correct horse battery").unwrap();
        assert!(is_hash(&made));
        for (password, fits) in [("correct horse battery", true), ("correct horse", false), ("", false)] {
            assert_eq!(verify(password.as_bytes(), &made), fits, "{password}");
        }
        for text in ["", "secret", "$argon2id$", "$2b$12$abcdefghijklmnopqrstuv"] {
            assert!(!is_hash(text), "{text}");
        }
    }
}
