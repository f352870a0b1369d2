//! `broker tail`: what goes over a broker, one line a message.

use super::output::print_line;
use super::passwd;
use super::payload_view::Shown;
use crate::net::tls::{TlsError, trust};
use anyhow::{Context, bail};
use rumqttc::{AsyncClient, ConnectionError, Event, Incoming, MqttOptions, QoS, TlsConfiguration, Transport};
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;
use tokio::time::timeout;

/// How long the broker may take to grant the subscription.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(10);
/// The longest message that is read.
const PACKET_BYTES: usize = 1 << 20;
const KEEP_ALIVE_S: u16 = 30;

/// What to watch.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to subscribe to, for example 'store/#'.
    filter: String,
    /// The broker.
    #[arg(long, env = "REGULARS_MQTT_URL", default_value = "mqtt://127.0.0.1:1883", hide_env_values = true)]
    url: Url,
    /// Whom to trust with mqtts: a PEM file of authorities; without it the system's.
    #[arg(long, env = "REGULARS_MQTT_CA", value_name = "FILE")]
    ca: Option<PathBuf>,
    /// The name to log in with; the one in the URL without it.
    #[arg(long)]
    username: Option<String>,
    /// Read the password from stdin.
    #[arg(long)]
    password_stdin: bool,
    /// One JSON object a line.
    #[arg(long)]
    json: bool,
    /// End after so many messages.
    #[arg(long, value_name = "N")]
    count: Option<u64>,
}

/// `mqtt://[USER[:PASSWORD]@]HOST:PORT`, or `mqtts://` with encryption.
#[derive(Clone)]
struct Url {
    scheme: Scheme,
    login: Option<(String, String)>,
    host: String,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Mqtt,
    Mqtts,
}

impl std::fmt::Debug for Url {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} {}:{}", self.scheme, self.host, self.port)
    }
}

/// The text is no such URL.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "a broker's address is mqtt://USER:PASSWORD@HOST:PORT, or mqtts with encryption; the login may be left away"
)]
struct BadUrl;

impl FromStr for Url {
    type Err = BadUrl;

    fn from_str(text: &str) -> Result<Url, BadUrl> {
        let (scheme, default_port, rest) = match text.split_once("://") {
            Some(("mqtt", rest)) => (Scheme::Mqtt, "1883", rest.trim_end_matches('/')),
            Some(("mqtts", rest)) => (Scheme::Mqtts, "8883", rest.trim_end_matches('/')),
            _ => return Err(BadUrl),
        };
        let (login, address) = match rest.rsplit_once('@') {
            Some((login, address)) => {
                let (name, password) = login.split_once(':').unwrap_or((login, ""));
                (Some((name.to_owned(), password.to_owned())), address)
            }
            None => (None, rest),
        };
        let (host, port) = address.rsplit_once(':').unwrap_or((address, default_port));
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        if host.is_empty() || host.contains(['/', ' ', '@']) {
            return Err(BadUrl);
        }
        Ok(Url { scheme, login, host: host.to_owned(), port: port.parse().map_err(|_| BadUrl)? })
    }
}

/// Prints messages until it is stopped, or has printed as many as it should.
///
/// # Errors
/// When the broker cannot be reached, refuses the login or the filter, or goes away.
pub async fn run(args: Args) -> anyhow::Result<()> {
    let Url { scheme, login, host, port } = args.url;
    let address = format!("{host}:{port}");
    let (name, password) = login.unwrap_or_default();
    let name = args.username.unwrap_or(name);
    let password = if args.password_stdin { passwd::from_stdin()? } else { password };
    // A number of its own, so that two of them do not take over each other's session.
    let mut id = [0; 6];
    getrandom::fill(&mut id).context("the system gives no random bytes")?;
    let id = id.map(|byte| format!("{byte:02x}")).concat();
    let mut options = MqttOptions::new(format!("tail-{id}"), (host, port));
    options.set_keep_alive(KEEP_ALIVE_S).set_max_packet_size(PACKET_BYTES, PACKET_BYTES);
    if scheme == Scheme::Mqtts {
        options.set_transport(encrypted(args.ca.as_deref())?);
    }
    if !name.is_empty() {
        options.set_credentials(name, password);
    }
    let (client, mut events) = AsyncClient::builder(options).capacity(16).build();
    client.try_subscribe(&*args.filter, QoS::AtLeastOnce).context("the filter cannot be sent")?;
    let granting = async {
        loop {
            match events.poll().await {
                Ok(Event::Incoming(Incoming::SubAck(answer))) => return anyhow::Ok(answer),
                Ok(_) => {}
                Err(ConnectionError::ConnectionRefused(_)) => bail!(
                    "the broker at {address} refused the login: give --username and --password-stdin of somebody it knows"
                ),
                Err(error) => {
                    return Err(error).with_context(|| format!("the broker at {address} cannot be used"));
                }
            }
        }
    };
    let answer = timeout(SUBSCRIBE_TIMEOUT, granting).await;
    let answer = answer.with_context(|| format!("the broker at {address} does not answer"))??;
    let refused = |code: &rumqttc::SubscribeReasonCode| matches!(code, rumqttc::SubscribeReasonCode::Failure);
    if answer.return_codes.iter().any(refused) {
        bail!("the broker refused {}: log in as somebody who may read it", args.filter);
    }
    let mut left = args.count.unwrap_or(u64::MAX);
    while left > 0 {
        let event = events.poll().await.with_context(|| format!("the broker at {address} has gone away"))?;
        let Event::Incoming(Incoming::Publish(publish)) = event else { continue };
        let shown = Shown::of(&String::from_utf8_lossy(&publish.topic), &publish.payload, publish.retain);
        print_line(&if args.json { serde_json::to_string(&shown)? } else { shown.line() })?;
        left -= 1;
    }
    // DISCONNECT, if the broker is still there.
    let _ = client.try_disconnect();
    let _ = timeout(Duration::from_secs(1), async { while events.poll().await.is_ok() {} }).await;
    Ok(())
}

fn encrypted(ca: Option<&Path>) -> anyhow::Result<Transport> {
    let Some(file) = ca else {
        return Transport::try_tls_with_default_config().context("the system's authorities cannot be read");
    };
    let pem = std::fs::read(file).map_err(|error| TlsError::Unreadable(file.to_owned(), error))?;
    Ok(Transport::tls_with_config(TlsConfiguration::Rustls(trust(file, &pem)?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broker_is_named_with_or_without_a_login() {
        let parts = |text: &str| text.parse::<Url>().map(|url| (url.login, url.host, url.port));
        for (text, scheme, port) in [("mqtts://h", Scheme::Mqtts, 8883), ("mqtt://h", Scheme::Mqtt, 1883)] {
            let url: Url = text.parse().unwrap();
            assert_eq!((url.scheme, url.port), (scheme, port), "{text}");
        }
        let login = |name: &str, password: &str| Some((name.to_owned(), password.to_owned()));
        for (text, expected) in [
            ("mqtt://h", Ok((None, "h".to_owned(), 1883))),
            ("mqtt://h:1/", Ok((None, "h".to_owned(), 1))),
            ("mqtt://[::1]:1", Ok((None, "::1".to_owned(), 1))),
            ("mqtt://a:b@c@h:1", Ok((login("a", "b@c"), "h".to_owned(), 1))),
            ("mqtt://a@h:1", Ok((login("a", ""), "h".to_owned(), 1))),
            ("http://h:1", Err(BadUrl)),
            ("mqtt://h:x", Err(BadUrl)),
            ("mqtt://:1", Err(BadUrl)),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }
}
