//! The stand-alone broker: the program around [`Broker`](crate::Broker), for whoever wants it as a process of its
//! own.

mod check;
mod cli;
mod decode;
mod logins;
mod metrics;
mod passwd;
mod places;
mod recheck;
mod reload;
mod serve;
mod settings;
mod settings_limits;
mod status;
mod systemd;
mod tail;

pub use cli::{Cli, log_to_stderr};
