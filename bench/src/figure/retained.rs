//! A new subscriber and the retained messages of its location.

use super::{FILLING, head};
use crate::arena::Arena;
use crate::mqtt::{Client, Login, Packet, Retain, Road, puback, publish};
use crate::row::{Row, Want};
use anyhow::{Result, ensure};
use std::time::Instant;

const MESSAGES: u64 = 100_000;
/// Messages without a PUBACK.
const WINDOW: u64 = 500;
const LOCATION: &str = "large";

/// How fast it gets all of them.
pub async fn measure(arena: &Arena) -> Result<Vec<Row>> {
    let mut row =
        Row::new("100,000 retained, 600 B, to a new QoS 1 subscriber", "msg/s", Want::AtLeast(50_000.0));
    let contestants = arena.start().await?;
    for contestant in &contestants {
        let topics = (0..MESSAGES).map(|number| format!("store/{LOCATION}/customers/f{number}"));
        publish_to(&contestant.plain, Retain::Yes, topics).await?;
    }
    for _ in 0..arena.samples {
        for contestant in &contestants {
            let seconds = fetch(&contestant.plain, LOCATION, MESSAGES).await?;
            row.add(contestant.name, MESSAGES as f64 / seconds);
        }
    }
    Ok(vec![row])
}

/// Publishes a message to every topic; its payload begins with its number.
pub async fn publish_to(road: &Road, retain: Retain, topics: impl Iterator<Item = String>) -> Result<()> {
    let mut website = Client::connect(road, &Login::website()).await?;
    let (mut sent, mut acknowledged) = (0_u64, 0);
    let mut topics = topics.peekable();
    while topics.peek().is_some() || acknowledged < sent {
        while sent < acknowledged + WINDOW
            && let Some(topic) = topics.next()
        {
            let id = (sent % 65_535) as u16 + 1;
            publish(&mut website.out, &topic, id, retain, &sent.to_be_bytes(), &FILLING);
            sent += 1;
        }
        website.flush().await?;
        website.read().await?;
        while let Some(packet) = website.input.next()? {
            ensure!(packet == Packet::Acknowledged, "{packet:?}");
            acknowledged += 1;
        }
    }
    website.leave().await
}

/// Subscribes to a location's customers, takes in so many messages, no two of them the same, and returns the seconds
/// from the subscription to the last of them.
pub async fn fetch(road: &Road, location: &str, messages: u64) -> Result<f64> {
    let mut edge = Client::connect(road, &Login::edge(location, 0)).await?;
    let began = Instant::now();
    edge.ask(&format!("store/{location}/customers/#")).await?;
    let mut seen = Vec::with_capacity(messages as usize);
    while seen.len() < messages as usize {
        edge.read().await?;
        while let Some(packet) = edge.input.next()? {
            match packet {
                Packet::Message { id, payload } => {
                    seen.push(head(payload));
                    id.into_iter().for_each(|id| puback(&mut edge.out, id));
                }
                other => ensure!(other == Packet::Subscribed(1), "{other:?}"),
            }
        }
        edge.flush().await?;
    }
    let seconds = began.elapsed().as_secs_f64();
    seen.sort_unstable();
    seen.dedup();
    ensure!(seen.len() == messages as usize, "a retained message came twice");
    edge.leave().await?;
    Ok(seconds)
}
