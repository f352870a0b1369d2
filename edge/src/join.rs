//! Joining: a code becomes an identity.

use crate::{
    encryption::{Encryption, Fingerprint},
    identity::Identity,
    live::Space,
};
use anyhow::{Context, Result, bail};
use protocol::{DigestKey, EdgeId, LocationId, SigningKey};
use serde::Deserialize;
use serde_json::json;
use std::{net::IpAddr, path::PathBuf, time::Duration};
use ureq::{
    http::{Uri, uri::Scheme},
    tls::{Certificate, RootCerts, TlsConfig},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What joining takes.
#[derive(Debug, Clone)]
pub struct Join {
    /// The website's address.
    pub url: String,
    /// The code a manager got.
    pub code: String,
    /// Where the identity goes.
    pub state: PathBuf,
    /// How the edge's model sees.
    pub space: Space,
    /// Whether the code and the token may cross a network in the clear.
    pub plaintext: Plaintext,
    /// By which the website is known; without it a public authority must vouch for an https address.
    pub ca_fingerprint: Option<Fingerprint>,
}

/// Where plain HTTP is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plaintext {
    /// Within this machine.
    LoopbackOnly,
    /// On a network somebody trusts, such as that of a compose file.
    Anywhere,
}

#[derive(Deserialize)]
struct Welcome {
    edge: EdgeId,
    location: LocationId,
    location_name: String,
    mqtt: Address,
    ca: Option<String>,
    token: String,
    site_key: String,
    digest_key: String,
}

#[derive(Deserialize)]
struct Address {
    host: Option<String>,
    port: u16,
    #[serde(default)]
    tls: bool,
}

#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// Makes the edge's key, gives the website its public half, and keeps what it answers. Blocks for up to 20 seconds.
///
/// # Errors
/// One sentence: when the folder has an identity, the address must not be used, or what the website says.
pub fn join(join: &Join) -> Result<Identity> {
    if Identity::exists(&join.state) {
        bail!("{} belongs to an edge that has joined: choose another --state", join.state.display());
    }
    let host = checked_host(&join.url, join.plaintext)?;
    let authority =
        join.ca_fingerprint.map(|fingerprint| pinned(fingerprint, &join.url, &host)).transpose()?;
    make_folder(&join.state)?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).context("the system gives no random numbers")?;
    let key = SigningKey::from_seed(seed);
    let welcome = ask(join, &key, authority.as_deref())?;
    let encryption = encryption(&welcome, &host, authority)?;
    let bytes = |text: &str| hex::decode(text).ok().and_then(|b| <[u8; 32]>::try_from(b).ok());
    let identity = Identity {
        edge: welcome.edge,
        location: welcome.location,
        location_name: welcome.location_name,
        host: welcome.mqtt.host.unwrap_or(host),
        port: welcome.mqtt.port,
        encryption,
        token: welcome.token,
        key,
        site_key: welcome.site_key.parse().context("the website's answer holds no key")?,
        digest_key: DigestKey::from_bytes(
            bytes(&welcome.digest_key).context("the website's answer holds no digest key")?,
        ),
    };
    identity.store(&join.state)?;
    Ok(identity)
}

/// How the broker is to be known. The authority that was `pinned` for the website at `host` vouches for a broker at
/// that host; for one elsewhere only what the website names, or else a public authority.
fn encryption(welcome: &Welcome, host: &str, pinned: Option<Vec<u8>>) -> Result<Encryption> {
    let Address { host: told, port: _, tls } = &welcome.mqtt;
    let pinned = pinned.filter(|_| told.as_ref().is_none_or(|told| told.eq_ignore_ascii_case(host)));
    Ok(match (tls, &welcome.ca, pinned) {
        (false, _, _) => Encryption::None,
        (true, Some(pem), _) => Encryption::of_authority(pem)?,
        (true, None, Some(authority)) => Encryption::Authority(hex::encode(authority)),
        (true, None, None) => Encryption::PublicAuthorities,
    })
}

/// The authority of this fingerprint, from the certificates that the website shows.
fn pinned(fingerprint: Fingerprint, url: &str, host: &str) -> Result<Vec<u8>> {
    let uri: Uri = url.parse()?;
    if uri.scheme() != Some(&Scheme::HTTPS) {
        bail!("{url} shows no certificate: a fingerprint goes with an https address");
    }
    fingerprint.find(host, uri.port_u16().unwrap_or(443))
}

fn ask(join: &Join, key: &SigningKey, authority: Option<&[u8]>) -> Result<Welcome> {
    let Space { id, dimension, thresholds } = &join.space;
    let request = json!({
        "code": join.code.trim(),
        "public_key": key.public().to_string(),
        "space": { "id": id, "dimension": dimension, "match": thresholds.matches, "new": thresholds.new },
    });
    let config = ureq::Agent::config_builder().http_status_as_error(false).timeout_global(Some(PATIENCE));
    let roots = match authority {
        Some(der) => RootCerts::from(vec![Certificate::from_der(der).to_owned()]),
        None => RootCerts::WebPki,
    };
    let config = config.tls_config(TlsConfig::builder().root_certs(roots).build());
    let address = format!("{}/api/edge/join", join.url.trim_end_matches('/'));
    let sent = ureq::Agent::new_with_config(config.build()).post(&address).send_json(&request);
    let mut answer = sent.with_context(|| format!("{} cannot be reached", join.url))?;
    if answer.status().is_success() {
        return answer
            .body_mut()
            .read_json()
            .context("this is not a Regulars website, or not one of this version");
    }
    match answer.body_mut().read_json::<Refusal>() {
        Ok(Refusal { error }) => bail!("{error}"),
        Err(_) => {
            bail!("{} answers with status {}: is it a Regulars website?", join.url, answer.status().as_u16())
        }
    }
}

/// The host of an address that a code may be sent to.
fn checked_host(url: &str, plaintext: Plaintext) -> Result<String> {
    let uri: Uri = url
        .parse()
        .ok()
        .with_context(|| format!("{url:?} is no address such as https://regulars.example"))?;
    let Some(host) = uri.host().filter(|host| !host.is_empty()) else {
        bail!("{url:?} is no address such as https://regulars.example");
    };
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let loopback = bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    match uri.scheme() {
        Some(scheme) if *scheme == Scheme::HTTPS => {}
        Some(scheme) if *scheme == Scheme::HTTP && (loopback || plaintext == Plaintext::Anywhere) => {}
        Some(scheme) if *scheme == Scheme::HTTP => bail!(
            "{url} would send the code and the login in the clear: use https, or --allow-plaintext on a network you trust"
        ),
        _ => bail!("{url:?} is no address such as https://regulars.example"),
    }
    Ok(bare.to_owned())
}

fn make_folder(folder: &std::path::Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(folder)
        .with_context(|| format!("the state folder {} cannot be made", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pinned_authority_vouches_for_no_broker_at_another_host() {
        let authority = Encryption::Authority("aabb".to_owned());
        for (told, tls, pinned, expected) in [
            (None, true, true, authority.clone()),
            (Some("Shop.example"), true, true, authority),
            (Some("broker.example"), true, true, Encryption::PublicAuthorities),
            (Some("shop.example.broker.example"), true, true, Encryption::PublicAuthorities),
            (None, true, false, Encryption::PublicAuthorities),
            (None, false, true, Encryption::None),
        ] {
            let welcome = serde_json::from_value::<Welcome>(json!({
                "edge": "door", "location": "oslo", "location_name": "Oslo", "ca": null, "token": "",
                "mqtt": { "host": told, "port": 8883, "tls": tls }, "site_key": "", "digest_key": "",
            }));
            let pinned = pinned.then(|| vec![0xAA, 0xBB]);
            let found = encryption(&welcome.unwrap(), "shop.example", pinned).unwrap();
            assert!(found == expected, "{told:?} {tls}: {found:?}");
        }
    }

    #[test]
    fn a_code_goes_in_the_clear_only_where_somebody_said_so() {
        use Plaintext::{Anywhere, LoopbackOnly};
        for (url, plaintext, expected) in [
            ("https://shop.example", LoopbackOnly, Some("shop.example")),
            ("http://127.0.0.1:8080/", LoopbackOnly, Some("127.0.0.1")),
            ("http://localhost:8080", LoopbackOnly, Some("localhost")),
            ("http://[::1]:8080", LoopbackOnly, Some("::1")),
            ("http://shop.example", LoopbackOnly, None),
            ("http://127.0.0.1.shop.example", LoopbackOnly, None),
            ("http://website:8080", Anywhere, Some("website")),
            ("ftp://shop.example", Anywhere, None),
            ("shop.example", Anywhere, None),
            ("", Anywhere, None),
        ] {
            assert_eq!(checked_host(url, plaintext).ok().as_deref(), expected, "{url} {plaintext:?}");
        }
    }
}
