//! The stand-alone broker and its command line.

use clap::Parser;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    broker::standalone::log_to_stderr();
    match broker::standalone::Cli::parse().run().await {
        Ok(code) => code,
        Err(error) => {
            eprintln!("broker: {error:#}");
            ExitCode::FAILURE
        }
    }
}
