//! The listeners of a stand-alone broker, from its settings or its command line.

use super::error::Invalid;
use crate::broker::StartError;
use crate::net::listener::{Carrier, Encryption, Listener, Plaintext};
use crate::net::tls::{Tls, TlsError, TlsFiles};
use serde::Deserialize;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use toml::Spanned;

/// One address to listen on.
pub struct ListenerSettings {
    url: Url,
    tls: Option<(TlsFiles, Tls)>,
    /// Where it is configured: `FILE:LINE: `, or nothing for the command line.
    pub named_at: String,
}

/// One `[[listener]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ListenerEntry {
    url: Spanned<String>,
    certificate: Option<Spanned<PathBuf>>,
    key: Option<Spanned<PathBuf>>,
    client_ca: Option<Spanned<PathBuf>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Url {
    scheme: Scheme,
    address: SocketAddr,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Mqtt,
    Mqtts,
    Ws,
    Wss,
}

impl Scheme {
    const ALL: [(&'static str, Scheme); 4] =
        [("mqtt", Scheme::Mqtt), ("mqtts", Scheme::Mqtts), ("ws", Scheme::Ws), ("wss", Scheme::Wss)];

    fn is_encrypted(self) -> bool {
        matches!(self, Scheme::Mqtts | Scheme::Wss)
    }
}

impl fmt::Display for Scheme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = Scheme::ALL.iter().find_map(|(word, scheme)| (scheme == self).then_some(*word));
        f.write_str(word.unwrap_or_default())
    }
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let bad = || {
            format!(
                "{text:?} is no place to listen: write mqtt, mqtts, ws or wss, and an address and a port, as in mqtts://0.0.0.0:8883"
            )
        };
        let (word, address) = text.split_once("://").ok_or_else(bad)?;
        let (_, scheme) = Scheme::ALL.into_iter().find(|(known, _)| *known == word).ok_or_else(bad)?;
        Ok(Url { scheme, address: address.trim_end_matches('/').parse().map_err(|_| bad())? })
    }
}

impl ListenerEntry {
    /// Reads the certificate too. Paths are relative to `folder`; `named_at` turns a position in the text
    /// into `FILE:LINE: `.
    pub fn read(
        self,
        folder: &Path,
        named_at: impl Fn(usize) -> String,
    ) -> Result<ListenerSettings, Invalid> {
        let span = self.url.span();
        let url: Url = self.url.as_ref().parse().map_err(|what| Invalid(span.clone(), what))?;
        let named_at = named_at(span.start);
        let tls = match (url.scheme.is_encrypted(), self.certificate, self.key) {
            (true, Some(certificate), Some(key)) => {
                let at = |file: &Spanned<PathBuf>| folder.join(file.as_ref());
                let files = TlsFiles {
                    certificate: at(&certificate),
                    key: at(&key),
                    client_ca: self.client_ca.as_ref().map(at),
                };
                let blamed = |error: &TlsError| match (error.file(), &self.client_ca) {
                    (file, Some(ca)) if file == at(ca) => ca.span(),
                    (file, _) if file == files.key => key.span(),
                    _ => certificate.span(),
                };
                let tls = Tls::open(&files);
                Some((files.clone(), tls.map_err(|error| Invalid(blamed(&error), error.to_string()))?))
            }
            (true, ..) => {
                let what =
                    "encryption needs a certificate and a key: name PEM files with `certificate` and `key`";
                return Err(Invalid(span, what.to_owned()));
            }
            (false, certificate, key) => match certificate.or(key).or(self.client_ca) {
                Some(file) => {
                    let what = "nothing is encrypted there: remove this, or write mqtts or wss";
                    return Err(Invalid(file.span(), what.to_owned()));
                }
                None => None,
            },
        };
        Ok(ListenerSettings { url, tls, named_at })
    }
}

impl ListenerSettings {
    /// An address of the command line, for MQTT without encryption.
    pub fn plain(address: SocketAddr) -> ListenerSettings {
        ListenerSettings { url: Url { scheme: Scheme::Mqtt, address }, tls: None, named_at: String::new() }
    }

    /// The broker's listener.
    pub fn listener(&self, plaintext: Plaintext) -> Listener {
        let encryption = match &self.tls {
            Some((_, tls)) => Encryption::Tls(tls.clone()),
            None => Encryption::None(plaintext),
        };
        let carrier = match self.url.scheme {
            Scheme::Mqtt | Scheme::Mqtts => Carrier::Bytes,
            Scheme::Ws | Scheme::Wss => Carrier::WebSocket,
        };
        Listener { address: self.url.address, encryption, carrier }
    }

    /// Its URL, once it listens on `bound`.
    pub fn url(&self, bound: SocketAddr) -> String {
        format!("{}://{bound}", self.url.scheme)
    }

    /// Uses what is in its files now; connections that are up stay so.
    ///
    /// # Errors
    /// One sentence that names the file; then nothing has changed.
    pub fn renew(&self) -> Result<(), TlsError> {
        self.tls.as_ref().map_or(Ok(()), |(files, tls)| tls.reopen(files))
    }

    /// Whether the broker did not start because of this listener.
    pub fn caused(&self, error: &StartError) -> bool {
        match error {
            StartError::Listen(address, _) | StartError::PlaintextBeyondLoopback(address) => {
                *address == self.url.address
            }
            StartError::NoListener | StartError::Router => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listener_is_a_scheme_an_address_and_a_port() {
        for (text, expected) in [
            ("mqtt://127.0.0.1:1883", Some(Scheme::Mqtt)),
            ("mqtts://0.0.0.0:8883/", Some(Scheme::Mqtts)),
            ("ws://[::1]:0", Some(Scheme::Ws)),
            ("wss://[::]:443", Some(Scheme::Wss)),
            ("https://127.0.0.1:1", None),
            ("mqtt://127.0.0.1", None),
            ("mqtt://host:1883", None),
            ("127.0.0.1:1883", None),
        ] {
            let url: Result<Url, _> = text.parse();
            assert_eq!(url.as_ref().ok().map(|url| url.scheme), expected, "{text}");
            if let Ok(url) = url {
                assert!(text.starts_with(&format!("{}://", url.scheme)), "{text}");
            }
        }
    }
}
