//! Two clients at once that say anything in any order; a third must not notice, and a fourth must be let in.
#![no_main]

use broker::fuzzing::House;
use libfuzzer_sys::fuzz_target;
use std::cell::RefCell;

thread_local! {
    static HOUSE: RefCell<House> = RefCell::new(House::new());
}

fuzz_target!(|script: &[u8]| HOUSE.with_borrow_mut(|house| {
    house.visit(script);
    house.is_well();
}));
