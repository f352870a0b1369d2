//! A broker that stands apart: where it is, and how the website logs in there.

use std::{fmt, str::FromStr};

/// `mqtt://USER:PASSWORD@HOST:PORT`, or `mqtts://` with encryption.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MqttUrl {
    /// Whether what passes is encrypted.
    pub scheme: Scheme,
    /// The website's name there.
    pub username: String,
    /// Its password.
    pub password: Secret,
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// Whether what passes can be read on the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// It can.
    Mqtt,
    /// It cannot: TLS.
    Mqtts,
}

/// The text is no such URL. What it was is not repeated: there may be a password in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a broker's address is mqtts://USER:PASSWORD@HOST:PORT, or mqtt without encryption, with a login that may do the \
     website's part"
)]
pub struct ParseMqttUrlError;

/// A text that no log shows.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Keeps it.
    pub fn new(text: String) -> Secret {
        Secret(text)
    }

    /// Gives it away.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

impl FromStr for MqttUrl {
    type Err = ParseMqttUrlError;

    fn from_str(text: &str) -> Result<Self, ParseMqttUrlError> {
        let (scheme, rest) = match text.split_once("://") {
            Some(("mqtt", rest)) => (Scheme::Mqtt, rest.trim_end_matches('/')),
            Some(("mqtts", rest)) => (Scheme::Mqtts, rest.trim_end_matches('/')),
            _ => return Err(ParseMqttUrlError),
        };
        let (login, place) = rest.rsplit_once('@').ok_or(ParseMqttUrlError)?;
        let (username, password) = login.split_once(':').ok_or(ParseMqttUrlError)?;
        let (host, port) = place.rsplit_once(':').ok_or(ParseMqttUrlError)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if username.is_empty()
            || password.is_empty()
            || host.is_empty()
            || host.contains(['/', ' ', '[', ']'])
        {
            return Err(ParseMqttUrlError);
        }
        let port = port.parse().map_err(|_| ParseMqttUrlError)?;
        let password = Secret::new(password.to_owned());
        Ok(MqttUrl { scheme, username: username.to_owned(), password, host: host.to_owned(), port })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_has_a_login_a_host_and_a_port() {
        let good = |scheme, username: &str, password: &str, host: &str, port| {
            let (username, host) = (username.to_owned(), host.to_owned());
            Ok(MqttUrl { scheme, username, password: Secret::new(password.to_owned()), host, port })
        };
        for (text, expected) in [
            ("mqtt://website:pw@h:1883", good(Scheme::Mqtt, "website", "pw", "h", 1883)),
            ("mqtt://website:p@w:x@h:1/", good(Scheme::Mqtt, "website", "p@w:x", "h", 1)),
            ("mqtt://w:p@[::1]:1", good(Scheme::Mqtt, "w", "p", "::1", 1)),
            ("mqtt://h:1883", Err(ParseMqttUrlError)),
            ("mqtt://w@h:1883", Err(ParseMqttUrlError)),
            ("mqtt://w:@h:1883", Err(ParseMqttUrlError)),
            ("mqtt://w:p@h", Err(ParseMqttUrlError)),
            ("mqtt://w:p@:1", Err(ParseMqttUrlError)),
            ("mqtts://w:p@h:1", good(Scheme::Mqtts, "w", "p", "h", 1)),
            ("https://w:p@h:1", Err(ParseMqttUrlError)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
        let shown = format!("{:?}", "mqtt://w:hidden@h:1".parse::<MqttUrl>());
        assert!(!shown.contains("hidden"), "{shown}");
    }
}
