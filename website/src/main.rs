//! The website and its command line.

use clap::Parser;
use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    website::cli::log_to_stderr();
    match website::cli::Cli::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("website: {error:#}");
            ExitCode::FAILURE
        }
    }
}
