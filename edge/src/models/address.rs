//! Where a file is fetched from: https, or plain http within this machine.

use anyhow::{Context, Result, bail, ensure};
use std::{fmt, net::IpAddr, str::FromStr};
use ureq::http::{Uri, uri::Scheme};

/// An address that may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address(Uri);

impl FromStr for Address {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Self> {
        let uri: Uri = text
            .parse()
            .ok()
            .with_context(|| format!("{text:?} is no address such as https://mirror.example/models"))?;
        let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
        ensure!(!host.is_empty(), "{text:?} is no address such as https://mirror.example/models");
        // What is asked stands in messages, and a password must not.
        ensure!(
            uri.authority().is_some_and(|authority| !authority.as_str().contains('@')),
            "an address with a login in it is not asked: the files are public"
        );
        let loopback = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        match uri.scheme() {
            Some(scheme) if *scheme == Scheme::HTTPS => Ok(Self(uri)),
            Some(scheme) if *scheme == Scheme::HTTP && loopback => Ok(Self(uri)),
            _ => bail!("{text} is not asked: only https is, and http within this machine"),
        }
    }
}

impl Address {
    /// A file below this address.
    ///
    /// # Errors
    /// When the address has a query, so that nothing lies below it.
    pub fn join(&self, name: &str) -> Result<Self> {
        ensure!(self.0.query().is_none(), "{self} has a query: a mirror is the address of a folder");
        format!("{}/{name}", self.to_string().trim_end_matches('/')).parse()
    }

    /// Where a redirect from here leads, by its `Location`.
    ///
    /// # Errors
    /// When that is no address that may be asked, or leads out of https.
    pub fn redirected(&self, location: &str) -> Result<Self> {
        let scheme = self.0.scheme_str().unwrap_or_default();
        let next: Self = match (location.strip_prefix("//"), self.0.authority()) {
            (Some(elsewhere), _) => format!("{scheme}://{elsewhere}").parse()?,
            (None, Some(authority)) if location.starts_with('/') => {
                format!("{scheme}://{authority}{location}").parse()?
            }
            _ => location.parse()?,
        };
        ensure!(scheme != "https" || next.0.scheme() == Some(&Scheme::HTTPS), "{next} would leave https");
        Ok(next)
    }

    /// As the HTTP client takes it.
    pub fn uri(&self) -> &Uri {
        &self.0
    }
}

/// For people: without the query, which may be as good as a password where a redirect leads to a signed address.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let authority = self.0.authority().map(|authority| authority.as_str()).unwrap_or_default();
        write!(f, "{}://{authority}{}", self.0.scheme_str().unwrap_or_default(), self.0.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_is_asked_beyond_this_machine() {
        for (text, good) in [
            ("https://mirror.example/models", true),
            ("http://127.0.0.1:8000", true),
            ("http://localhost/x", true),
            ("http://[::1]:8000/x", true),
            ("http://mirror.example/models", false),
            ("http://127.0.0.1.mirror.example", false),
            ("https://user:secret@mirror.example", false),
            ("ftp://mirror.example", false),
            ("file:///etc/passwd", false),
            ("/models", false),
            ("mirror.example", false),
            ("", false),
        ] {
            assert_eq!(text.parse::<Address>().is_ok(), good, "{text}");
        }
    }

    #[test]
    fn a_redirect_stays_within_the_rule() {
        let from: Address = "https://mirror.example:8443/a/b?c=d".parse().unwrap();
        for (location, expected) in [
            ("/x/y?z", Some("https://mirror.example:8443/x/y?z")),
            ("//other.example/x", Some("https://other.example/x")),
            ("https://other.example/x", Some("https://other.example/x")),
            ("http://other.example/x", None),
            ("http://127.0.0.1/x", None),
            ("x/y", None),
            ("", None),
        ] {
            let found = from.redirected(location).ok();
            assert_eq!(found, expected.map(|expected| expected.parse().unwrap()), "{location}");
        }
        assert!(from.join("x").is_err() && !from.to_string().contains('?'));
        let mirror: Address = "http://127.0.0.1:1/models/".parse().unwrap();
        assert_eq!(mirror.join("a.onnx").unwrap().to_string(), "http://127.0.0.1:1/models/a.onnx");
    }
}
