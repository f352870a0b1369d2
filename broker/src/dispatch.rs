//! The way out of the lanes, and the probe that watches it.

use crate::broker::Failure;
use crate::door::Door;
use crate::message::{Draft, Lane};
use crate::router::{Dead, Outlet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Messages after which other tasks get a turn.
const TURN: u32 = 64;
/// How often the router is probed, and how long it may take to answer: together less than 10 s.
const PROBE_EVERY: Duration = Duration::from_secs(2);
const PROBE_DEADLINE: Duration = Duration::from_secs(6);
const PROBE_POLL: Duration = Duration::from_millis(20);

/// Hands what comes out of a lane to the sessions, until the router dies.
pub async fn run(door: Arc<Door>, lane: Lane, mut outlet: Outlet, fail: watch::Sender<Option<Failure>>) {
    let mut turn = 0;
    while let Ok(bytes) = outlet.next().await {
        if let Some(arrival) = door.lanes.arrived(lane, &bytes) {
            door.dispatch(&arrival);
            door.lanes.offered(lane, arrival.counter);
        }
        turn += 1;
        if turn % TURN == 0 {
            tokio::task::yield_now().await;
        }
    }
    fail.send_replace(Some(Failure::RouterDied));
}

/// Sends a sign of life through every lane and waits for it to come out.
pub async fn probe(door: Arc<Door>, fail: watch::Sender<Option<Failure>>) {
    loop {
        let failure = match timeout(PROBE_DEADLINE, probe_once(&door)).await {
            Ok(Ok(())) => {
                sleep(PROBE_EVERY).await;
                continue;
            }
            Ok(Err(Dead)) => Failure::RouterDied,
            Err(_) => Failure::RouterStuck,
        };
        fail.send_replace(Some(failure));
        return;
    }
}

async fn probe_once(door: &Door) -> Result<(), Dead> {
    for lane in Lane::all() {
        let sent = door.lanes.publish(Draft::probe(lane)).await?;
        while door.lanes.dispatched()[lane.index()] < sent.counter {
            sleep(PROBE_POLL).await;
        }
    }
    Ok(())
}
