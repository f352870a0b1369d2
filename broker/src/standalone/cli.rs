//! The command line.

use super::output::print_line;
use super::{check, passwd, serve, tail};
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// The commented settings that `broker config` prints.
pub const SAMPLE: &str = include_str!("sample.toml");

/// An MQTT broker.
#[derive(Debug, Parser)]
#[command(name = "broker", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve MQTT until stopped.
    Serve(serve::Args),
    /// Print commented settings to begin with.
    Config,
    /// Print the hash of the password on stdin, for the settings.
    Passwd,
    /// Check settings, and answer whether somebody may do something: exit code 0 for yes, 1 for no.
    Check(check::Args),
    /// Subscribe and print what comes, one line a message.
    Tail(tail::Args),
}

impl Cli {
    /// Does what the command line says.
    ///
    /// # Errors
    /// With one sentence that says what was refused and what to do.
    pub async fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Serve(args) => serve::run(args).await?,
            Command::Config => print_line(SAMPLE.trim_end())?,
            Command::Passwd => print_line(&passwd::hash_of_stdin()?)?,
            Command::Check(args) => return check::run(&args),
            Command::Tail(args) => tail::run(args).await?,
        }
        Ok(ExitCode::SUCCESS)
    }
}
