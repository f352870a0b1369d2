//! A broker of its own beside the website: everything over MQTTS, logins and rights asked over HTTP.
#![allow(clippy::unwrap_used)]

use edge::{Identity, Join, Plaintext, Space, Thresholds, join};
use protocol::UnixMs;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use serde_json::Value;
use std::{
    fs,
    net::TcpListener,
    path::PathBuf,
    thread,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tests::{Broker, Database, Program, Quiet, Website, person, run, until};

/// A folder with a certificate for 127.0.0.1, the authority behind it, and the secret that broker and website share.
fn papers() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "the tests");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let (authority_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
    let ca = authority.self_signed(&authority_key).unwrap();
    let server = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let server = server.signed_by(&key, &Issuer::new(authority, authority_key)).unwrap();
    for (name, text) in [
        ("ca.pem", ca.pem()),
        ("server.pem", server.pem()),
        ("server.key", key.serialize_pem()),
        ("shared.secret", "a-secret-that-both-know".to_owned()),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
    }
    folder
}

fn joined(site: &Website, name: &str) -> Identity {
    let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
    let space = Space { id: "simulated-512".parse().unwrap(), dimension: 512, thresholds };
    let state: PathBuf = tempfile::tempdir().unwrap().path().join("edge");
    let (url, code) = (site.url(), site.join_code("oslo", name));
    join(&Join { url, code, state, space, plaintext: Plaintext::LoopbackOnly, ca_fingerprint: None }).unwrap()
}

/// Waits until the edge has verified that it holds so many customers.
fn holds(edge: &Quiet, customers: u64) {
    until(&format!("the edge holds {customers}"), 60, || match edge.status() {
        status if status.customers == customers && status.lease_until.is_some() => Ok(()),
        status => Err(format!("{status:?}")),
    });
}

fn remove_one(site: &Website) {
    let customer = site.customers("oslo")[0]["face_id"].as_str().unwrap().to_owned();
    site.call("DELETE", &format!("/api/v1/locations/oslo/customers/{customer}"), &Value::Null).ok();
}

#[test]
fn a_removal_arrives_over_a_broker_apart_and_a_restart_of_the_website_disconnects_nobody() {
    let papers = papers();
    // The broker must know where the website will be, and the website where the broker is.
    let http = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let broker = Broker::start_encrypted(papers.path(), http);
    let ca = papers.path().join("ca.pem").display().to_string();
    let extra = broker.for_website(broker.mqtt);
    let extra = extra.iter().map(String::as_str).chain(["--mqtt-ca", &ca]);
    let mut site = Website::start_at(http, Database::Sqlite, &extra.collect::<Vec<_>>());
    assert_eq!(site.mqtt, broker.mqtt, "it has no broker of its own");
    site.location("oslo");
    let identity = joined(&site, "door");
    assert!(matches!(identity.encryption, edge::Encryption::Authority(_)), "it was told whom to trust");
    let edge = Quiet::with(identity);
    holds(&edge, 0);
    for n in 1..=3 {
        edge.see(&person(n), UnixMs(1_800_000_000_000 + n as i64 * 60_000));
    }
    holds(&edge, 3);
    remove_one(&site);
    holds(&edge, 2);

    let (let_in, clients) = (broker.metric("broker_let_in_total"), broker.metric("broker_clients"));
    assert_eq!(clients, 2, "the website and the edge");
    site.kill();
    until("the website's session is away", 20, || match broker.metric("broker_clients") {
        1 => Ok(()),
        clients => Err(clients.to_string()),
    });
    // Long enough for every answer of the website to be old (a second), and to be asked for again in vain. Nothing can be
    // waited for: what is shown is that nothing happens.
    thread::sleep(Duration::from_secs(3));
    assert_eq!(broker.metric("broker_clients"), 1, "the edge stays while nobody can be asked");
    site.resume();
    remove_one(&site);
    holds(&edge, 1);
    assert_eq!(broker.metric("broker_let_in_total"), let_in + 1, "only the website has connected again");

    // Whoever is revoked is gone within five seconds, although nobody asks about its rights at that moment.
    let revoked = Instant::now();
    site.command(&["edge", "revoke", "oslo", edge.id().as_str()]);
    until("the edge is disconnected", 5, || match broker.metric("broker_clients") {
        1 => Ok(()),
        clients => Err(clients.to_string()),
    });
    assert!(revoked.elapsed() < Duration::from_secs(5), "{:?}", revoked.elapsed());
    edge.stop();
}

#[test]
fn whom_the_website_does_not_trust_is_no_broker_of_it() {
    let (ours, theirs) = (papers(), papers());
    let broker = Broker::start_encrypted(ours.path(), "127.0.0.1:9".parse().unwrap());
    let file = theirs.path().join("ca.pem").to_str().unwrap().to_owned();
    let [_, url, ..] = broker.for_website(broker.mqtt);
    let data = tempfile::tempdir().unwrap();
    let folder = data.path().to_str().unwrap();
    let serve = ["serve", "--listen", "127.0.0.1:0", "--data", folder, "--mqtt-url", &url, "--mqtt-ca"];
    let strict = Program::start("website", serve.into_iter().chain([&*file]));
    strict.line(|line| line.starts_with("website ").then_some(()));
    until("it says that it does not trust the broker", 20, || match strict.said() {
        said if said.contains("invalid peer certificate") => Ok(()),
        said => Err(said),
    });
    assert_eq!(broker.metric("broker_let_in_total"), 0);
    assert!(!strict.said().contains(Broker::PASSWORD));
    let nothing = data.path().join("nothing.pem").to_str().unwrap().to_owned();
    let refused = run("website", serve.into_iter().chain([&*nothing]));
    assert!(refused.code == 1 && refused.stderr.contains("nothing.pem"), "{}", refused.stderr);
}
