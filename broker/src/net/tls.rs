//! TLS 1.2 and 1.3 for servers: the broker here, and the website for its pages.
//!
//! The provider of cryptography is named everywhere: two of them in one process, and rustls would refuse to choose.

use parking_lot::RwLock;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::crypto::{CryptoProvider, ring};
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::{ClientHello, ResolvesServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::sign::CertifiedKey;
use tokio_rustls::rustls::{self, ClientConfig, ConfigBuilder, RootCertStore, ServerConfig, WantsVerifier};

/// An encrypted stream over `S`, on the server's side.
pub type Encrypted<S> = tokio_rustls::server::TlsStream<S>;

/// Where a server's certificate is. All of them are PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The server's certificate first, then those that vouch for it.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// When given, only clients with a certificate from one of these authorities are accepted.
    pub client_ca: Option<PathBuf>,
}

/// A certificate with its key, which can be changed while servers use it.
#[derive(Clone)]
pub struct Tls {
    acceptor: TlsAcceptor,
    shown: Arc<Shown>,
}

/// Why a certificate cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// The file cannot be read.
    #[error("cannot read {0}: {1}; give the path of a PEM file that this user may read")]
    Unreadable(PathBuf, #[source] io::Error),
    /// The file is not PEM.
    #[error("{0} is damaged: {1}; give a PEM file")]
    Damaged(PathBuf, String),
    /// There is no certificate in it.
    #[error(
        "{0} holds no certificate: give a PEM file with the server's certificate first, then those that vouch for it"
    )]
    NoCertificate(PathBuf),
    /// There is no private key in it.
    #[error(
        "{0} holds no private key: give the PEM file of the key that the certificate was made for, without a password"
    )]
    NoKey(PathBuf),
    /// The two do not belong together.
    #[error(
        "the certificate in {0} does not match the key in {1}: give the key that this certificate was made for"
    )]
    Mismatch(PathBuf, PathBuf),
    /// They cannot be used for TLS.
    #[error("{0} cannot be used for TLS: {1}; give another certificate or key")]
    Unusable(PathBuf, String),
}

impl TlsError {
    /// The file that is to be changed.
    pub fn file(&self) -> &Path {
        match self {
            TlsError::Unreadable(file, _)
            | TlsError::Damaged(file, _)
            | TlsError::NoCertificate(file)
            | TlsError::NoKey(file)
            | TlsError::Mismatch(file, _)
            | TlsError::Unusable(file, _) => file,
        }
    }
}

/// The certificate that is shown at the moment.
#[derive(Debug)]
struct Shown(RwLock<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(Arc::clone(&self.0.read()))
    }
}

impl Tls {
    /// Reads the files and looks whether they belong together.
    ///
    /// # Errors
    /// One sentence that names the file and what to do.
    pub fn open(files: &TlsFiles) -> Result<Tls, TlsError> {
        let (certificate, key) = (read(&files.certificate)?, read(&files.key)?);
        let certified = certified((&files.certificate, &certificate), (&files.key, &key))?;
        let config = match &files.client_ca {
            Some(file) => {
                let verifier = WebPkiClientVerifier::builder_with_provider(
                    authorities(file, &read(file)?)?.into(),
                    provider(),
                );
                let verifier =
                    verifier.build().map_err(|e| TlsError::Unusable(file.clone(), e.to_string()))?;
                versions(file)?.with_client_cert_verifier(verifier)
            }
            None => versions(&files.certificate)?.with_no_client_auth(),
        };
        Ok(Tls::with(certified, |shown| config.with_cert_resolver(shown)))
    }

    /// From one PEM file that was read already: the key, the server's certificate, and those that vouch for it.
    ///
    /// # Errors
    /// One sentence that names the file and what to do.
    pub fn from_pem(file: &Path, pem: &[u8]) -> Result<Tls, TlsError> {
        let certified = certified((file, pem), (file, pem))?;
        let config = versions(file)?.with_no_client_auth();
        Ok(Tls::with(certified, |shown| config.with_cert_resolver(shown)))
    }

    /// Shows another certificate from now on; connections that are up stay so. `pem` is as for [`Tls::from_pem`].
    ///
    /// # Errors
    /// One sentence that names the file and what to do; then nothing has changed.
    pub fn change(&self, file: &Path, pem: &[u8]) -> Result<(), TlsError> {
        *self.shown.0.write() = certified((file, pem), (file, pem))?;
        Ok(())
    }

    /// Shows what these files hold now; connections that are up stay so, and the authorities of client certificates stay the same.
    ///
    /// # Errors
    /// One sentence that names the file and what to do; then nothing has changed.
    pub fn reopen(&self, files: &TlsFiles) -> Result<(), TlsError> {
        let (certificate, key) = (read(&files.certificate)?, read(&files.key)?);
        *self.shown.0.write() = certified((&files.certificate, &certificate), (&files.key, &key))?;
        Ok(())
    }

    /// The TLS handshake with a client that has just connected. It has no deadline of its own.
    ///
    /// # Errors
    /// When the client goes away, speaks no TLS, or shows no certificate where one is asked for.
    pub async fn accept<S>(&self, stream: S) -> io::Result<Encrypted<S>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        self.acceptor.accept(stream).await
    }

    fn with(certified: Arc<CertifiedKey>, config: impl FnOnce(Arc<Shown>) -> ServerConfig) -> Tls {
        let shown = Arc::new(Shown(RwLock::new(certified)));
        Tls { acceptor: Arc::new(config(Arc::clone(&shown))).into(), shown }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tls")
    }
}

/// The first certificate of a PEM file that was read already, as DER.
///
/// # Errors
/// One sentence that names the file, when there is none.
pub fn first_certificate(file: &Path, pem: &[u8]) -> Result<Vec<u8>, TlsError> {
    certificates(file, pem).map(|chain| chain[0].to_vec())
}

/// For a client that is to trust the authorities of a PEM file, which was read already, and no other.
///
/// # Errors
/// One sentence that names the file and what to do.
pub fn trust(file: &Path, pem: &[u8]) -> Result<Arc<ClientConfig>, TlsError> {
    let unusable = |error: rustls::Error| TlsError::Unusable(file.to_owned(), error.to_string());
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    let builder = builder.map_err(unusable)?.with_root_certificates(authorities(file, pem)?);
    Ok(Arc::new(builder.with_no_client_auth()))
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

fn versions(file: &Path) -> Result<ConfigBuilder<ServerConfig, WantsVerifier>, TlsError> {
    let builder = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions();
    builder.map_err(|error| TlsError::Unusable(file.to_owned(), error.to_string()))
}

fn certified(
    (file, pem): (&Path, &[u8]),
    (key_file, key_pem): (&Path, &[u8]),
) -> Result<Arc<CertifiedKey>, TlsError> {
    let chain = certificates(file, pem)?;
    let key = PrivateKeyDer::from_pem_slice(key_pem).map_err(|error| match error {
        pem::Error::NoItemsFound => TlsError::NoKey(key_file.to_owned()),
        error => TlsError::Damaged(key_file.to_owned(), error.to_string()),
    })?;
    match CertifiedKey::from_der(chain, key, &provider()) {
        Ok(certified) => Ok(Arc::new(certified)),
        Err(rustls::Error::InconsistentKeys(_)) => {
            Err(TlsError::Mismatch(file.to_owned(), key_file.to_owned()))
        }
        Err(error @ rustls::Error::InvalidCertificate(_)) => {
            Err(TlsError::Unusable(file.to_owned(), error.to_string()))
        }
        Err(error) => Err(TlsError::Unusable(key_file.to_owned(), error.to_string())),
    }
}

fn certificates(file: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let chain = chain.map_err(|error| TlsError::Damaged(file.to_owned(), error.to_string()))?;
    if chain.is_empty() { Err(TlsError::NoCertificate(file.to_owned())) } else { Ok(chain) }
}

fn authorities(file: &Path, pem: &[u8]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(file, pem)? {
        roots.add(certificate).map_err(|error| TlsError::Unusable(file.to_owned(), error.to_string()))?;
    }
    Ok(roots)
}

fn read(file: &Path) -> Result<Vec<u8>, TlsError> {
    std::fs::read(file).map_err(|error| TlsError::Unreadable(file.to_owned(), error))
}
