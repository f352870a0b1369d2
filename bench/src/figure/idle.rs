//! What a connection costs that is only there: connected, subscribed to its inbox, silent.

use super::{FILLING, head};
use crate::arena::{Arena, Contestant, Name};
use crate::mqtt::{Client, Login, Retain, Road, publish};
use crate::row::{Row, Want};
use anyhow::{Context as _, Result, ensure};
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::timeout;

const CONNECTIONS: usize = 10_000;
/// Connections made at once.
const AT_ONCE: usize = 50;
/// Before the memory is read: what was needed only to connect has been given back. A fixed time, the same for both
/// brokers, because an allocator tells nobody when it returns a page.
const SETTLED: Duration = Duration::from_secs(1);
const DEADLINE: Duration = Duration::from_secs(10);

/// Memory of the process for each idle connection, in the clear and under TLS.
pub async fn measure(arena: &Arena) -> Result<Vec<Row>> {
    let mut plain = Row::new("10,000 idle connections, memory of each", "KB", Want::AtMost(64.0));
    let mut tls = Row::new("10,000 idle connections, TLS, memory of each", "KB", Want::Stated);
    for sample in 0..arena.samples {
        for name in arena.names() {
            plain.add(name, each(arena, name, |contestant| contestant.plain.clone()).await?);
            // Ten thousand handshakes take a while, and memory varies little.
            if sample == 0 {
                tls.add(name, each(arena, name, |contestant| contestant.tls.clone()).await?);
            }
        }
    }
    Ok(vec![plain, tls])
}

async fn each(arena: &Arena, name: Name, road: impl Fn(&Contestant) -> Road) -> Result<f64> {
    let contestant = arena.start_one(name).await?;
    let before = contestant.memory()?;
    let mut clients = connect(&road(&contestant)).await?;
    tokio::time::sleep(SETTLED).await;
    let after = contestant.memory()?;
    // All of them are served: one of the first and one of the last get a message.
    let mut website = Client::connect(&contestant.plain, &Login::website()).await?;
    for at in [0, CONNECTIONS - 1] {
        let (number, client) = &mut clients[at];
        publish(&mut website.out, &inbox(*number), 1, Retain::No, &7_u64.to_be_bytes(), &FILLING);
        website.flush().await?;
        let got = timeout(DEADLINE, client.message(head)).await.context("an idle client was forgotten")??;
        ensure!(got == 7, "an idle client got something else");
    }
    Ok((after.saturating_sub(before)) as f64 / CONNECTIONS as f64 / 1024.0)
}

async fn connect(road: &Road) -> Result<Vec<(usize, Client)>> {
    let mut tasks = JoinSet::new();
    for first in 0..AT_ONCE {
        let road = road.clone();
        tasks.spawn_local(async move {
            let mut clients = Vec::new();
            for number in (first..CONNECTIONS).step_by(AT_ONCE) {
                let login = Login { clean: false, read_bytes: 128, ..Login::edge("idle", number) };
                let mut client = Client::connect(&road, &login).await?;
                client.subscribe(&inbox(number)).await?;
                clients.push((number, client));
            }
            anyhow::Ok(clients)
        });
    }
    let mut all = Vec::with_capacity(CONNECTIONS);
    while let Some(done) = tasks.join_next().await {
        all.extend(done??);
    }
    Ok(all)
}

fn inbox(number: usize) -> String {
    format!("store/idle/edges/e{number}/inbox")
}
