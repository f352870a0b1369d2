//! The certificate that both brokers show, and a client that trusts it.

use anyhow::{Context as _, Result};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::client::Resumption;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::version::TLS13;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

/// A certificate of `localhost`, an ECDSA key on P-256, in files.
pub struct Paper {
    /// The certificate, PEM.
    pub certificate: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
    /// TLS 1.3 with nothing kept from an earlier connection: clients that come back after a power cut.
    pub connector: TlsConnector,
}

impl Paper {
    /// Makes a certificate and writes it to a folder.
    pub fn make(folder: &Path) -> Result<Paper> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).context("no certificate")?;
        let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
        std::fs::write(&certificate, made.cert.pem()).context("cannot write the certificate")?;
        std::fs::write(&key, made.signing_key.serialize_pem()).context("cannot write the key")?;
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).context("the certificate cannot be trusted")?;
        let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        Ok(Paper { certificate, key, connector: Arc::new(config).into() })
    }
}
