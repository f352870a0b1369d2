//! `broker.toml`: read completely, or refused with the file, the line and what to do.

use super::error::{BadSettings, Invalid};
use super::limits::LimitSettings;
use super::listeners::{ListenerEntry, ListenerSettings};
use crate::auth::auth_cache::CacheTimes;
use crate::auth::auth_http::AuthUrls;
use crate::auth::pattern::Pattern;
use crate::auth::policy::{Effect, Policy, Rule, Users, Verbs};
use crate::limits::Limits;
use crate::standalone::passwd;
use serde::Deserialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use toml::Spanned;

/// The content of the file.
pub struct Settings {
    /// Who may log in with a password of the file.
    pub users: HashMap<String, KnownUser>,
    /// What they may do.
    pub policy: Policy,
    /// The auth service to ask about others.
    pub http: Option<(AuthUrls, CacheTimes)>,
    /// Where to listen.
    pub listeners: Vec<ListenerSettings>,
    /// The limits.
    pub limits: Limits,
}

/// A user of the file.
#[derive(Clone, PartialEq, Eq)]
pub struct KnownUser {
    /// The argon2 hash.
    pub password: String,
    /// Where the rights come from.
    pub role: Role,
}

/// Where a user's rights come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The rules of the file.
    #[default]
    Rules,
    /// The topic contract: the website's.
    Website,
    /// The topic contract: those of people.
    People,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    listener: Vec<ListenerEntry>,
    #[serde(default)]
    user: Vec<UserEntry>,
    #[serde(default)]
    rule: Vec<RuleEntry>,
    http: Option<HttpEntry>,
    #[serde(default)]
    limits: LimitSettings,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UserEntry {
    name: Spanned<String>,
    password: Spanned<String>,
    #[serde(default, rename = "as")]
    role: Role,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RuleEntry {
    effect: Effect,
    action: Verbs,
    users: Option<Vec<Spanned<String>>>,
    filter: Spanned<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HttpEntry {
    auth_url: Spanned<String>,
    acl_url: Spanned<String>,
    secret_file: Spanned<PathBuf>,
    #[serde(default = "fresh_s")]
    fresh_s: Spanned<u64>,
    #[serde(default = "stale_s")]
    stale_s: Spanned<u64>,
    revoked_url: Option<Spanned<String>>,
}

fn fresh_s() -> Spanned<u64> {
    Spanned::new(0..0, 60)
}

fn stale_s() -> Spanned<u64> {
    Spanned::new(0..0, 3600)
}

impl Settings {
    /// Reads the file.
    ///
    /// # Errors
    /// When it cannot be read, or is not valid.
    pub fn read(file: &Path) -> Result<Settings, BadSettings> {
        let unreadable = |error| BadSettings::Unreadable { file: file.to_owned(), error };
        let text = std::fs::read_to_string(file).map_err(unreadable)?;
        Settings::parse(&text, file).map_err(|Invalid(span, what)| BadSettings::Invalid {
            file: file.to_owned(),
            line: line(&text, span.start),
            what,
        })
    }

    /// Paths in the text are relative to the folder of `file`.
    fn parse(text: &str, file: &Path) -> Result<Settings, Invalid> {
        let parsed = toml::from_str(text);
        let File { listener, user, rule, http, limits } = parsed.map_err(|error: toml::de::Error| {
            let what = format!("{}; see the sample: broker config", error.message());
            Invalid(error.span().unwrap_or_default(), what)
        })?;
        let mut users = HashMap::new();
        for entry in user {
            let (span, name) = (entry.name.span(), entry.name.get_ref().clone());
            let known = entry.user(&name)?;
            if users.insert(name, known).is_some() {
                return Err(Invalid(span, "this user stands here twice: remove one of them".to_owned()));
            }
        }
        let rules = rule.into_iter().map(|entry| entry.rule(&users)).collect::<Result<_, _>>()?;
        let http = http.map(|entry| entry.urls(file)).transpose()?;
        if users.is_empty() && http.is_none() {
            let what = "nobody could log in: add a [[user]], or [http] to ask a service; see broker config";
            return Err(Invalid(0..0, what.to_owned()));
        }
        let folder = file.parent().unwrap_or(Path::new(""));
        let named_at = |at| format!("{}:{}: ", file.display(), line(text, at));
        let listeners = listener.into_iter().map(|entry| entry.read(folder, named_at));
        let listeners = listeners.collect::<Result<_, _>>()?;
        Ok(Settings { users, policy: Policy::new(rules), http, listeners, limits: limits.into_limits() })
    }
}

/// The number of the line, from 1, that this byte stands on.
fn line(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|byte| *byte == b'\n').count()
}

impl UserEntry {
    fn user(self, name: &str) -> Result<KnownUser, Invalid> {
        if name.is_empty() {
            return Err(Invalid(self.password.span(), "this user has no name: give one".to_owned()));
        }
        let span = self.password.span();
        let password = self.password.into_inner();
        if !passwd::is_hash(&password) {
            let what =
                "this is no argon2 hash: put there what broker passwd prints for the password on its stdin";
            return Err(Invalid(span, what.to_owned()));
        }
        Ok(KnownUser { password, role: self.role })
    }
}

impl RuleEntry {
    fn rule(self, known: &HashMap<String, KnownUser>) -> Result<Rule, Invalid> {
        let names = |names: Vec<Spanned<String>>| {
            let known = |name: Spanned<String>| match known.get(name.as_ref()) {
                Some(KnownUser { role: Role::Rules, .. }) => Ok(name.into_inner()),
                Some(_) => {
                    let what = "the rules are not asked about a user with `as`: remove the name here, or the `as` there";
                    Err(Invalid(name.span(), what.to_owned()))
                }
                None => {
                    let what =
                        format!("there is no [[user]] {:?}: add it, or remove the name here", name.as_ref());
                    Err(Invalid(name.span(), what))
                }
            };
            names.into_iter().map(known).collect::<Result<_, _>>()
        };
        let users = self.users.map(names).transpose()?.map_or(Users::All, Users::Named);
        let pattern: Result<Pattern, _> = self.filter.as_ref().parse();
        let pattern = pattern.map_err(|bad| Invalid(self.filter.span(), bad.to_string()))?;
        Ok(Rule { effect: self.effect, verbs: self.action, users, pattern })
    }
}

impl HttpEntry {
    fn urls(self, file: &Path) -> Result<(AuthUrls, CacheTimes), Invalid> {
        for url in [&self.auth_url, &self.acl_url].into_iter().chain(&self.revoked_url) {
            if !["http://", "https://"].iter().any(|scheme| url.as_ref().starts_with(scheme)) {
                return Err(Invalid(url.span(), "a URL begins with http:// or https://".to_owned()));
            }
        }
        if self.fresh_s.as_ref() > self.stale_s.as_ref() {
            let what =
                "stale_s must be at least fresh_s: answers stand in for a while when there is no newer one";
            return Err(Invalid(self.stale_s.span(), what.to_owned()));
        }
        let path = file.parent().unwrap_or(Path::new("")).join(self.secret_file.as_ref());
        let read = std::fs::read_to_string(&path);
        let secret = read.map_err(|error| {
            let what = format!("{} cannot be read: {error}; put the shared secret there", path.display());
            Invalid(self.secret_file.span(), what)
        })?;
        let secret = secret.trim().to_owned();
        if secret.len() < 16 || !secret.bytes().all(|byte| byte.is_ascii_graphic()) {
            let what =
                format!("{} must hold at least 16 letters, digits or signs, on one line", path.display());
            return Err(Invalid(self.secret_file.span(), what));
        }
        let (auth_url, acl_url) = (self.auth_url.into_inner(), self.acl_url.into_inner());
        let seconds = |seconds: Spanned<u64>| Duration::from_secs(seconds.into_inner());
        let keep = CacheTimes { fresh: seconds(self.fresh_s), stale: seconds(self.stale_s) };
        let revoked_url = self.revoked_url.map(Spanned::into_inner);
        Ok((AuthUrls { auth_url, acl_url, revoked_url, secret }, keep))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::standalone::cli::SAMPLE;
    use crate::standalone::settings::limits;

    fn wrong(text: &str) -> String {
        let Err(Invalid(span, what)) = Settings::parse(text, Path::new("/nowhere/broker.toml")) else {
            panic!("not refused: {text}")
        };
        format!("{}: {what}", 1 + text[..span.start].matches('\n').count())
    }

    #[test]
    fn the_sample_is_valid_and_gives_the_defaults() {
        let settings = Settings::parse(SAMPLE, Path::new("broker.toml")).ok().unwrap();
        assert_eq!((settings.users.len(), settings.policy.len()), (1, 3));
        assert_eq!(format!("{:?}", settings.limits), format!("{:?}", limits::defaults()));
        assert!(passwd::verify(b"change-this-password", &settings.users["till"].password));
        let all: String = SAMPLE
            .lines()
            .map(|line| match line.strip_prefix("# ") {
                Some(code)
                    if code.starts_with('[')
                        || code
                            .split(" = ")
                            .next()
                            .is_some_and(|word| word != code && !word.contains(' ')) =>
                {
                    format!("{code}\n")
                }
                _ => format!("{line}\n"),
            })
            .collect();
        assert!(
            wrong(&all).contains("no argon2 hash"),
            "the commented parts are settings too: {}",
            wrong(&all)
        );
    }

    #[test]
    fn a_bad_file_is_refused_with_its_line_and_a_remedy() {
        let hash = &Settings::parse(SAMPLE, Path::new("b")).ok().unwrap().users["till"].password;
        let user = format!("[[user]]\nname = \"a\"\npassword = \"{hash}\"\n");
        let http = |rest: &str| {
            format!("[http]\nauth_url = \"http://a\"\nacl_url = \"http://a\"\nsecret_file = \"none\"\n{rest}")
        };
        for (text, expected) in [
            (String::new(), "1: nobody could log in"),
            ("\n\nx = ".to_owned(), "3: "),
            ("[[user]]\nnme = 1".to_owned(), "2: unknown field"),
            ("[[user]]\nname = \"a\"\npassword = \"plain\"".to_owned(), "3: this is no argon2 hash"),
            (format!("{user}{user}"), "5: this user stands here twice"),
            (format!("{user}[limits]\nconnection = 3"), "5: unknown field"),
            (format!("{user}[[rule]]\neffect = \"maybe\""), "5: unknown variant"),
            (
                format!("{user}[[rule]]\neffect = \"allow\"\naction = \"both\"\nfilter = \"a/x-%u\""),
                "7: `%u` and `%c` stand for whole levels",
            ),
            (
                format!(
                    "{user}[[rule]]\neffect = \"allow\"\naction = \"both\"\nusers = [\"b\"]\nfilter = \"a\""
                ),
                "7: there is no [[user]] \"b\"",
            ),
            (http("fresh_s = 9\nstale_s = 8"), "6: stale_s must be"),
            (http(""), "4: /nowhere/none cannot be read"),
            (http("").replace("http://a", "ftp://a"), "2: a URL begins"),
        ] {
            let line = wrong(&text);
            assert!(line.starts_with(expected), "{line}\nfor {text}");
        }
    }
}
