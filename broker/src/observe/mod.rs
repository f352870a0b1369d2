//! What the broker tells about itself: counters, `$SYS` topics, refusals in the log; and the time it goes by.

pub mod clock;
pub mod counters;
pub mod denials;
pub mod sys;
