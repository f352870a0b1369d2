use super::*;
use crate::codec::packet::Options;
use crate::limits::Limits;
use crate::routing::retained::{Clears, Retained, Room, Wanted};
use crate::session::outgoing::Route;
use proptest::prelude::*;
use std::collections::HashMap;
use std::sync::Arc;

/// A lane with one subscriber of everything in it, without a router: what is published is dispatched when the
/// test says so.
struct Rig {
    map: Retained,
    backlog: Backlog,
    client: ClientState,
    counter: u64,
    transit: VecDeque<Arc<Message>>,
    dispatched: u64,
    got: Vec<Arc<Message>>,
}

const LANE: &str = "store/A";

fn live(message: Arc<Message>) -> Outgoing {
    Outgoing::live(message, &Options::of_qos(QoS::One), Route::Own)
}

impl Rig {
    fn new(messages_max: usize) -> Rig {
        let quota = Quota { queue_messages: messages_max, queue_bytes: 10_000, ..Limits::default().edge };
        Rig {
            map: Retained::new(1000),
            backlog: Backlog::new(&quota),
            client: ClientState::Connected,
            counter: 0,
            transit: VecDeque::new(),
            dispatched: 0,
            got: Vec::new(),
        }
    }

    fn publish(&mut self, topic: &str, payload: &str, qos: QoS, retain: bool) {
        self.counter += 1;
        let message = Message::sample(&format!("{LANE}/{topic}"), payload, qos, retain, self.counter);
        if retain {
            self.map.set(Arc::clone(&message), Room::Some);
        }
        self.transit.push_back(message);
    }

    fn dispatch(&mut self) -> Option<Offered> {
        let message = self.transit.pop_front()?;
        self.dispatched = message.counter;
        Some(self.backlog.offer(live(message), self.client))
    }

    fn dispatch_all(&mut self) -> Vec<Offered> {
        std::iter::from_fn(|| self.dispatch()).collect()
    }

    fn catch_up(&mut self) {
        let lane = Lane::of_topic(LANE).index();
        let missed = self.backlog.begin_catch_up();
        let wanted = Wanted {
            filter: "#",
            above: missed.above[lane],
            up_to: missed.up_to[lane],
            clears: Clears::Included,
        };
        let found = self.map.page(&wanted, None, usize::MAX).found;
        self.backlog.caught_up(found.into_iter().map(live).collect());
    }

    fn send(&mut self, count: usize) {
        for _ in 0..count {
            if self.backlog.is_behind() {
                self.catch_up();
            }
            let Some(Waiting::Message(outgoing)) = self.backlog.take_first() else { return };
            self.got.push(outgoing.message);
        }
    }

    fn go(&mut self, client: ClientState) {
        match (self.client, client) {
            (ClientState::Connected, ClientState::Disconnected) => {
                let mut dispatched = [0; LANES];
                dispatched[Lane::of_topic(LANE).index()] = self.dispatched;
                self.backlog.client_disconnected(&dispatched);
            }
            (ClientState::Disconnected, ClientState::Connected) => self.catch_up(),
            (ClientState::Connected, ClientState::Connected)
            | (ClientState::Disconnected, ClientState::Disconnected) => return,
        }
        self.client = client;
    }

    fn texts(&mut self) -> Vec<String> {
        let text = |m: Arc<Message>| String::from_utf8_lossy(&m.payload).into_owned();
        std::mem::take(&mut self.got).into_iter().map(text).collect()
    }
}

#[test]
fn a_month_away_costs_each_changed_topic_once() {
    let mut rig = Rig::new(100);
    rig.publish("customers/f1", "seen", QoS::One, true);
    rig.dispatch_all();
    rig.send(10);
    rig.go(ClientState::Disconnected);
    for beat in 0..5_000 {
        rig.publish("customers", &format!("beat {beat}"), QoS::One, true);
        rig.publish("customers/f2", &format!("change {beat}"), QoS::One, true);
    }
    rig.publish("edges/e1/inbox", "letter", QoS::One, false);
    rig.publish("customers/f1", "", QoS::One, true);
    assert!(rig.dispatch_all().iter().all(|offered| *offered != Offered::Lost));
    rig.go(ClientState::Connected);
    rig.send(10);
    assert_eq!(rig.texts(), ["seen", "beat 4999", "change 4999", "letter", ""]);
}

#[test]
fn what_waits_unsent_when_the_client_goes_is_not_lost_and_not_doubled() {
    let mut rig = Rig::new(100);
    for n in 0..4 {
        rig.publish(&format!("customers/f{n}"), &format!("r{n}"), QoS::One, true);
        rig.publish("edges/e1/inbox", &format!("q{n}"), QoS::One, false);
        rig.publish("edges/e1/inbox", &format!("once{n}"), QoS::Zero, false);
    }
    rig.dispatch_all();
    rig.send(4);
    rig.go(ClientState::Disconnected);
    rig.publish("customers/f1", "r1 again", QoS::One, true);
    rig.dispatch_all();
    rig.go(ClientState::Connected);
    rig.send(100);
    assert_eq!(rig.texts(), ["r0", "q0", "once0", "r1", "q1", "r2", "q2", "r3", "q3", "r1 again"][..]);
}

#[test]
fn a_queue_runs_over_by_messages_and_by_bytes_but_never_by_retained_ones() {
    let mut rig = Rig::new(3);
    for n in 0..100 {
        rig.publish("customers", &n.to_string(), QoS::One, true);
        rig.publish(&format!("customers/f{n}"), "x", QoS::One, true);
    }
    rig.dispatch_all();
    for qos in [QoS::One, QoS::One, QoS::One, QoS::Zero, QoS::One] {
        rig.publish("edges/e1/inbox", "x", qos, false);
    }
    use Offered::{Dropped, Lost, Queued};
    assert_eq!(rig.dispatch_all(), [Queued, Queued, Queued, Dropped, Lost]);
    let mut rig = Rig::new(1_000);
    for _ in 0..2 {
        rig.publish("edges/e1/inbox", &"x".repeat(6_000), QoS::One, false);
    }
    assert_eq!(rig.dispatch_all(), [Queued, Lost]);
}

#[derive(Debug, Clone)]
enum Act {
    Publish(u8, bool, bool),
    Dispatch(u8),
    Send(u8),
    Go(bool),
}

fn acts() -> impl Strategy<Value = Vec<Act>> {
    let act = prop_oneof![
        4 => (0..4_u8, any::<bool>(), prop::bool::weighted(0.2)).prop_map(|(t, r, e)| Act::Publish(t, r, e)),
        3 => (1..5_u8).prop_map(Act::Dispatch),
        3 => (1..5_u8).prop_map(Act::Send),
        1 => any::<bool>().prop_map(Act::Go),
    ];
    proptest::collection::vec(act, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3_000))]

    /// Whatever the order of events: in the end the client knows the last retained state of every topic, has
    /// every other message exactly once, has nothing twice, and each topic in its order.
    #[test]
    fn any_schedule_ends_with_everything_known(acts in acts(), queue in 1..6_usize) {
        // Room for all that is not retained; little for what is, so that it falls behind often.
        let mut rig = Rig::new(queue);
        rig.backlog.messages_max = queue;
        let mut letters = Vec::new();
        for act in acts {
            match act {
                Act::Publish(topic, retain, empty) => {
                    let payload = if empty { String::new() } else { rig.counter.to_string() };
                    if !retain && rig.backlog.own + rig.transit.len() >= queue {
                        continue;
                    }
                    rig.publish(&format!("t{topic}"), &payload, QoS::One, retain);
                    if !retain {
                        letters.push(rig.counter);
                    }
                }
                Act::Dispatch(count) => (0..count).for_each(|_| {
                    let _ = rig.dispatch();
                }),
                Act::Send(count) if rig.client == ClientState::Connected => rig.send(count.into()),
                Act::Send(_) => {}
                Act::Go(here) => rig.go(if here { ClientState::Connected } else { ClientState::Disconnected }),
            }
        }
        rig.go(ClientState::Connected);
        rig.dispatch_all();
        rig.send(1_000);
        let got: Vec<_> = rig.got.iter().map(|m| (m.topic().to_owned(), m.counter, m.retain)).collect();
        let mut last: HashMap<&str, u64> = HashMap::new();
        for (topic, counter, _) in &got {
            prop_assert!(last.insert(topic, *counter).is_none_or(|before| before < *counter), "{:?}", got);
        }
        let own: Vec<_> = got.iter().filter(|(_, _, retain)| !retain).map(|(_, counter, _)| *counter).collect();
        prop_assert_eq!(own, letters);
        let all = Wanted { filter: "#", above: 0, up_to: u64::MAX, clears: Clears::Included };
        for kept in rig.map.page(&all, None, usize::MAX).found {
            prop_assert!(
                got.iter().any(|(_, counter, _)| *counter == kept.counter), "{} was not sent", kept.topic()
            );
        }
    }
}
