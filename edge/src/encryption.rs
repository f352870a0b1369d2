//! By whom the edge knows that the other end is its website.

use anyhow::{Context, Result, bail};
use rumqttc::{TlsConfiguration, Transport};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::{
    fmt,
    net::{TcpStream, ToSocketAddrs},
    str::FromStr,
    sync::{Arc, Mutex},
    time::Duration,
};
use tokio_rustls::rustls::{
    self, ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    crypto::{CryptoProvider, ring},
    pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
};

const PATIENCE: Duration = Duration::from_secs(10);

/// How the edge speaks to its broker.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encryption {
    /// In the clear: on this machine, or on a network somebody trusts.
    #[default]
    None,
    /// Over TLS; one of the public authorities vouches for it.
    PublicAuthorities,
    /// Over TLS; this authority vouches for it, and no other: its certificate as DER, in hexadecimal.
    Authority(String),
}

impl Encryption {
    /// Over TLS, with this authority as PEM.
    ///
    /// # Errors
    /// When that is no certificate.
    pub fn of_authority(pem: &str) -> Result<Self> {
        let certificate = CertificateDer::from_pem_slice(pem.as_bytes());
        let certificate =
            certificate.ok().context("the website's answer holds no certificate of its authority")?;
        Ok(Self::Authority(hex::encode(certificate)))
    }

    /// How the MQTT client is to connect.
    ///
    /// # Errors
    /// When the authority is no certificate.
    pub fn transport(&self) -> Result<Transport> {
        let mut roots = RootCertStore::empty();
        match self {
            Self::None => return Ok(Transport::tcp()),
            Self::PublicAuthorities => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
            Self::Authority(hex) => {
                let damaged = "the stored authority is damaged: join this edge again";
                roots.add(hex::decode(hex).context(damaged)?.into()).context(damaged)?;
            }
        }
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let config = config.with_root_certificates(roots).with_no_client_auth();
        Ok(Transport::tls_with_config(TlsConfiguration::Rustls(Arc::new(config))))
    }
}

impl fmt::Debug for Encryption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::PublicAuthorities => "PublicAuthorities",
            Self::Authority(_) => "Authority",
        })
    }
}

/// The SHA-256 of an authority's certificate, as a manager reads it out beside the join code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl FromStr for Fingerprint {
    type Err = anyhow::Error;

    /// 64 hexadecimal digits in any case, with or without colons and spaces.
    fn from_str(text: &str) -> Result<Self> {
        let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect();
        let bytes = hex::decode(digits).ok().and_then(|bytes| bytes.try_into().ok());
        bytes.map(Self).context("a fingerprint is the 64 hexadecimal digits that stand beside the join code")
    }
}

impl Fingerprint {
    /// Asks the server at `host` which certificates it shows, and picks the authority of this fingerprint from them,
    /// as DER. Nothing else is said to the server. Blocks for up to 20 seconds.
    ///
    /// # Errors
    /// When the server cannot be reached, or shows no such authority.
    pub fn find(self, host: &str, port: u16) -> Result<Vec<u8>> {
        let seen = Arc::new(Onlooker::default());
        let config = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
        let config = config.dangerous().with_custom_certificate_verifier(seen.clone()).with_no_client_auth();
        let name =
            ServerName::try_from(host.to_owned()).with_context(|| format!("{host:?} is no host name"))?;
        let mut connection = ClientConnection::new(Arc::new(config), name)?;
        let reached = format!("{host} port {port} cannot be reached");
        let address = (host, port).to_socket_addrs().with_context(|| reached.clone())?.next();
        let address = address.with_context(|| reached.clone())?;
        let mut stream = TcpStream::connect_timeout(&address, PATIENCE).context(reached)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        // The onlooker ends the handshake as soon as it has seen the certificates.
        let ended = connection.complete_io(&mut stream).err();
        let shown = std::mem::take(&mut *seen.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()));
        if shown.is_empty() {
            match ended {
                Some(error) => bail!("{host} port {port} does not speak TLS: {error}"),
                None => bail!("{host} port {port} shows no certificate"),
            }
        }
        let ours = shown.into_iter().find(|certificate| Sha256::digest(certificate)[..] == self.0);
        ours.with_context(|| {
            format!(
                "{host} does not show the authority with this fingerprint: either it is not your website, or the \
                 fingerprint is not the one beside the join code; nothing was sent or stored"
            )
        })
    }
}

/// Looks at a server's certificates and trusts none.
#[derive(Debug, Default)]
struct Onlooker(Mutex<Vec<Vec<u8>>>);

impl ServerCertVerifier for Onlooker {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        let all = std::iter::once(end_entity).chain(intermediates).map(|certificate| certificate.to_vec());
        *self.0.lock().unwrap_or_else(|poisoned| poisoned.into_inner()) = all.collect();
        Err(rustls::Error::General("seen enough".to_owned()))
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("seen enough".to_owned()))
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::Error::General("seen enough".to_owned()))
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        ring::default_provider().signature_verification_algorithms.supported_schemes()
    }
}

/// Named everywhere: with two of them in one process rustls refuses to choose.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fingerprint_is_read_as_people_write_it() {
        let digits = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
        let plain: Fingerprint = digits.parse().unwrap();
        let colons: Vec<_> =
            digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
        for (text, good) in [
            (digits.to_uppercase(), true),
            (colons.join(":"), true),
            (format!(" {digits} "), true),
            (digits[2..].to_owned(), false),
            (format!("{digits}00"), false),
            (digits.replace('0', "g"), false),
            (String::new(), false),
        ] {
            assert_eq!(text.parse::<Fingerprint>().ok(), good.then_some(plain), "{text}");
        }
    }

    #[test]
    fn a_damaged_authority_is_refused() {
        for hex in ["", "zz", "00"] {
            let refused =
                Encryption::Authority(hex.to_owned()).transport().map(drop).unwrap_err().to_string();
            assert!(refused.contains("join this edge again"), "{refused}");
        }
        assert!(Encryption::of_authority("nothing").is_err());
        assert!(matches!(Encryption::PublicAuthorities.transport(), Ok(Transport::Tls(_))));
    }
}
