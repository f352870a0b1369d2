//! After a power cut: a thousand clients come back at once, over TLS.

use crate::arena::{Arena, Contestant};
use crate::mqtt::{Client, Login, Road};
use crate::row::{Row, Want};
use anyhow::Result;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

const CLIENTS: usize = 1_000;
/// Between two times: the broker takes notice of a thousand closed connections. A fixed time, the same for both brokers,
/// because neither tells how far it is; whoever has not noticed yet has a take-over to do, which is slower.
const GONE: Duration = Duration::from_millis(500);

/// How long it takes until all are subscribed.
pub async fn measure(arena: &Arena) -> Result<Vec<Row>> {
    let mut row = Row::new("1,000 clients reconnect over TLS: all subscribed", "ms", Want::Stated);
    let contestants = arena.start().await?;
    // The first time makes the sessions.
    for number in 0..=arena.samples {
        for contestant in &contestants {
            let took = sample(contestant).await?;
            if number > 0 {
                row.add(contestant.name, took);
            }
            tokio::time::sleep(GONE).await;
        }
    }
    Ok(vec![row])
}

async fn sample(contestant: &Contestant) -> Result<f64> {
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for number in 0..CLIENTS {
        tasks.spawn_local(come_back(contestant.tls.clone(), number));
    }
    let mut clients = Vec::with_capacity(CLIENTS);
    while let Some(client) = tasks.join_next().await {
        clients.push(client??);
    }
    Ok(began.elapsed().as_secs_f64() * 1e3)
}

async fn come_back(road: Road, number: usize) -> Result<Client> {
    let location = format!("L{}", number / 10);
    let login = Login { clean: false, read_bytes: 1 << 10, ..Login::edge(&location, number) };
    let mut client = Client::connect(&road, &login).await?;
    client.subscribe(&format!("store/{location}/customers/#")).await?;
    Ok(client)
}
