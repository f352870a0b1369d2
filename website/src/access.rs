//! The commands about who may come in: people at the pages and over MQTT, programs at the HTTP API.

use crate::{App, Settings, cli::say, mqtt_login, random, web};
use anyhow::Context;
use clap::Subcommand;
use std::io::{IsTerminal, Read};

/// What can be asked for.
#[derive(Debug, Subcommand)]
pub(crate) enum Access {
    /// People who may read view/ over MQTT.
    #[command(subcommand)]
    MqttUser(MqttUser),
    /// Programs that may use the HTTP API.
    #[command(subcommand)]
    Token(Token),
    /// People at the pages.
    #[command(subcommand)]
    Admin(Admin),
}

#[derive(Debug, Subcommand)]
pub(crate) enum MqttUser {
    /// Add a person, or give one a new password: the one on stdin, or without one there a new one, printed once.
    Add {
        /// The login name.
        name: String,
    },
    /// Name everybody who may.
    List,
    /// Take a login away, for good: no restored backup makes its password good again.
    Remove {
        /// The login name.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Token {
    /// Make a bearer token. It is printed once and stored hashed.
    Create {
        /// What it is for; the change log names it.
        name: String,
    },
    /// Name every token.
    List,
    /// Revoke a token, for good: no restored backup makes it good again.
    Revoke {
        /// What it was made for.
        name: String,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum Admin {
    /// Print a link that signs one browser in: once, within 24 hours.
    Link {
        /// The website's address as that browser reaches it.
        #[arg(long, env = "REGULARS_URL", default_value = "http://127.0.0.1:8080", value_name = "URL")]
        url: String,
    },
}

impl Access {
    /// Does it.
    pub(crate) async fn run(self, settings: Settings) -> anyhow::Result<()> {
        let app = App::open(settings).await?;
        match self {
            Access::MqttUser(MqttUser::Add { name }) => add(&app, &name).await,
            Access::MqttUser(MqttUser::List) => {
                mqtt_login::mqtt_users(&app).await?.iter().try_for_each(|name| say(name))
            }
            Access::MqttUser(MqttUser::Remove { name }) => {
                mqtt_login::remove_mqtt_user(&app, &name).await?;
                say(&format!("removed {name}"))
            }
            Access::Token(Token::Create { name }) => say(&web::token::create(&app.db, &name).await?),
            Access::Token(Token::List) => {
                web::token::names(&app).await?.iter().try_for_each(|name| say(name))
            }
            Access::Token(Token::Revoke { name }) => {
                web::token::revoke(&app, &name).await?;
                say(&format!("revoked token {name}"))
            }
            Access::Admin(Admin::Link { url }) => {
                let path = web::login::new_link(&app.db).await?;
                say(&format!("{}{path}", url.trim_end_matches('/')))
            }
        }
    }
}

async fn add(app: &App, name: &str) -> anyhow::Result<()> {
    let stdin = std::io::stdin();
    let mut given = String::new();
    if !stdin.is_terminal() {
        stdin.lock().take(4096).read_to_string(&mut given).context("the password on stdin is not text")?;
    }
    match given.trim_end_matches(['\r', '\n']) {
        "" => {
            let password = random::token();
            mqtt_login::add_mqtt_user(app, name, &password).await?;
            say(&password)
        }
        password => Ok(mqtt_login::add_mqtt_user(app, name, password).await?),
    }
}
