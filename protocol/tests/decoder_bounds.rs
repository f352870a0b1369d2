//! Any bytes decode to a value or an error, never a panic, and never allocate beyond what really arrived.
//!
//! One test in a file of its own: the allocator counts for the whole process, and tests run side by side.
#![allow(clippy::unwrap_used)]

mod samples;

use proptest::prelude::*;
use protocol::{codec::Message, message::*};
use samples::*;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};
use std::alloc::System;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Decodes `bytes` as every kind of message and checks what it cost and that a value survives.
fn decode_as_everything(bytes: &[u8]) {
    fn one<M: Message + PartialEq + std::fmt::Debug>(bytes: &[u8]) {
        let region = Region::new(ALLOCATOR);
        let read = M::decode(bytes);
        let used = region.change().bytes_allocated;
        // A decoded value is larger than its bytes (a roster row of 11 bytes is 40 in memory, in a vector that
        // doubles), but only by a factor; a claimed length allocates nothing.
        assert!(used <= 16 * bytes.len() + 9 * 1024, "{used} bytes allocated for {}", bytes.len());
        if let Ok(message) = read {
            assert_eq!(M::decode(&message.encode()).unwrap(), message);
        }
    }
    one::<Change>(bytes);
    one::<SignedHead>(bytes);
    one::<Inbox>(bytes);
    one::<Report>(bytes);
    one::<Visit>(bytes);
}

fn a_claimed_length_allocates_nothing() {
    let huge = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01];
    for start in [&[0][..], &[0, 0], &[0, 1], &[0, 2, 5, 5], &[0, 3], &[0, 0, 5, 5, 5, 0, 1]] {
        decode_as_everything(&[start, &huge].concat());
        decode_as_everything(&[start, &huge[..8], &[0x7f; 64]].concat());
    }
}

fn encodings() -> Vec<Vec<u8>> {
    let mut all = vec![live().encode(), merged().encode(), signed_head().encode()];
    all.extend(inboxes().iter().map(Message::encode));
    all.extend(reports().iter().map(Message::encode));
    all.extend(visits().iter().map(Message::encode));
    all
}

#[test]
fn any_bytes_are_a_value_or_an_error_at_a_bounded_cost() {
    a_claimed_length_allocates_nothing();
    let cases = ProptestConfig::with_cases(2000);
    let any_bytes = prop::collection::vec(any::<u8>(), 0..2048);
    proptest!(cases.clone(), |(mut bytes in any_bytes, versioned: bool)| {
        if versioned {
            bytes.insert(0, 0);
        }
        decode_as_everything(&bytes);
    });
    let messages = encodings();
    proptest!(cases, |(which: prop::sample::Index, at: prop::sample::Index, byte: u8, cut: prop::sample::Index)| {
        let mut bytes = which.get(&messages).clone();
        *at.get_mut(&mut bytes) = byte;
        decode_as_everything(&bytes);
        decode_as_everything(&bytes[..cut.index(bytes.len())]);
    });
}
