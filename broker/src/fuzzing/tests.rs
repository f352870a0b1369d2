use super::harness::{Harness, log_in};
use super::{decode, script};
use crate::auth::principal::Principal;
use futures_util::FutureExt;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use std::cell::RefCell;

/// As many for each.
const CASES: u32 = 100_000;
/// Scripts after which the other clients are checked.
const ROUND: u32 = 1_000;

/// First bytes that clients send, so that more than a first look is taken at what follows.
const FIRST: [u8; 16] =
    [0x10, 0x30, 0x31, 0x32, 0x34, 0x3b, 0x40, 0x50, 0x62, 0x70, 0x82, 0xa2, 0xc0, 0xe0, 0xf0, 0x20];

fn runner(cases: u32) -> TestRunner {
    TestRunner::new(Config {
        failure_persistence: None,
        max_shrink_iters: 2_000,
        ..Config::with_cases(cases)
    })
}

/// Bytes out of few large numbers: drawn one by one they would take longer than what they are for.
fn bytes<const N: usize>() -> impl Strategy<Value = Vec<u8>>
where
    [u64; N]: Arbitrary,
{
    any::<[u64; N]>().prop_map(|words| words.into_iter().flat_map(u64::to_le_bytes).collect())
}

fn packets(mut bytes: Vec<u8>, fit: fn(usize, u8) -> u8) -> Vec<u8> {
    let (first, length) = (FIRST[usize::from(bytes[0] % 16)], usize::from(bytes[1]) % (bytes.len() - 2));
    let mut body = bytes.split_off(2);
    body.truncate(length);
    body.iter_mut().enumerate().for_each(|(at, byte)| *byte = fit(at, *byte));
    script::packet(first, &body).to_vec()
}

#[test]
fn any_bytes_are_packets_or_none() {
    let noise = bytes::<6>().prop_map(|bytes| packets(bytes, |_, byte| byte));
    let decoded = runner(CASES).run(&noise, |bytes| {
        decode(&bytes);
        Ok(())
    });
    decoded.unwrap();
}

/// In small numbers, with zeros where lengths begin, lengths and properties fit more often.
#[test]
fn bytes_that_are_nearly_packets_are_packets_or_none() {
    let small = bytes::<4>()
        .prop_map(|bytes| packets(bytes, |at, byte| if at < 6 && at % 2 == 0 { 0 } else { byte % 0x2a }));
    let decoded = runner(CASES).run(&small, |bytes| {
        decode(&bytes);
        Ok(())
    });
    decoded.unwrap();
}

/// A script is two sequences of packets at once.
#[test]
fn whatever_clients_do_in_any_order_harms_no_other_client() {
    let harness = RefCell::new((Harness::new(), 0));
    let visited = runner(CASES / 2).run(&bytes::<12>(), |script| {
        let (harness, visits) = &mut *harness.borrow_mut();
        harness.run_script(&script);
        *visits += 1;
        if *visits % ROUND == 0 {
            harness.assert_serving();
        }
        Ok(())
    });
    visited.unwrap();
    let (mut harness, _) = harness.into_inner();
    harness.assert_serving();
    let counters = harness.core.counters();
    assert!(counters.taken_over > 100, "{counters:?}");
    for (what, count) in [
        ("accepted", counters.let_in),
        ("malformed", counters.malformed),
        ("refused", counters.refused),
        ("published", counters.published),
        ("delivered", counters.delivered),
    ] {
        assert!(count > u64::from(CASES / 100), "{what}: the scripts reach this too seldom: {counters:?}");
    }
}

/// DISCONNECT and the next connection are there at the same moment, whichever the connection looks at first.
#[test]
fn a_disconnect_that_came_before_the_next_connection_counts() {
    let harness = Harness::new();
    let edge = Principal::Edge { location: "A".parse().unwrap(), edge: "e1".parse().unwrap() };
    for round in 0..60 {
        let disconnects = round % 3 > 0;
        let before = harness.core.counters().published;
        harness.run(async {
            let (mut old, serving) = harness.client();
            let serving = tokio::spawn(serving);
            log_in(&mut old, "e1").await;
            let mut next = Box::pin(harness.core.sessions.own(&edge, "e1", &harness.core.limits, |_| {}));
            assert!(next.as_mut().now_or_never().is_none(), "the old connection is asked to leave");
            if disconnects {
                old.send(&script::packet(0xe0, &[])).await;
            }
            next.await.unwrap();
            serving.await.unwrap();
        });
        let wills = harness.core.counters().published - before;
        assert_eq!(wills, u64::from(!disconnects), "round {round}");
    }
}
