//! The stand-alone broker: the program around [`Broker`](crate::Broker), for those who run it as a process of its
//! own.

mod check;
mod cli;
mod logins;
mod metrics;
mod output;
mod passwd;
mod payload_view;
mod reload;
mod revocations;
mod serve;
mod settings;
mod status;
mod systemd;
mod tail;

pub use cli::Cli;
pub use output::log_to_stderr;
