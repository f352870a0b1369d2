//! What the website shows to prove that it is itself, and the authority by which edges know it.

use crate::{
    app::App,
    certificate, clock,
    settings::{AuthorityFile, MqttUrl, Scheme, Settings},
};
use anyhow::Context;
use broker::{Tls, TlsFiles};
use rumqttc::{TlsConfiguration, Transport};
use sha2::{Digest, Sha256};
use std::{
    fs,
    io::ErrorKind,
    net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};
use tokio_util::sync::CancellationToken;

/// How often is looked whether the certificate must be renewed.
const LOOK: Duration = Duration::from_secs(12 * 3600);

/// The authority that vouches for this website, where no public one does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// Its certificate.
    pub pem: String,
    /// SHA-256 of that, 64 hexadecimal digits: what `edge join --ca-fingerprint` compares.
    pub fingerprint: String,
}

/// The authority that the website serving from this data folder shows, if it shows one. Good for programs beside the
/// running website too.
pub fn authority(data: &Path) -> Option<Authority> {
    let file = published(data);
    let pem = fs::read_to_string(&file).ok()?;
    let der = broker::first_certificate(&file, pem.as_bytes()).ok()?;
    Some(Authority { fingerprint: hex::encode(Sha256::digest(der)), pem })
}

fn published(data: &Path) -> PathBuf {
    data.join("tls").join("ca.pem")
}

/// The authority by which edges know the broker: that of the one that stands apart, or our own.
pub(crate) fn mqtt_authority(settings: &Settings) -> Option<String> {
    match &settings.mqtt_broker {
        Some(_) => settings.mqtt_ca.as_ref().map(|ca| ca.pem.clone()),
        None => authority(&settings.data).map(|authority| authority.pem),
    }
}

/// How the website's own session reaches a broker that stands apart.
pub(crate) fn transport(url: &MqttUrl, ca: Option<&AuthorityFile>) -> anyhow::Result<Transport> {
    Ok(match (url.scheme, ca) {
        (Scheme::Mqtt, _) => Transport::tcp(),
        (Scheme::Mqtts, Some(AuthorityFile { file, pem })) => {
            let config = broker::trust(file, pem.as_bytes())?;
            Transport::tls_with_config(TlsConfiguration::Rustls(config))
        }
        (Scheme::Mqtts, None) => {
            let default = Transport::try_tls_with_default_config();
            default.context("the system's authorities cannot be read: name the broker's with --mqtt-ca")?
        }
    })
}

/// What is shown to clients; none where nothing is encrypted. Publishes the authority, or takes it back.
pub(crate) fn open(settings: &Settings) -> anyhow::Result<Option<Tls>> {
    let encrypts = settings.encrypts(settings.listen) || settings.encrypts(settings.mqtt_listen);
    let (tls, authority) = match &settings.certificate {
        _ if !encrypts => (None, None),
        Some(files) => {
            let tls = TlsFiles { certificate: files.chain.clone(), key: files.key.clone(), client_ca: None };
            (Some(Tls::open(&tls)?), files.authority.as_deref().map(read_authority).transpose()?)
        }
        None => {
            let own = certificate::own(&settings.data.join("tls"), &names(settings), clock::now())?;
            (Some(Tls::from_pem(&own.file, own.pem.as_bytes())?), Some(own.authority))
        }
    };
    publish(&published(&settings.data), authority.as_deref())?;
    Ok(tls)
}

pub(crate) fn read_authority(file: &Path) -> anyhow::Result<String> {
    let text = fs::read_to_string(file).with_context(|| {
        format!("cannot read {}: give the path of a PEM file that this user may read", file.display())
    })?;
    broker::first_certificate(file, text.as_bytes())?;
    Ok(text)
}

fn publish(file: &Path, authority: Option<&str>) -> anyhow::Result<()> {
    let done = match authority {
        Some(pem) => fs::create_dir_all(file.parent().unwrap_or(file)).and_then(|()| fs::write(file, pem)),
        None => match fs::remove_file(file) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        },
    };
    done.with_context(|| format!("{} cannot be written", file.display()))
}

/// Every name and address by which this website may be asked for.
fn names(settings: &Settings) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    names.extend(settings.public_name.clone());
    names.extend(settings.mqtt_public.as_ref().map(|public| public.host.clone()));
    names.extend(fs::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned()));
    for address in [settings.listen, settings.mqtt_listen] {
        match address.ip() {
            ip if ip.is_unspecified() => names.extend(outward_address().map(|ip| ip.to_string())),
            ip => names.push(ip.to_string()),
        }
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-.:_".contains(c);
    names.retain(|name| !name.is_empty() && name.chars().all(fits));
    names.sort_unstable();
    names.dedup();
    names
}

/// This machine's address on the network it is asked from. Connecting a UDP socket sends nothing.
fn outward_address() -> Option<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).ok()?;
    socket.connect(SocketAddr::from(([192, 0, 2, 1], 9))).ok()?;
    socket.local_addr().ok().map(|address| address.ip())
}

/// Renews the website's own certificate before it ends, while clients are there.
pub(crate) async fn keep(app: Arc<App>, tls: Option<Tls>, stop: CancellationToken) -> anyhow::Result<()> {
    let Some(tls) = tls.filter(|_| app.settings.certificate.is_none()) else {
        stop.cancelled().await;
        return Ok(());
    };
    while stop.run_until_cancelled(tokio::time::sleep(LOOK)).await.is_some() {
        let own = certificate::own(&app.settings.data.join("tls"), &names(&app.settings), clock::now());
        let changed = own.and_then(|own| Ok(tls.change(&own.file, own.pem.as_bytes())?));
        if let Err(error) = changed {
            tracing::error!("the certificate was not renewed, it is tried again: {error:#}");
        }
    }
    Ok(())
}
