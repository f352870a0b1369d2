//! The way out of the lanes, and the probe that watches it.

use super::core::Door;
use super::failure::Failure;
use crate::routing::message::{Draft, Lane};
use crate::routing::router::{Dead, Outlet};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Messages after which other tasks get a turn.
const TURN: u32 = 64;
/// How often it is looked whether a sign of life has come out: a probe must cost the lanes nothing when all is well.
const PROBE_POLL: Duration = Duration::from_millis(20);

/// How the router is probed.
#[derive(Debug, Clone, Copy)]
pub struct Rhythm {
    /// The rest between two probes.
    pub every: Duration,
    /// How long a probe may take through all lanes.
    pub deadline: Duration,
}

/// A router that has died or is stuck is noticed within 10 s.
pub const RHYTHM: Rhythm = Rhythm { every: Duration::from_secs(2), deadline: Duration::from_secs(6) };

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
    // What cannot come out any more must not be confirmed either.
    door.lanes.close();
    tell(&fail, Failure::RouterDied);
}

/// The first reason is the one that counts.
fn tell(fail: &watch::Sender<Option<Failure>>, failure: Failure) {
    fail.send_if_modified(|told| {
        let first = told.is_none();
        told.get_or_insert(failure);
        first
    });
}

/// Sends a sign of life through every lane and waits for it to come out.
pub async fn probe(door: Arc<Door>, rhythm: Rhythm, fail: watch::Sender<Option<Failure>>) {
    loop {
        let failure = match timeout(rhythm.deadline, probe_once(&door)).await {
            Ok(Ok(())) => {
                sleep(rhythm.every).await;
                continue;
            }
            Ok(Err(Dead)) => Failure::RouterDied,
            Err(_) => Failure::RouterStuck,
        };
        tell(&fail, failure);
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::auth::credentials::{Credentials, Refused};
    use crate::auth::login::{Login, LoginFuture};
    use crate::auth::principal::Principal;
    use crate::codec::packet::{Dialect, Options, QoS};
    use crate::codec::properties::Properties;
    use crate::core::core::{Coming, Start};
    use crate::limits::Limits;
    use crate::routing::filter::Filter;
    use crate::routing::lane::{Arrival, Lanes};
    use crate::routing::message::Message;
    use crate::routing::router;
    use crate::session::state::{Filled, Lifetime};
    use crate::session::write_buffer::Outbox;
    use tokio::time::Instant;

    struct Nobody;

    impl Login for Nobody {
        fn login(&self, _: Credentials) -> LoginFuture<'_> {
            Box::pin(async { Err(Refused::BadLogin) })
        }
    }

    fn door(limits: Limits) -> (Arc<Door>, Vec<Outlet>) {
        let (inlets, outlets) = router::start().unwrap().into_iter().unzip();
        let lanes = Lanes::new(inlets, limits.retained, limits.clears);
        (Arc::new(Door::new(lanes, limits, Arc::new(Nobody))), outlets)
    }

    async fn failure(mut failure: watch::Receiver<Option<Failure>>) -> Option<Failure> {
        let failed = timeout(Duration::from_secs(10), failure.wait_for(Option::is_some)).await;
        failed.unwrap().unwrap().clone()
    }

    #[tokio::test]
    async fn a_dead_router_is_told_by_the_lanes_and_by_the_probe() {
        let (door, mut outlets) = door(Limits::default());
        let (fail, died) = watch::channel(None);
        let (probe_fail, probed) = watch::channel(None);
        assert!(
            door.publish(Draft::message("a", b"", QoS::One, false, &Properties::default())).await.is_ok()
        );
        tokio::spawn(run(Arc::clone(&door), Lane::of_topic("a"), outlets.remove(0), fail));
        door.lanes.kill_router();
        assert_eq!(failure(died).await, Some(Failure::RouterDied));
        assert!(
            door.publish(Draft::message("a", b"", QoS::One, false, &Properties::default())).await.is_err()
        );
        let rhythm = Rhythm { every: Duration::ZERO, deadline: Duration::from_secs(5) };
        tokio::spawn(probe(door, rhythm, probe_fail));
        assert_eq!(failure(probed).await, Some(Failure::RouterDied));
    }

    #[tokio::test]
    async fn a_router_that_passes_nothing_on_is_told_by_the_probe() {
        let (door, _nobody_reads) = door(Limits::default());
        let (fail, failed) = watch::channel(None);
        let rhythm = Rhythm { every: Duration::ZERO, deadline: Duration::from_millis(100) };
        tokio::spawn(probe(door, rhythm, fail));
        assert_eq!(failure(failed).await, Some(Failure::RouterStuck));
    }

    #[tokio::test]
    async fn a_session_ends_when_messages_are_missing_or_it_has_expired() {
        let (door, _outlets) = door(Limits::default());
        let mut out = Outbox::new(Dialect::Four, 0);
        let filter = Filter::plain("store/#", &door.limits).unwrap();
        for present in [false, true, false] {
            let coming = Coming {
                principal: &Principal::Website,
                client_id: "w",
                start: Start::Resume,
                lifetime: Lifetime::Lasting,
                receive_max: 10,
                asked: Instant::now(),
            };
            let entered = door.enter(coming).await;
            let Ok(entered) = entered else { panic!("not let in") };
            assert_eq!(entered.present, present);
            let session = Arc::clone(&entered.owned.session);
            door.subscribe(&session, &filter, Options::of_qos(QoS::One)).unwrap();
            let message = Message::sample("store/b", "x", QoS::One, false, 7);
            door.dispatch(&Arrival { message: Some(message), counter: 7, gap: false });
            assert_eq!(door.fill(&session, &mut out), Filled::Enough);
            if present {
                door.dispatch(&Arrival { message: None, counter: 9, gap: true });
                assert_eq!(door.fill(&session, &mut out), Filled::Over);
            }
            door.leave(entered.owned, Duration::from_secs(60));
        }
        assert_eq!((door.counters().sessions, door.counters().sessions_lost), (1, 1));
        door.expire_old(Instant::now() + Duration::from_secs(59));
        assert_eq!(door.counters().sessions, 1);
        door.expire_old(Instant::now() + Duration::from_secs(61));
        assert_eq!((door.counters().sessions, door.counters().sessions_expired), (0, 1));
    }
}
