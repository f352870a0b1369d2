//! The broker over WebSocket.

use crate::certificates::Authority;
use crate::support::{Bystander, DEADLINE, TestLogins, until};
use crate::tls::{shake, start_tls, tls};
use broker::{Broker, Carrier, Encryption, Limits, Listener, Plaintext};
use futures_util::{SinkExt, StreamExt};
use std::net::SocketAddr;
use std::sync::Arc;
use test_kit::mqtt::v3::{Hello, packet, publish, text};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, client_async};

/// A broker that listens for bytes first, for WebSockets second.
async fn start() -> Broker {
    let listener = |carrier| {
        let encryption = Encryption::None(Plaintext::LoopbackOnly);
        Listener { address: "127.0.0.1:0".parse().unwrap(), encryption, carrier }
    };
    let listeners = vec![listener(Carrier::Bytes), listener(Carrier::WebSocket)];
    Broker::start_on(listeners, Limits::default(), Arc::new(TestLogins)).await.unwrap()
}

async fn open<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    protocols: Option<&str>,
) -> Result<WebSocketStream<S>, Error> {
    let mut request = "ws://localhost/mqtt".into_client_request().unwrap();
    if let Some(protocols) = protocols {
        request.headers_mut().insert("sec-websocket-protocol", protocols.parse().unwrap());
    }
    let (socket, answer) = timeout(DEADLINE, client_async(request, stream)).await.unwrap()?;
    assert_eq!(answer.headers()["sec-websocket-protocol"], "mqtt");
    Ok(socket)
}

async fn tcp(to: SocketAddr) -> TcpStream {
    TcpStream::connect(to).await.unwrap()
}

/// The next bytes of MQTT, or why it was closed.
async fn next<S: AsyncRead + AsyncWrite + Unpin>(
    socket: &mut WebSocketStream<S>,
) -> Result<Vec<u8>, CloseCode> {
    loop {
        match timeout(DEADLINE, socket.next()).await.unwrap() {
            Some(Ok(Message::Binary(bytes))) => return Ok(bytes.to_vec()),
            Some(Ok(Message::Close(Some(frame)))) => return Err(frame.code),
            Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
            other => panic!("{other:?}"),
        }
    }
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(socket: &mut WebSocketStream<S>, bytes: &[u8]) {
    socket.send(Message::Binary(bytes.to_vec().into())).await.unwrap();
}

#[tokio::test]
async fn frames_carry_bytes_wherever_packets_begin_and_end() {
    let broker = start().await;
    let mut bystander = Bystander::new(&broker).await;
    let mut subscriber = open(tcp(broker.addresses()[1]).await, Some("mqtt")).await.unwrap();
    let subscribe = packet(0x82, &[&[0, 1][..], &text("store/A/customers/#"), &[0]].concat());
    let all = [Hello::of("e1").bytes(), subscribe].concat();
    for byte in &all[..all.len() - 3] {
        send(&mut subscriber, &[*byte]).await;
    }
    send(&mut subscriber, &[]).await;
    subscriber.send(Message::Ping(vec![1, 2].into())).await.unwrap();
    send(&mut subscriber, &all[all.len() - 3..]).await;
    let mut answers = Vec::new();
    while answers.len() < 9 {
        answers.extend(next(&mut subscriber).await.unwrap());
    }
    assert_eq!(answers, [0x20, 2, 0, 0, 0x90, 3, 0, 1, 0]);

    let mut website = open(tcp(broker.addresses()[1]).await, Some("other, mqtt")).await.unwrap();
    let long = vec![b'x'; 60_000];
    send(&mut website, &Hello::of("website").bytes()).await;
    assert_eq!(next(&mut website).await, Ok(vec![0x20, 2, 0, 0]));
    let many = [
        publish("store/A/customers/f1", b"one", 0, None),
        publish("store/A/customers/f1", &long, 0, None),
        vec![0xe0, 0],
    ];
    send(&mut website, &many.concat()).await;
    assert_eq!(next(&mut website).await, Err(CloseCode::Normal), "the close frame is answered");
    let expected =
        [publish("store/A/customers/f1", b"one", 0, None), publish("store/A/customers/f1", &long, 0, None)]
            .concat();
    let mut got = Vec::new();
    while got.len() < expected.len() {
        got.extend(next(&mut subscriber).await.unwrap());
    }
    assert!(got == expected, "the two messages, byte for byte");
    bystander.is_well(&broker).await;
}

#[tokio::test]
async fn a_client_that_closes_may_finish_what_it_sends() {
    let broker = start().await;
    let mut socket = open(tcp(broker.addresses()[1]).await, Some("mqtt")).await.unwrap();
    send(&mut socket, &Hello::of("e1").bytes()).await;
    assert_eq!(next(&mut socket).await, Ok(vec![0x20, 2, 0, 0]));
    send(&mut socket, &[0xe0, 0]).await;
    until("the broker has seen it out", || broker.counters().clients == 0).await;
    for word in ["still", "here"] {
        socket.send(Message::Ping(word.into())).await.unwrap();
    }
    assert_eq!(next(&mut socket).await, Err(CloseCode::Normal));
    let end = timeout(DEADLINE, socket.next()).await.unwrap();
    assert!(end.is_none(), "closed, not reset: {end:?}");
}

#[tokio::test]
async fn websockets_go_over_tls_too() {
    let ours = Authority::new("ours");
    let paper = ours.issue("localhost");
    let broker = start_tls(tls(&paper, None), Carrier::WebSocket, Limits::default()).await;
    let stream = shake(&ours.newest(), broker.address()).await.unwrap();
    let mut socket = open(stream, Some("mqtt")).await.unwrap();
    send(&mut socket, &Hello::of("e1").bytes()).await;
    assert_eq!(next(&mut socket).await, Ok(vec![0x20, 2, 0, 0]));
}

#[tokio::test]
async fn what_is_not_mqtt_over_websocket_is_refused() {
    let broker = start().await;
    let to = broker.addresses()[1];
    let mut bystander = Bystander::new(&broker).await;
    for protocols in [None, Some("mqttv3.1"), Some("chat, MQTT")] {
        let Err(Error::Http(answer)) = open(tcp(to).await, protocols).await else { panic!("{protocols:?}") };
        assert_eq!(answer.status(), 400, "{protocols:?}");
    }
    for (request, expected) in [
        (Hello::of("e1").bytes(), ""),
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(), ""),
        ([b"GET / HTTP/1.1\r\n".to_vec(), vec![b'a'; 100_000]].concat(), ""),
    ] {
        let mut stream = tcp(to).await;
        // It may be closed before all is written.
        let _ = stream.write_all(&request).await;
        let mut answer = Vec::new();
        let _ = timeout(DEADLINE, stream.read_to_end(&mut answer)).await.expect("closed");
        assert!(!answer.starts_with(b"HTTP/1.1 101") && answer.starts_with(expected.as_bytes()));
    }
    let failed = broker.counters().handshakes_failed;
    assert_eq!(failed, 6);
    let cases = [
        (Message::text("hello"), CloseCode::Unsupported),
        (Message::binary(vec![0x10; 300 << 10]), CloseCode::Size),
    ];
    for (n, (message, expected)) in cases.into_iter().enumerate() {
        let mut socket = open(tcp(to).await, Some("mqtt")).await.unwrap();
        send(&mut socket, &Hello::of("ann").bytes()).await;
        assert_eq!(next(&mut socket).await, Ok(vec![0x20, 2, 0, 0]));
        // The broker may close while it is still being written.
        let _ = socket.send(message.clone()).await;
        if expected == CloseCode::Unsupported {
            assert_eq!(next(&mut socket).await, Err(expected));
        }
        until("it is counted", || broker.counters().malformed == n as u64 + 1).await;
    }
    bystander.is_well(&broker).await;
}
