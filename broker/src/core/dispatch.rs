//! The way out of the lanes, and the probe that watches it.

use super::core::Core;
use super::failure::Failure;
use crate::routing::message::{Draft, Lane};
use crate::routing::router::{Outlet, RouterDied};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

/// Messages after which other tasks get a turn.
const YIELD_EVERY: u32 = 64;
/// How often a probe is looked for at the end of its lane: a probe must cost the lanes nothing when all is well.
const PROBE_POLL: Duration = Duration::from_millis(20);

/// When the router is probed.
#[derive(Debug, Clone, Copy)]
pub struct ProbeTiming {
    /// The pause between two probes.
    pub every: Duration,
    /// How long a probe may take through all lanes.
    pub deadline: Duration,
}

/// A router that has died or is stuck is noticed within 10 s.
pub const PROBE_TIMING: ProbeTiming =
    ProbeTiming { every: Duration::from_secs(2), deadline: Duration::from_secs(6) };

/// Hands what comes out of a lane to the sessions, until the router dies.
pub async fn run(core: Arc<Core>, lane: Lane, mut outlet: Outlet, fail: watch::Sender<Option<Failure>>) {
    let mut count = 0;
    while let Ok(bytes) = outlet.next().await {
        if let Some(arrival) = core.lanes.arrived(lane, &bytes) {
            core.dispatch(&arrival);
            core.lanes.offered(lane, arrival.counter);
        }
        count += 1;
        if count % YIELD_EVERY == 0 {
            tokio::task::yield_now().await;
        }
    }
    // What cannot come out any more must not be confirmed either.
    core.lanes.close();
    report(&fail, Failure::RouterDied);
}

/// The first reason is the one that counts.
fn report(fail: &watch::Sender<Option<Failure>>, failure: Failure) {
    fail.send_if_modified(|reported| {
        let first = reported.is_none();
        reported.get_or_insert(failure);
        first
    });
}

/// Sends a probe through every lane and waits for it to come out.
pub async fn probe(core: Arc<Core>, timing: ProbeTiming, fail: watch::Sender<Option<Failure>>) {
    loop {
        let failure = match timeout(timing.deadline, probe_once(&core)).await {
            Ok(Ok(())) => {
                sleep(timing.every).await;
                continue;
            }
            Ok(Err(RouterDied)) => Failure::RouterDied,
            Err(_) => Failure::RouterStuck,
        };
        report(&fail, failure);
        return;
    }
}

async fn probe_once(core: &Core) -> Result<(), RouterDied> {
    for lane in Lane::all() {
        let sent = core.lanes.publish(Draft::probe(lane)).await?;
        while core.lanes.dispatched()[lane.index()] < sent.counter {
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
    use crate::codec::packet::{MqttVersion, Options, QoS};
    use crate::codec::properties::Properties;
    use crate::core::core::{SessionRequest, Start};
    use crate::limits::Limits;
    use crate::routing::filter::Filter;
    use crate::routing::lane::{Arrival, Lanes};
    use crate::routing::message::Message;
    use crate::routing::router;
    use crate::session::state::{Filled, Lifetime};
    use crate::session::write_buffer::WriteBuffer;
    use tokio::time::Instant;

    struct NoLogins;

    impl Login for NoLogins {
        fn login(&self, _: Credentials) -> LoginFuture<'_> {
            Box::pin(async { Err(Refused::BadLogin) })
        }
    }

    fn core(limits: Limits) -> (Arc<Core>, Vec<Outlet>) {
        let (inlets, outlets) = router::start().unwrap().into_iter().unzip();
        let lanes = Lanes::new(inlets, limits.retained, limits.clears);
        (Arc::new(Core::new(lanes, limits, Arc::new(NoLogins))), outlets)
    }

    async fn failure(mut failure: watch::Receiver<Option<Failure>>) -> Option<Failure> {
        let failed = timeout(Duration::from_secs(10), failure.wait_for(Option::is_some)).await;
        failed.unwrap().unwrap().clone()
    }

    #[tokio::test]
    async fn a_dead_router_is_reported_by_the_lanes_and_by_the_probe() {
        let (core, mut outlets) = core(Limits::default());
        let (fail, died) = watch::channel(None);
        let (probe_fail, probed) = watch::channel(None);
        assert!(
            core.publish(Draft::message("a", b"", QoS::One, false, &Properties::default())).await.is_ok()
        );
        tokio::spawn(run(Arc::clone(&core), Lane::of_topic("a"), outlets.remove(0), fail));
        core.lanes.kill_router();
        assert_eq!(failure(died).await, Some(Failure::RouterDied));
        assert!(
            core.publish(Draft::message("a", b"", QoS::One, false, &Properties::default())).await.is_err()
        );
        let timing = ProbeTiming { every: Duration::ZERO, deadline: Duration::from_secs(5) };
        tokio::spawn(probe(core, timing, probe_fail));
        assert_eq!(failure(probed).await, Some(Failure::RouterDied));
    }

    #[tokio::test]
    async fn a_router_that_passes_nothing_on_is_reported_by_the_probe() {
        let (core, _outlets) = core(Limits::default());
        let (fail, failed) = watch::channel(None);
        let timing = ProbeTiming { every: Duration::ZERO, deadline: Duration::from_millis(100) };
        tokio::spawn(probe(core, timing, fail));
        assert_eq!(failure(failed).await, Some(Failure::RouterStuck));
    }

    #[tokio::test]
    async fn a_session_ends_when_messages_are_missing_or_it_has_expired() {
        let (core, _outlets) = core(Limits::default());
        let mut out = WriteBuffer::new(MqttVersion::V4, 0);
        let filter = Filter::plain("store/#", &core.limits).unwrap();
        for present in [false, true, false] {
            let request = SessionRequest {
                principal: &Principal::Website,
                client_id: "w",
                start: Start::Resume,
                lifetime: Lifetime::Lasting,
                receive_max: 10,
                login_started: Instant::now(),
            };
            let opened = core.open_session(request).await;
            let Ok(opened) = opened else { panic!("not opened") };
            assert_eq!(opened.present, present);
            let session = Arc::clone(&opened.owned.session);
            core.subscribe(&session, &filter, Options::of_qos(QoS::One)).unwrap();
            let message = Message::sample("store/b", "x", QoS::One, false, 7);
            core.dispatch(&Arrival { message: Some(message), counter: 7, gap: false });
            assert_eq!(core.fill(&session, &mut out), Filled::Enough);
            if present {
                core.dispatch(&Arrival { message: None, counter: 9, gap: true });
                assert_eq!(core.fill(&session, &mut out), Filled::Over);
            }
            core.connection_ended(opened.owned, Duration::from_secs(60));
        }
        assert_eq!((core.counters().sessions, core.counters().sessions_lost), (1, 1));
        core.expire_old(Instant::now() + Duration::from_secs(59));
        assert_eq!(core.counters().sessions, 1);
        core.expire_old(Instant::now() + Duration::from_secs(61));
        assert_eq!((core.counters().sessions, core.counters().sessions_expired), (0, 1));
    }
}
