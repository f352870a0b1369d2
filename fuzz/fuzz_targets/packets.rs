//! Any bytes, read as packets of MQTT 3.1.1 and 5.0.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| broker::fuzzing::decode(bytes));
