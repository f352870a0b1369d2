//! A website that other machines can reach: pages and broker encrypted by its own authority, which an edge pins.
//! Everything is asked over loopback.
#![allow(clippy::unwrap_used)]

use edge::{Encryption, Fingerprint, Identity, Join, Plaintext, Settings, Space, Thresholds, join};
use std::{
    fs,
    net::SocketAddr,
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tests::{Lack, Program, run, skip, until};
use tokio_util::sync::CancellationToken;

/// A running website that listens on every address.
struct Site {
    _program: Program,
    data: TempDir,
    http: u16,
    mqtt: u16,
}

impl Site {
    fn start() -> Site {
        let data = tempfile::tempdir().unwrap();
        let folder = data.path().to_str().unwrap().to_owned();
        let any = "0.0.0.0:0";
        let arguments = ["serve", "--listen", any, "--mqtt-listen", any, "--data", &folder];
        let program = Program::start("website", arguments);
        let (http, mqtt) = program.line(|line| {
            let port = |scheme: &str| {
                let address: SocketAddr =
                    line.split(scheme).nth(1)?.split_whitespace().next()?.parse().ok()?;
                Some(address.port())
            };
            Some((port(" https://")?, port(" mqtts://")?))
        });
        let site = Site { _program: program, data, http, mqtt };
        site.command(&[
            "location",
            "add",
            "oslo",
            "--name",
            "Oslo",
            "--time-zone",
            "Europe/Oslo",
            "--enrol",
            "auto",
        ]);
        site
    }

    fn command(&self, words: &[&str]) -> String {
        let data = ["--data", self.data.path().to_str().unwrap()];
        let output = run("website", words.iter().chain(&data));
        assert_eq!(output.code, 0, "{}", output.stderr);
        output.stdout.trim().to_owned()
    }

    fn ca(&self) -> String {
        self.data.path().join("tls/ca.pem").to_str().unwrap().to_owned()
    }

    /// A code, and the fingerprint that stands beside it.
    fn code(&self, name: &str) -> (String, Fingerprint) {
        let line = self.command(&["edge", "add", "oslo", name]);
        let words: Vec<&str> = line.split_whitespace().collect();
        let [.., code, "--ca-fingerprint", hex] = words[..] else { panic!("{line}") };
        (code.to_owned(), hex.parse().unwrap())
    }

    fn join(
        &self,
        code: &str,
        ca_fingerprint: Option<Fingerprint>,
        state: &Path,
    ) -> Result<Identity, String> {
        let url = format!("https://127.0.0.1:{}", self.http);
        let (code, state) = (code.to_owned(), state.to_owned());
        let plaintext = Plaintext::LoopbackOnly;
        join(&Join { url, code, state, space: space(), plaintext, ca_fingerprint })
            .map_err(|e| format!("{e:#}"))
    }
}

fn space() -> Space {
    let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
    Space { id: "tests".parse().unwrap(), dimension: 512, thresholds }
}

#[test]
fn an_edge_pins_the_website_and_speaks_mqtts_with_it() {
    let site = Site::start();
    let (code, fingerprint) = site.code("door");
    let state = tempfile::tempdir().unwrap();
    let wrong: Fingerprint = "00".repeat(32).parse().unwrap();
    for (case, pin, says) in [
        ("another fingerprint", Some(wrong), "does not show the authority with this fingerprint"),
        ("no fingerprint, and no public authority", None, "UnknownIssuer"),
    ] {
        let refused = site.join(&code, pin, state.path()).unwrap_err();
        assert!(refused.contains(says) && !refused.contains('\n'), "{case}: {refused}");
        assert_eq!(fs::read_dir(state.path()).unwrap().count(), 0, "{case}: nothing is stored");
    }
    let identity = site.join(&code, Some(fingerprint), state.path()).unwrap();
    assert!(matches!(identity.encryption, Encryption::Authority(_)));
    assert_eq!((identity.host.as_str(), identity.port), ("127.0.0.1", site.mqtt));
    let stored = Identity::load(state.path()).unwrap();
    assert_eq!(stored.encryption, identity.encryption, "it is kept for the next start");

    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = Settings { state: state.path().to_owned(), space: space(), away: Duration::from_secs(60) };
    let edge = runtime.block_on(edge::start(settings, CancellationToken::new())).unwrap();
    until("the edge is in step over MQTTS", 30, || match edge.status() {
        status if status.lease_until.is_some() => Ok(()),
        status => Err(format!("{status:?}")),
    });
    runtime.block_on(edge.stop()).unwrap();

    // The broker's certificate is verified too: with another authority nobody is there.
    let other = Site::start();
    let (code, fingerprint) = other.code("door");
    let elsewhere = tempfile::tempdir().unwrap();
    let mut strange = other.join(&code, Some(fingerprint), elsewhere.path()).unwrap();
    strange.encryption = identity.encryption;
    strange.store(elsewhere.path()).unwrap();
    let settings =
        Settings { state: elsewhere.path().to_owned(), space: space(), away: Duration::from_secs(60) };
    let edge = runtime.block_on(edge::start(settings, CancellationToken::new())).unwrap();
    let mut status = edge.watch();
    let connected = runtime.block_on(async {
        tokio::time::timeout(Duration::from_secs(2), status.wait_for(|s| s.lease_until.is_some()))
            .await
            .is_ok()
    });
    assert!(!connected, "a broker of another authority was trusted");
    runtime.block_on(edge.stop()).unwrap();
}

#[test]
fn mosquitto_reads_over_mqtts() {
    if Command::new("mosquitto_sub").arg("--help").stdout(Stdio::null()).status().is_err() {
        return skip(Lack::Provided, "mosquitto_sub is not installed");
    }
    let site = Site::start();
    let user = site.command(&["mqtt-user", "add", "ann"]);
    let (mqtt, ca) = (site.mqtt.to_string(), site.ca());
    let login = ["-u", "ann", "-P", &user, "--cafile", &ca];
    let wanted = ["-h", "localhost", "-p", &mqtt, "-t", "view/oslo/head", "-C", "1", "-W", "20"];
    let read = Command::new("mosquitto_sub").args(wanted).args(login).output().unwrap();
    let said = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(said.contains("\"seq\""), "{said} {}", String::from_utf8_lossy(&read.stderr));
}

#[test]
fn paho_reads_over_wss() {
    let python = "/usr/bin/python3";
    let paho = Command::new(python).args(["-c", "import paho.mqtt.client"]).stderr(Stdio::null()).status();
    if !paho.is_ok_and(|status| status.success()) {
        return skip(Lack::Provided, "/usr/bin/python3 cannot import paho.mqtt.client");
    }
    let site = Site::start();
    let user = site.command(&["mqtt-user", "add", "ann"]);
    let (http, ca) = (site.http.to_string(), site.ca());
    let read = Command::new(python).args(["-c", PAHO, &http, &ca, &user]).output().unwrap();
    let said = String::from_utf8_lossy(&read.stdout).into_owned();
    assert!(said.contains("\"seq\""), "{said} {}", String::from_utf8_lossy(&read.stderr));
}

/// Reads the head by WebSocket from the pages' own port.
const PAHO: &str = r#"
import sys, paho.mqtt.client as mqtt
port, ca, password = sys.argv[1:]
generation = [mqtt.CallbackAPIVersion.VERSION2] if hasattr(mqtt, "CallbackAPIVersion") else []
client = mqtt.Client(*generation, transport="websockets")
client.ws_set_options(path="/mqtt")
client.tls_set(ca)
client.username_pw_set("ann", password)
client.on_connect = lambda client, *rest: client.subscribe("view/oslo/head", 1)
def got(client, data, message):
    print(message.payload.decode())
    client.disconnect()
client.on_message = got
client.connect("localhost", int(port))
client.loop_forever()
"#;

#[test]
fn a_certificate_that_does_not_fit_is_named_before_anything_listens() {
    let data = tempfile::tempdir().unwrap();
    let absent = data.path().join("absent.pem").to_str().unwrap().to_owned();
    let folder = data.path().to_str().unwrap();
    let any = ["--listen", "127.0.0.1:0", "--mqtt-listen", "127.0.0.1:0"];
    let given = ["serve", "--data", folder, "--tls-cert", &absent, "--tls-key", &absent];
    let output = run("website", given.iter().chain(&any));
    assert_eq!((output.code, output.stdout.as_str()), (1, ""));
    assert!(output.stderr.contains(&absent) && output.stderr.contains("give the path"), "{}", output.stderr);
}
