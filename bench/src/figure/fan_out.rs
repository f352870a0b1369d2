//! One message to a thousand subscribers: from its publishing until each has it.

use super::{FILLING, head};
use crate::arena::{Arena, Contestant};
use crate::mqtt::{Client, Login, Packet, Retain, puback, publish};
use crate::row::{Row, Want, percentile};
use anyhow::{Context as _, Result, ensure};
use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::timeout;

const SUBSCRIBERS: usize = 1_000;
/// Messages of one measurement, one after the other.
const MESSAGES: u64 = 30;
/// Between two messages: the broker takes in a thousand acknowledgements of one before the next is timed. Nothing of it
/// can be seen from outside, so that it is a fixed time, the same for both brokers.
const REST: Duration = Duration::from_millis(20);
const DEADLINE: Duration = Duration::from_secs(10);
const TOPIC: &str = "store/many/customers/f1";

/// Half and 99 % of the deliveries take no longer.
pub async fn measure(arena: &Arena) -> Result<Vec<Row>> {
    let mut half = Row::new("1 -> 1,000 subscribers, 600 B, QoS 1: p50", "ms", Want::Stated);
    let mut most = Row::new("1 -> 1,000 subscribers, 600 B, QoS 1: p99", "ms", Want::TimesAtMost(1.5));
    let contestants = arena.start().await?;
    let mut crowds = Vec::new();
    for contestant in &contestants {
        crowds.push((contestant.name, Crowd::open(contestant).await?));
    }
    for _ in 0..arena.samples {
        for (name, crowd) in &mut crowds {
            let times = crowd.sample().await?;
            percentile(&times, 0.5).into_iter().for_each(|value| half.add(*name, value));
            percentile(&times, 0.99).into_iter().for_each(|value| most.add(*name, value));
        }
    }
    Ok(vec![half, most])
}

struct Crowd {
    website: Client,
    arrivals: Rc<Arrivals>,
    subscribers: JoinSet<Result<()>>,
}

struct Arrivals {
    /// Milliseconds.
    took: RefCell<Vec<f64>>,
    start: Instant,
    all: Notify,
}

impl Crowd {
    async fn open(contestant: &Contestant) -> Result<Crowd> {
        let (took, start, all) = (RefCell::default(), Instant::now(), Notify::new());
        let arrivals = Rc::new(Arrivals { took, start, all });
        let mut subscribers = JoinSet::new();
        for number in 0..SUBSCRIBERS {
            let login = Login { read_bytes: 4 << 10, ..Login::edge("many", number) };
            let mut client = Client::connect(&contestant.plain, &login).await?;
            client.subscribe("store/many/customers/#").await?;
            subscribers.spawn_local(receive(client, Rc::clone(&arrivals)));
        }
        let website = Client::connect(&contestant.plain, &Login::website()).await?;
        Ok(Crowd { website, arrivals, subscribers })
    }

    async fn sample(&mut self) -> Result<Vec<f64>> {
        let mut times = Vec::new();
        // The first one warms up.
        for number in 0..=MESSAGES {
            let now = self.arrivals.start.elapsed().as_nanos() as u64;
            publish(&mut self.website.out, TOPIC, 1, Retain::No, &now.to_be_bytes(), &FILLING);
            self.website.flush().await?;
            let all = async {
                tokio::select! {
                    () = self.arrivals.all.notified() => Ok(()),
                    Some(ended) = self.subscribers.join_next() => ended?,
                }
            };
            timeout(DEADLINE, all).await.context("not every subscriber got the message")??;
            let took = self.arrivals.took.take();
            ensure!(took.len() == SUBSCRIBERS, "a subscriber got a message twice");
            if number > 0 {
                times.extend(took);
            }
            self.website.read().await.context("the acknowledgement")?;
            while self.website.input.next()?.is_some() {}
            tokio::time::sleep(REST).await;
        }
        Ok(times)
    }
}

async fn receive(mut client: Client, arrivals: Rc<Arrivals>) -> Result<()> {
    loop {
        client.read().await?;
        let now = arrivals.start.elapsed().as_nanos() as u64;
        while let Some(packet) = client.input.next()? {
            let Packet::Message { id: Some(id), payload } = packet else { continue };
            let mut took = arrivals.took.borrow_mut();
            took.push((now - head(payload)) as f64 / 1e6);
            if took.len() == SUBSCRIBERS {
                arrivals.all.notify_one();
            }
            puback(&mut client.out, id);
        }
        client.flush().await?;
    }
}
