//! From one client to another and back, QoS 1 both ways, one message at a time. Both are the website, whose
//! publishing our broker does not slow down.

use super::FILLING;
use crate::arena::{Arena, Contestant};
use crate::mqtt::{Client, Login, Retain, publish};
use crate::row::{Row, Want, percentile};
use anyhow::Result;
use std::time::Instant;
use tokio::task::AbortHandle;

const WARM_UP: usize = 300;
const ROUND_TRIPS: usize = 3_000;
const THERE: &str = "store/echo/edges/there/inbox";
const BACK: &str = "store/echo/edges/back/inbox";

/// Half and 99 % of the round trips take no longer.
pub async fn measure(arena: &Arena) -> Result<Vec<Row>> {
    let mut half = Row::new("echo there and back, 600 B, QoS 1: p50", "ms", Want::TimesAtMost(2.0));
    let mut most = Row::new("echo there and back, 600 B, QoS 1: p99", "ms", Want::Stated);
    let contestants = arena.start().await?;
    let mut pairs = Vec::new();
    for contestant in &contestants {
        pairs.push((contestant.name, Pair::open(contestant).await?));
    }
    for _ in 0..arena.samples {
        for (name, pair) in &mut pairs {
            let times = pair.sample().await?;
            percentile(&times, 0.5).into_iter().for_each(|value| half.add(*name, value));
            percentile(&times, 0.99).into_iter().for_each(|value| most.add(*name, value));
        }
    }
    Ok(vec![half, most])
}

struct Pair {
    website: Client,
    echoing: AbortHandle,
}

impl Pair {
    async fn open(contestant: &Contestant) -> Result<Pair> {
        let login = Login { client_id: "echo".to_owned(), ..Login::website() };
        let mut other = Client::connect(&contestant.plain, &login).await?;
        other.subscribe(THERE).await?;
        let mut website = Client::connect(&contestant.plain, &Login::website()).await?;
        website.subscribe(BACK).await?;
        let echoing = async move {
            // Ends with the connection.
            while let Ok(head) = other.message(super::head).await {
                publish(&mut other.out, BACK, 1, Retain::No, &head.to_be_bytes(), &FILLING);
                if other.flush().await.is_err() {
                    return;
                }
            }
        };
        Ok(Pair { website, echoing: tokio::task::spawn_local(echoing).abort_handle() })
    }

    async fn sample(&mut self) -> Result<Vec<f64>> {
        let mut times = Vec::with_capacity(ROUND_TRIPS);
        for number in 0..WARM_UP + ROUND_TRIPS {
            let began = Instant::now();
            publish(&mut self.website.out, THERE, 1, Retain::No, &(number as u64).to_be_bytes(), &FILLING);
            self.website.flush().await?;
            self.website.message(|_| ()).await?;
            if number >= WARM_UP {
                times.push(began.elapsed().as_secs_f64() * 1e3);
            }
        }
        Ok(times)
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.echoing.abort();
    }
}
