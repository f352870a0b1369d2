use crate::support::{TestLogins, start, start_with, until};
use broker::{Broker, Config, Limits, Plaintext, StartError};
use std::sync::Arc;
use std::time::Duration;
use test_kit::mqtt::v3::Hello;

#[tokio::test]
async fn each_login_gets_the_code_it_deserves() {
    let limits = Limits { login_deadline: Duration::from_millis(50), ..Limits::default() };
    let broker = start_with(limits).await;
    let hello = Hello::of;
    let cases = [
        ("edge", hello("e1"), 0),
        ("website", hello("website"), 0),
        ("person with any client id", Hello { client_id: "Ann's+phone/#$", ..hello("ann") }, 0),
        ("person without a client id", Hello { client_id: "", ..hello("ann") }, 0),
        ("version 3", Hello { version: 3, ..hello("e1") }, 1),
        ("version 6", Hello { version: 6, ..hello("e1") }, 1),
        ("edge with another client id", Hello { client_id: "e2", ..hello("e1") }, 2),
        ("lasting session without a client id", Hello { client_id: "", clean: false, ..hello("ann") }, 2),
        ("overlong client id", Hello { client_id: &"x".repeat(200), ..hello("ann") }, 2),
        ("database is down", hello("database-is-down"), 3),
        ("login never answered", hello("never-answered"), 3),
        ("wrong password", Hello { login: Some(("e1", "wrong")), ..hello("e1") }, 4),
        ("unknown name", hello("mallory"), 4),
        ("no login", Hello { login: None, ..hello("e1") }, 5),
        ("will in another store", Hello { will: Some(("view/B/edges/b1", "x", true)), ..hello("e1") }, 5),
        ("will of a person", Hello { will: Some(("view/A/edges/e1", "x", true)), ..hello("ann") }, 5),
    ];
    for (case, hello, code) in cases {
        assert_eq!(hello.say(broker.address()).await.1, Some((0, code)), "{case}");
    }
    let counters = broker.counters();
    assert_eq!((counters.logins_refused, counters.refused), (5, 2));
    broker.stop().await;
}

#[tokio::test]
async fn a_silent_socket_is_closed_and_a_full_broker_refuses() {
    let limits = Limits { connect_deadline: Duration::from_millis(50), connections: 2, ..Limits::default() };
    let broker = start_with(limits).await;
    let (_kept, answer) = Hello::of("e1").say(broker.address()).await;
    assert_eq!(answer, Some((0, 0)));
    let half = &Hello::of("e2").bytes()[..9];
    let mut stream = tokio::net::TcpStream::connect(broker.address()).await.unwrap();
    tokio::io::AsyncWriteExt::write_all(&mut stream, half).await.unwrap();
    assert_eq!(tokio::io::AsyncReadExt::read(&mut stream, &mut [0; 9]).await.unwrap_or(0), 0, "closed");
    until("the timeout is counted", || broker.counters().connect_timeouts == 1).await;

    let (_second, answer) = Hello::of("e2").say(broker.address()).await;
    assert_eq!(answer, Some((0, 0)));
    assert_eq!(Hello::of("b1").say(broker.address()).await.1, None);
    assert_eq!((broker.counters().turned_away, broker.counters().clients), (1, 2));
}

#[tokio::test]
async fn plaintext_stays_on_loopback_and_a_taken_port_is_named() {
    let config = |listen: &str, plaintext| Config {
        listen: listen.parse().unwrap(),
        plaintext,
        limits: Limits::default(),
    };
    let refused = Broker::start(config("0.0.0.0:0", Plaintext::LoopbackOnly), Arc::new(TestLogins)).await;
    let Err(error @ StartError::PlaintextBeyondLoopback(_)) = refused else { panic!("listens in the clear") };
    assert!(error.to_string().contains("--allow-plaintext"), "{error}");

    let broker = start().await;
    let taken = broker.address().to_string();
    let refused = Broker::start(config(&taken, Plaintext::LoopbackOnly), Arc::new(TestLogins)).await;
    let Err(error @ StartError::Listen(..)) = refused else { panic!("two listen on one port") };
    assert!(error.to_string().contains(&taken), "{error}");
}

#[tokio::test]
async fn a_stopped_broker_frees_its_port_and_lets_its_clients_go() {
    let broker = start().await;
    let address = broker.address();
    let mut client = Hello::of("e1").enter(broker.address()).await;
    tokio::time::timeout(Duration::from_secs(2), broker.stop()).await.unwrap();
    client.is_closed().await;
    let config = Config { listen: address, plaintext: Plaintext::LoopbackOnly, limits: Limits::default() };
    Broker::start(config, Arc::new(TestLogins)).await.unwrap();
}
