use crate::certificates::{Authority, file};
use crate::process::{DEADLINE, Output, PASSWORD, Serving, run, settings};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use test_kit::until;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// A listener on a free port, with a certificate where the scheme wants one.
fn listener(scheme: &str, rest: &str) -> String {
    let papers = match scheme.ends_with('s') && scheme != "ws" {
        true => "certificate = \"server.pem\"\nkey = \"server.key\"\n",
        false => "",
    };
    format!("[[listener]]\nurl = \"{scheme}://127.0.0.1:0\"\n{papers}{rest}")
}

fn write(folder: &Path, authority: &Authority) {
    let paper = authority.issue("localhost");
    file(folder, "server.pem", &paper.certificate);
    file(folder, "server.key", &paper.key);
    file(folder, "ca.pem", &authority.pem);
}

/// `broker tail` as a user who may read `view/`.
fn tail(broker: SocketAddr, ca: Option<&Path>) -> Output {
    let url = format!("mqtts://eve@localhost:{}", broker.port());
    let mut arguments = vec!["tail", "view/#", "--count", "1", "--password-stdin", "--url", &url];
    let ca = ca.map(|ca| ca.to_str().unwrap());
    arguments.extend(ca.iter().flat_map(|ca| ["--ca", ca]));
    run(&arguments, PASSWORD)
}

const UPGRADE: &[u8] = b"GET /mqtt HTTP/1.1\r\nhost: x\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
    sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\nsec-websocket-protocol: mqtt\r\n\r\n";

#[tokio::test]
async fn four_kinds_of_listener_are_in_the_settings() {
    let listeners = ["mqtt", "mqtts", "ws", "wss"].map(|scheme| listener(scheme, "")).concat();
    let (folder, settings) = settings(&listeners);
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    write(folder.path(), &ours);
    let broker = Serving::start_only(&["--config", settings.to_str().unwrap()]);
    let ca = folder.path().join("ca.pem");
    let read = tail(broker.place("mqtts"), Some(&ca));
    assert!(read.code == 0 && read.stdout.starts_with("view/broker (retained) json: "), "{}", read.stderr);
    let other = file(folder.path(), "other.pem", &theirs.pem);
    for (ca, says) in
        [(Some(&*other), "UnknownIssuer"), (None, "UnknownIssuer"), (Some(Path::new("none.pem")), "none.pem")]
    {
        let refused = tail(broker.place("mqtts"), ca);
        assert!(refused.code == 1 && refused.stderr.contains(says), "{ca:?}: {}", refused.stderr);
    }

    let mut plain = TcpStream::connect(broker.place("ws")).unwrap();
    plain.set_read_timeout(Some(DEADLINE)).unwrap();
    plain.write_all(UPGRADE).unwrap();
    let mut answer = [0; 12];
    plain.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");
    let stream = tokio::net::TcpStream::connect(broker.place("wss")).await.unwrap();
    let mut sealed = ours.newest().connect("localhost".try_into().unwrap(), stream).await.unwrap();
    sealed.write_all(UPGRADE).await.unwrap();
    sealed.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"HTTP/1.1 101");

    // A certificate of another authority, shown without a restart.
    write(folder.path(), &theirs);
    broker.signal("HUP");
    until("the new certificate is shown", 20, || tail(broker.place("mqtts"), Some(&other)).code == 0);
}

#[tokio::test]
async fn where_clients_need_a_certificate_a_password_is_not_enough() {
    let listeners = listener("mqtt", "") + &listener("mqtts", "client_ca = \"ca.pem\"\n");
    let (folder, settings) = settings(&listeners);
    let ours = Authority::new("ours");
    write(folder.path(), &ours);
    let broker = Serving::start_only(&["--config", settings.to_str().unwrap()]);
    let refused = tail(broker.place("mqtts"), Some(&folder.path().join("ca.pem")));
    assert_eq!(refused.code, 1, "{}", refused.stdout);
    assert_eq!(
        (broker.metric("broker_handshakes_failed_total"), broker.metric("broker_let_in_total")),
        (1, 0)
    );

    let member = ours.issue("member");
    let connector = ours.client(&tokio_rustls::rustls::version::TLS13, Some(&member));
    let stream = tokio::net::TcpStream::connect(broker.place("mqtts")).await.unwrap();
    let mut sealed = connector.connect("localhost".try_into().unwrap(), stream).await.unwrap();
    let login = [&b"\0\x03eve\0\x16"[..], PASSWORD.as_bytes()].concat();
    let body = [&b"\0\x04MQTT\x04\xc2\0\x3c\0\x01c"[..], &login].concat();
    assert_eq!(PASSWORD.len(), 0x16);
    sealed.write_all(&[&[0x10, body.len() as u8][..], &body].concat()).await.unwrap();
    let mut answer = [0; 4];
    sealed.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, [0x20, 2, 0, 0]);
}

#[test]
fn a_listener_that_cannot_be_is_told_with_its_line_before_anything_listens() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap();
    let (ours, theirs) = (Authority::new("ours"), Authority::new("theirs"));
    let papers = "certificate = \"server.pem\"\nkey = \"server.key\"\n";
    for (case, text, expected) in [
        (
            "no key",
            "[[listener]]\nurl = \"mqtts://127.0.0.1:0\"\ncertificate = \"server.pem\"\n",
            "18: encryption needs a certificate and a key".to_owned(),
        ),
        (
            "no url",
            "[[listener]]\nurl = \"127.0.0.1:1883\"\n",
            "18: \"127.0.0.1:1883\" is no place to listen".to_owned(),
        ),
        (
            "a key for nothing",
            &format!("[[listener]]\nurl = \"ws://127.0.0.1:0\"\n{papers}"),
            "19: nothing is encrypted there".to_owned(),
        ),
        (
            "another key",
            "[[listener]]\nurl = \"mqtts://127.0.0.1:0\"\ncertificate = \"server.pem\"\nkey = \"other.key\"\n",
            "19: the certificate in ".to_owned(),
        ),
        (
            "no file",
            "[[listener]]\nurl = \"wss://127.0.0.1:0\"\ncertificate = \"server.pem\"\nkey = \"none.key\"\n",
            "20: cannot read ".to_owned(),
        ),
        (
            "no authority",
            &format!("[[listener]]\nurl = \"wss://127.0.0.1:0\"\n{papers}client_ca = \"server.key\"\n"),
            "21: ".to_owned(),
        ),
        (
            "a port in use",
            &format!("[[listener]]\nurl = \"mqtts://{taken}\"\n{papers}"),
            format!("18: cannot listen for MQTT on {taken}"),
        ),
        (
            "in the clear",
            "[[listener]]\nurl = \"ws://0.0.0.0:0\"\n",
            "18: refused to listen for MQTT without encryption on 0.0.0.0:0".to_owned(),
        ),
    ] {
        let (folder, settings) = settings(text);
        write(folder.path(), &ours);
        file(folder.path(), "other.key", &theirs.issue("localhost").key);
        // The first of them is good, and must not serve either.
        let file = settings.to_str().unwrap();
        let output = run(&["serve", "--config", file, "--listen", "127.0.0.1:0"], "");
        assert_eq!((output.code, output.stdout.as_str()), (1, ""), "{case}");
        assert!(output.stderr.contains(&format!("{file}:{expected}")), "{case}: {}", output.stderr);
        assert_eq!(output.stderr.trim().lines().count(), 1, "{case}: {}", output.stderr);
    }
}
