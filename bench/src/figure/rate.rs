//! Messages a second from one publisher to one or more subscribers, QoS 1 both ways. The publisher is held back so
//! that nobody is more than `AHEAD` messages behind it: queues are not what is measured.

use super::{FILLING, head};
use crate::arena::{Arena, Contestant};
use crate::mqtt::{Client, Login, Packet, Retain, puback, publish};
use crate::row::{Row, Want};
use anyhow::{Result, bail, ensure};
use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// Before the clock starts: connections, queues and caches are as they stay.
const WARM_UP: Duration = Duration::from_millis(300);
/// What is counted in this time is the measurement.
const MEASURED: Duration = Duration::from_secs(2);
/// Messages without a PUBACK, and messages that not every subscriber has.
const AHEAD: u64 = 500;
/// Bytes written at once.
const WRITE_BYTES: usize = 64 << 10;
const LOCATION: &str = "rate";
const TOPIC: &str = "store/rate/customers/f1";

/// One publisher and one subscriber.
pub async fn one_to_one(arena: &Arena) -> Result<Vec<Row>> {
    let row = Row::new("1 publisher -> 1 subscriber, 600 B, QoS 1", "msg/s", Want::TimesAtLeast(1.5));
    one_to(arena, 1, row).await
}

/// One publisher and fifty subscribers.
pub async fn one_to_fifty(arena: &Arena) -> Result<Vec<Row>> {
    let row =
        Row::new("1 publisher -> 50 subscribers, 600 B, QoS 1", "deliveries/s", Want::TimesAtLeast(4.0));
    one_to(arena, 50, row).await
}

async fn one_to(arena: &Arena, subscribers: u64, mut row: Row) -> Result<Vec<Row>> {
    let contestants = arena.start().await?;
    for _ in 0..arena.samples {
        for contestant in &contestants {
            row.add(contestant.name, sample(contestant, subscribers).await?);
        }
    }
    Ok(vec![row])
}

/// How far the subscribers are.
#[derive(Default)]
struct Progress {
    received: Cell<u64>,
    /// The publisher waits for so many to have been received.
    wanted: Cell<u64>,
    moved: Notify,
}

async fn sample(contestant: &Contestant, subscribers: u64) -> Result<f64> {
    let progress = Rc::new(Progress::default());
    let mut tasks = JoinSet::new();
    for number in 0..subscribers {
        let mut client = Client::connect(&contestant.plain, &Login::edge(LOCATION, number as usize)).await?;
        client.subscribe("store/rate/customers/#").await?;
        tasks.spawn_local(subscriber(client, Rc::clone(&progress)));
    }
    let website = Client::connect(&contestant.plain, &Login::website()).await?;
    tasks.spawn_local(publisher(website, Rc::clone(&progress), subscribers));
    let measure = async {
        tokio::time::sleep(WARM_UP).await;
        let (before, began) = (progress.received.get(), Instant::now());
        tokio::time::sleep(MEASURED).await;
        (progress.received.get() - before) as f64 / began.elapsed().as_secs_f64()
    };
    tokio::select! {
        rate = measure => Ok(rate),
        Some(ended) = tasks.join_next() => match ended? {
            Ok(()) => bail!("a client ended"),
            Err(error) => Err(error),
        },
    }
}

async fn subscriber(mut client: Client, progress: Rc<Progress>) -> Result<()> {
    let mut expected = 0;
    loop {
        client.read().await?;
        let before = expected;
        while let Some(packet) = client.input.next()? {
            let Packet::Message { id: Some(id), payload } = packet else { bail!("{packet:?}") };
            ensure!(head(payload) == expected, "message {} came instead of {expected}", head(payload));
            expected += 1;
            puback(&mut client.out, id);
        }
        client.flush().await?;
        let received = progress.received.get() + expected - before;
        progress.received.set(received);
        if received >= progress.wanted.get() {
            progress.moved.notify_one();
        }
    }
}

async fn publisher(mut client: Client, progress: Rc<Progress>, subscribers: u64) -> Result<()> {
    let (mut sent, mut acknowledged) = (0_u64, 0);
    loop {
        let received = progress.received.get() / subscribers;
        let until = AHEAD + received.min(acknowledged);
        while sent < until && client.out.len() < WRITE_BYTES {
            // Ids are used again long after they were acknowledged.
            let id = (sent % 65_535) as u16 + 1;
            publish(&mut client.out, TOPIC, id, Retain::No, &sent.to_be_bytes(), &FILLING);
            sent += 1;
        }
        client.flush().await?;
        if sent < until {
            // The subscribers get their turn.
            tokio::task::yield_now().await;
            continue;
        }
        progress.wanted.set((sent - AHEAD / 2) * subscribers);
        tokio::select! {
            read = client.read() => read?,
            () = progress.moved.notified() => progress.wanted.set(u64::MAX),
        }
        while let Some(packet) = client.input.next()? {
            ensure!(packet == Packet::Acknowledged, "{packet:?}");
            acknowledged += 1;
        }
    }
}
