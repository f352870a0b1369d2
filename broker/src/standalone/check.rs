//! `broker check`: are the settings good, and what do they allow?

use super::output::print_line;
use super::settings::file::{Role, Settings};
use crate::auth::access::may;
use crate::auth::action::Action;
use crate::auth::principal::{Principal, Scope};
use crate::auth::user::{Rights, User};
use crate::limits::Limits;
use crate::routing::topic::{check_filter, check_name};
use anyhow::{Context, bail};
use clap::{Subcommand, ValueEnum};
use parking_lot::RwLock;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

/// What to check.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The settings.
    #[arg(long, env = "REGULARS_BROKER_CONFIG", value_name = "FILE")]
    config: PathBuf,
    #[command(subcommand)]
    question: Option<Question>,
}

#[derive(Debug, Subcommand)]
enum Question {
    /// Whether a user of the settings may do that.
    May {
        /// The user's name.
        user: String,
        /// What.
        verb: Verb,
        /// The topic, or the filter.
        topic: String,
        /// The client id; without it the user's name.
        #[arg(long)]
        client_id: Option<String>,
        /// Whether the message is to be retained.
        #[arg(long)]
        retain: bool,
    },
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Verb {
    Publish,
    Subscribe,
}

/// Prints one line; the exit code is 0 for good and yes, 1 for no.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let settings = Settings::read(&args.config)?;
    let Some(Question::May { user, verb, topic, client_id, retain }) = &args.question else {
        let (users, rules) = (settings.users.len(), settings.policy.len());
        let others = if settings.http.is_some() {
            "a service is asked about others"
        } else {
            "nobody else may log in"
        };
        print_line(&format!("good: users {users}, rules {rules}; {others}"))?;
        return Ok(ExitCode::SUCCESS);
    };
    let Some(known) = settings.users.get(user) else {
        match settings.http {
            Some(_) => bail!("{user} is not in {}: only the service can tell", args.config.display()),
            None => bail!("{user} is not in {}: add a [[user]]", args.config.display()),
        }
    };
    let principal = match known.role {
        Role::Website => Principal::Website,
        Role::People => Principal::Ops { name: user.clone(), scope: Scope::All },
        Role::Rules => {
            let client_id = client_id.as_ref().unwrap_or(user).clone();
            let rights = Rights::Policy(Arc::new(RwLock::new(settings.policy)));
            Principal::User(User { name: user.clone(), client_id, rights })
        }
    };
    let yes = allowed(&principal, *verb, topic, *retain, &settings.limits)?;
    print_line(if yes { "yes" } else { "no" })?;
    Ok(if yes { ExitCode::SUCCESS } else { ExitCode::from(1) })
}

fn allowed(
    principal: &Principal,
    verb: Verb,
    topic: &str,
    retain: bool,
    limits: &Limits,
) -> anyhow::Result<bool> {
    let action = match verb {
        Verb::Publish => {
            check_name(topic, limits).with_context(|| format!("{topic} is no topic"))?;
            Action::Publish { topic, retain }
        }
        Verb::Subscribe => {
            check_filter(topic, limits).with_context(|| format!("{topic} is no filter"))?;
            Action::Subscribe { filter: topic }
        }
    };
    Ok(may(principal, action))
}
