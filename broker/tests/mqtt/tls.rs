//! The broker over TLS.

use crate::certificates::{Authority, Paper, file};
use crate::support::{DEADLINE, TestLogins, start_with, until};
use broker::{Broker, Carrier, Encryption, Limits, Listener, Plaintext, Tls, TlsFiles};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;
use test_kit::mqtt::v3::Hello;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::version::{TLS12, TLS13};

pub fn tls(paper: &Paper, client_ca: Option<&Authority>) -> Tls {
    let folder = TempDir::new().unwrap();
    let files = TlsFiles {
        certificate: file(folder.path(), "server.pem", &paper.certificate),
        key: file(folder.path(), "server.key", &paper.key),
        client_ca: client_ca.map(|authority| file(folder.path(), "clients.pem", &authority.pem)),
    };
    Tls::open(&files).unwrap()
}

pub async fn start_tls(tls: Tls, carrier: Carrier, limits: Limits) -> Broker {
    let address = "127.0.0.1:0".parse().unwrap();
    let listener = Listener { address, encryption: Encryption::Tls(tls), carrier };
    Broker::start_on(vec![listener], limits, Arc::new(TestLogins)).await.unwrap()
}

pub async fn shake(connector: &TlsConnector, to: SocketAddr) -> std::io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(to).await.unwrap();
    timeout(DEADLINE, connector.connect("localhost".try_into().unwrap(), stream)).await.unwrap()
}

/// The code of the CONNACK that e1 gets; `None` when it gets none.
async fn connack(connector: &TlsConnector, to: SocketAddr) -> Option<u8> {
    let mut stream = shake(connector, to).await.ok()?;
    stream.write_all(&Hello::of("e1").bytes()).await.ok()?;
    let mut answer = [0; 4];
    timeout(DEADLINE, stream.read_exact(&mut answer)).await.unwrap().ok()?;
    assert_eq!(answer[..2], [0x20, 2], "not a CONNACK");
    Some(answer[3])
}

#[tokio::test]
async fn who_gets_in_over_tls() {
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let (member, stranger) = (ours.issue("member"), theirs.issue("stranger"));
    let paper = ours.issue("localhost");
    let open = start_tls(tls(&paper, None), Carrier::Bytes, Limits::default()).await;
    let closed = start_tls(tls(&paper, Some(&ours)), Carrier::Bytes, Limits::default()).await;
    let elsewhere = start_tls(tls(&ours.issue("elsewhere"), None), Carrier::Bytes, Limits::default()).await;
    for (case, broker, client, expected) in [
        ("TLS 1.2", &open, ours.client(&TLS12, None), Some(0)),
        ("TLS 1.3", &open, ours.client(&TLS13, None), Some(0)),
        ("a client with another authority", &open, theirs.client(&TLS13, None), None),
        ("a certificate for another name", &elsewhere, ours.client(&TLS13, None), None),
        ("no client certificate, TLS 1.2", &closed, ours.client(&TLS12, None), None),
        ("no client certificate, TLS 1.3", &closed, ours.client(&TLS13, None), None),
        ("our client certificate, TLS 1.2", &closed, ours.client(&TLS12, Some(&member)), Some(0)),
        ("our client certificate, TLS 1.3", &closed, ours.client(&TLS13, Some(&member)), Some(0)),
        ("client certificate of another authority", &closed, ours.client(&TLS13, Some(&stranger)), None),
    ] {
        assert_eq!(connack(&client, broker.address()).await, expected, "{case}");
    }
    // In the clear, and garbage.
    for bytes in [Hello::of("e1").bytes(), vec![0xff; 100]] {
        let mut stream = TcpStream::connect(open.address()).await.unwrap();
        stream.write_all(&bytes).await.unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an end.
        let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("closed at once");
        assert!(!answer.starts_with(&[0x20]), "a CONNACK in the clear");
    }
    until("the failures are counted", || open.counters().handshakes_failed == 3).await;
    until("the failures are counted", || closed.counters().handshakes_failed == 3).await;
}

#[tokio::test]
async fn idle_and_half_open_sockets_keep_no_client_waiting() {
    let authority = Authority::new("ours");
    let limits = Limits { connect_deadline: Duration::from_secs(4), ..Limits::default() };
    let broker = start_tls(tls(&authority.issue("localhost"), None), Carrier::Bytes, limits).await;
    let client = authority.newest();
    let began = Instant::now();
    let mut idle = Vec::new();
    for n in 0..1_000 {
        let mut stream = TcpStream::connect(broker.address()).await.unwrap();
        // Half of them begin to shake hands, and go no further.
        if n % 2 == 0 {
            stream.write_all(b"\x16\x03\x01\x02\x00\x01\x00").await.unwrap();
        }
        idle.push(stream);
    }
    let shaken = shake(&client, broker.address()).await.unwrap();
    for _ in 0..3 {
        let asked = Instant::now();
        assert_eq!(connack(&client, broker.address()).await, Some(0));
        assert!(asked.elapsed() < Duration::from_secs(1), "served after {:?}", asked.elapsed());
    }
    assert!(began.elapsed() < Duration::from_secs(4), "the idle ones were still there");
    // Every one of them goes, the one that shook hands and said nothing included.
    until("the idle ones are closed", || broker.counters().connect_timeouts == 1_001).await;
    drop((idle, shaken));
}

#[tokio::test]
async fn half_open_connections_and_those_of_one_address_have_limits() {
    let limits = Limits { half_open: 2, connections_per_address: 4, ..Limits::default() };
    let broker = start_with(limits).await;
    let connect = async || TcpStream::connect(broker.address()).await.unwrap();
    let (first, second) = (connect().await, connect().await);
    let mut third = connect().await;
    assert_eq!(third.read(&mut [0]).await.unwrap_or(0), 0, "no room for a third that says nothing");
    assert_eq!(broker.counters().half_open_full, 1);
    drop((first, second));
    let mut inside = Vec::new();
    for name in ["e1", "e2", "b1", "ann"] {
        let hello = Hello::of(name);
        // The places of those that went are free as soon as the broker has noticed.
        loop {
            let mut stream = connect().await;
            let mut answer = [0; 4];
            let said = stream.write_all(&hello.bytes()).await;
            if said.is_ok() && stream.read_exact(&mut answer).await.is_ok() {
                inside.push(stream);
                break;
            }
        }
    }
    let mut fifth = connect().await;
    assert_eq!(fifth.read(&mut [0]).await.unwrap_or(0), 0, "no room for a fifth from here");
    assert_eq!(broker.counters().address_full, 1);
}

#[tokio::test]
async fn a_certificate_is_changed_while_clients_are_there() {
    let (old, new) = (Authority::new("old"), Authority::new("new"));
    let shown = tls(&old.issue("localhost"), None);
    let broker = start_tls(shown.clone(), Carrier::Bytes, Limits::default()).await;
    assert_eq!(connack(&old.newest(), broker.address()).await, Some(0));
    let mut there = shake(&old.newest(), broker.address()).await.unwrap();
    let Paper { certificate, key, .. } = new.issue("localhost");
    shown.change("new.pem".as_ref(), format!("{key}{certificate}").as_bytes()).unwrap();
    assert_eq!(connack(&old.newest(), broker.address()).await, None);
    assert_eq!(connack(&new.newest(), broker.address()).await, Some(0));
    there.write_all(&Hello::of("e2").bytes()).await.unwrap();
    let mut answer = [0; 4];
    timeout(DEADLINE, there.read_exact(&mut answer)).await.unwrap().unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
}

#[test]
fn unusable_files_are_named_with_a_remedy() {
    let folder = TempDir::new().unwrap();
    let write = |name: &str, text: &str| file(folder.path(), name, text);
    let authority = Authority::new("ours");
    let (one, other) = (authority.issue("localhost"), authority.issue("localhost"));
    let (good, key) = (write("good.pem", &one.certificate), write("good.key", &one.key));
    let (absent, empty) = (folder.path().join("absent.pem"), write("empty.pem", ""));
    let torn = write("torn.pem", "-----BEGIN CERTIFICATE-----\n!!\n-----END CERTIFICATE-----\n");
    let hollow = write("hollow.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let wrong = write("wrong.key", &other.key);
    for (certificate, key, client_ca, named, remedy) in [
        (&absent, &key, None, &absent, "give the path of a PEM file"),
        (&good, &absent, None, &absent, "give the path of a PEM file"),
        (&empty, &key, None, &empty, "holds no certificate: give"),
        (&torn, &key, None, &torn, "is damaged"),
        (&hollow, &key, None, &hollow, "cannot be used for TLS"),
        (&good, &good, None, &good, "holds no private key: give"),
        (&good, &wrong, None, &good, "does not match the key in"),
        (&good, &wrong, None, &wrong, "give the key that this certificate was made for"),
        (&good, &key, Some(&absent), &absent, "give the path of a PEM file"),
        (&good, &key, Some(&empty), &empty, "holds no certificate: give"),
    ] {
        let files =
            TlsFiles { certificate: certificate.clone(), key: key.clone(), client_ca: client_ca.cloned() };
        let message = Tls::open(&files).unwrap_err().to_string();
        assert!(message.contains(&named.display().to_string()) && message.contains(remedy), "{message}");
        assert!(!message.contains('\n'), "{message}");
    }
}

#[tokio::test]
async fn only_what_is_encrypted_leaves_this_machine() {
    let beyond: SocketAddr = "0.0.0.0:0".parse().unwrap();
    let ours = Authority::new("ours");
    for (encryption, starts) in [
        (Encryption::None(Plaintext::LoopbackOnly), false),
        (Encryption::None(Plaintext::Anywhere), true),
        (Encryption::Tls(tls(&ours.issue("localhost"), None)), true),
    ] {
        let said = format!("{encryption:?}");
        let listener = Listener { address: beyond, encryption, carrier: Carrier::Bytes };
        let started = Broker::start_on(vec![listener], Limits::default(), Arc::new(TestLogins)).await;
        match started {
            Ok(_) => assert!(starts, "{said}"),
            Err(error) => assert!(!starts && error.to_string().contains("use TLS"), "{said}: {error}"),
        }
    }
    assert!(Broker::start_on(vec![], Limits::default(), Arc::new(TestLogins)).await.is_err());
}
