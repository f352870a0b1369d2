//! What the website is told at its start.

pub use crate::mqtt_url::{MqttUrl, Scheme, Secret};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// Everything `website serve` can be told.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Where pages and the HTTP API listen; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the broker listens; port 0 takes a free one.
    pub mqtt_listen: SocketAddr,
    /// `postgres://...` or `sqlite:FILE`; none means `website.db` in the data folder.
    pub database_url: Option<String>,
    /// The data folder: the signing key, and the database unless it is elsewhere. Made when absent.
    pub data: PathBuf,
    /// Whether anybody beyond this machine may connect without encryption.
    pub plaintext: Plaintext,
    /// The name by which edges and people ask for this website, for its certificate.
    pub public_name: Option<String>,
    /// The certificate to show; none means that the website makes its own.
    pub certificate: Option<CertificateFiles>,
    /// The broker's address as edges reach it, told them when they join; none means the host they joined at and
    /// the port that was bound.
    pub mqtt_public: Option<HostPort>,
    /// A broker that stands apart, used instead of one of our own. It must let this login do the website's part; and
    /// ask us about edges and people, or know them itself. Whoever is revoked is then disconnected when that broker
    /// asks whom we have shut out, every few seconds.
    pub mqtt_broker: Option<MqttUrl>,
    /// The authority that vouches for that broker, where no public one does: edges that join are told it.
    pub mqtt_ca: Option<AuthorityFile>,
    /// What proves to us that it is that broker which asks about logins and rights; without it nobody may ask.
    pub mqtt_api_secret: Option<Secret>,
    /// How often every location's head is dated and published again.
    pub heartbeat: Duration,
    /// How long a tombstone stays while an edge has not applied it.
    pub retention: Duration,
}

/// An authority's certificate that was read from a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityFile {
    /// The file.
    pub file: PathBuf,
    /// What is in it.
    pub pem: String,
}

impl AuthorityFile {
    /// Reads it.
    ///
    /// # Errors
    /// One sentence that names the file, when there is no certificate in it.
    pub fn read(file: PathBuf) -> anyhow::Result<AuthorityFile> {
        let pem = crate::encryption::read_authority(&file)?;
        Ok(AuthorityFile { file, pem })
    }
}

/// Whether anybody beyond this machine may connect without encryption.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Only programs on this machine.
    LoopbackOnly,
    /// Anybody: the network is trusted.
    Anywhere,
}

/// Where a certificate is that somebody else has made: PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// The certificate, then those that vouch for it; `authority` must be among them, or no edge can find it.
    pub chain: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authority to which edges hold on; none where a public one vouches.
    pub authority: Option<PathBuf>,
}

/// `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPort {
    /// A name or an address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// The text is no `HOST:PORT`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an address is HOST:PORT, for example mqtt.example.org:1883")]
pub struct ParseHostPortError;

impl std::str::FromStr for HostPort {
    type Err = ParseHostPortError;

    fn from_str(text: &str) -> Result<Self, ParseHostPortError> {
        let (host, port) = text.rsplit_once(':').ok_or(ParseHostPortError)?;
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        let good = !host.is_empty() && !host.contains(['/', ' ', '[', ']']);
        let port = port.parse().map_err(|_| ParseHostPortError)?;
        if good { Ok(HostPort { host: host.to_owned(), port }) } else { Err(ParseHostPortError) }
    }
}

impl Settings {
    /// The defaults: this machine only, ports 8080 and 1883, everything in `data`.
    pub fn new(data: PathBuf) -> Settings {
        Settings {
            listen: SocketAddr::from(([127, 0, 0, 1], 8080)),
            mqtt_listen: SocketAddr::from(([127, 0, 0, 1], 1883)),
            database_url: None,
            data,
            plaintext: Plaintext::LoopbackOnly,
            public_name: None,
            certificate: None,
            mqtt_public: None,
            mqtt_broker: None,
            mqtt_ca: None,
            mqtt_api_secret: None,
            heartbeat: Duration::from_secs(60),
            retention: Duration::from_secs(30 * 24 * 3600),
        }
    }

    /// The same on ports that are free, for demonstrations and tests that share a machine.
    #[must_use]
    pub fn on_free_ports(mut self) -> Settings {
        self.listen.set_port(0);
        self.mqtt_listen.set_port(0);
        self
    }

    /// Whether what is served at `address` is encrypted: beyond this machine always, unless somebody trusts the
    /// network, and everywhere with a certificate that was given.
    pub fn encrypts(&self, address: SocketAddr) -> bool {
        let beyond = !address.ip().is_loopback() && self.plaintext == Plaintext::LoopbackOnly;
        beyond || self.certificate.is_some()
    }

    /// Whether edges speak to the broker encrypted: to our own, or to the one that stands apart.
    pub fn encrypts_mqtt(&self) -> bool {
        match &self.mqtt_broker {
            Some(url) => url.scheme == Scheme::Mqtts,
            None => self.encrypts(self.mqtt_listen),
        }
    }

    /// The broker's address as edges are told it, if it is not simply the host they join at.
    pub fn mqtt_told(&self) -> Option<HostPort> {
        let apart = |url: &MqttUrl| HostPort { host: url.host.clone(), port: url.port };
        self.mqtt_public.clone().or_else(|| self.mqtt_broker.as_ref().map(apart))
    }

    /// Where the database is.
    pub fn database(&self) -> String {
        let file = || format!("sqlite:{}", self.data.join("website.db").display());
        self.database_url.clone().unwrap_or_else(file)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_host_and_a_port() {
        let good = |host: &str, port| Ok(HostPort { host: host.to_owned(), port });
        for (text, expected) in [
            ("mqtt.example.org:1883", good("mqtt.example.org", 1883)),
            ("[::1]:1", good("::1", 1)),
            ("127.0.0.1:65535", good("127.0.0.1", 65535)),
            (":1883", Err(ParseHostPortError)),
            ("host", Err(ParseHostPortError)),
            ("host:99999", Err(ParseHostPortError)),
            ("mqtt://host:1", Err(ParseHostPortError)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }
}
