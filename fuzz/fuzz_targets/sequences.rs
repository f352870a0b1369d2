//! Two clients at once that send anything in any order; a third must not notice, and a fourth must be served.
#![no_main]

use broker::fuzzing::Harness;
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;

thread_local! {
    static HARNESS: RefCell<Harness> = RefCell::new(Harness::new());
}

fuzz_target!(|script: &[u8]| HARNESS.with_borrow_mut(|harness| {
    harness.run_script(script);
    harness.assert_serving();
}));
