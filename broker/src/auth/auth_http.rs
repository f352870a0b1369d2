//! The auth service that is asked over HTTP about logins and rights: the request and answer shapes are those
//! of EMQX's HTTP authenticator and authoriser, so that one website serves either broker.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Questions asked at once; more wait.
const AT_ONCE: usize = 16;
/// From the question to its answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// The longest answer.
const ANSWER_BYTES: u64 = 64 << 10;
/// The longest list of names.
const REVOKED_BYTES: u64 = 1 << 20;

/// The URLs of the service, and the secret that proves who asks.
#[derive(Clone)]
pub struct AuthUrls {
    /// For logins.
    pub auth_url: String,
    /// For rights.
    pub acl_url: String,
    /// For users revoked of late; without it a revocation is noticed only when something is asked again.
    pub revoked_url: Option<String>,
    /// Sent as `authorization: Bearer SECRET`.
    pub secret: String,
}

/// The service.
pub struct AuthService {
    agent: ureq::Agent,
    places: AuthUrls,
    permits: Arc<Semaphore>,
}

/// Whether a login is good.
#[derive(Serialize)]
pub struct AuthQuestion<'a> {
    /// The name.
    pub username: &'a str,
    /// The password.
    pub password: &'a str,
    /// The client id.
    pub clientid: &'a str,
    /// Where the client connects from, without the port.
    pub peerhost: String,
}

/// Whether a user may do something.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct AclQuestion {
    /// The name.
    pub username: String,
    /// The client id.
    pub clientid: String,
    /// What.
    pub action: Verb,
    /// The topic, or the filter.
    pub topic: String,
    /// Whether the message is to be retained.
    pub retain: bool,
}

/// What the user wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// To publish.
    Publish,
    /// To subscribe.
    Subscribe,
}

/// The answer of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthAnswer {
    /// Yes; for a superuser it is also yes to whatever it wants to do.
    Allow(Superuser),
    /// No, or that it does not know.
    Deny,
}

/// Whether a user may do everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Superuser {
    /// It may: its rights are not asked about.
    Yes,
    /// Its rights are asked about.
    No,
}

/// There is no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// Nothing came.
    #[error("the service at {0} does not answer: {1}")]
    Unreachable(String, #[source] Box<ureq::Error>),
    /// Something else came.
    #[error("the service at {0} answered {1}: check its URL and the shared secret")]
    Status(String, u16),
    /// The process is ending.
    #[error("the broker is stopping")]
    Stopping,
}

#[derive(Deserialize)]
struct Revoked {
    revoked: Vec<String>,
}

#[derive(Deserialize)]
struct Answer {
    result: Outcome,
    #[serde(default)]
    is_superuser: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Allow,
    Deny,
    Ignore,
}

impl AuthService {
    /// A service that has not been asked yet.
    pub fn new(places: AuthUrls) -> AuthService {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(DEADLINE))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build();
        AuthService { agent: config.into(), places, permits: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Whether a login is good.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn auth(&self, question: &AuthQuestion<'_>) -> Result<AuthAnswer, NoAnswer> {
        self.ask(&self.places.auth_url, question).await
    }

    /// Whether a user may do something.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn acl(&self, question: &AclQuestion) -> Result<AuthAnswer, NoAnswer> {
        self.ask(&self.places.acl_url, question).await
    }

    /// The users revoked of late; none when the service has no URL for them.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn revoked(&self) -> Result<Vec<String>, NoAnswer> {
        let Some(url) = self.places.revoked_url.clone() else { return Ok(Vec::new()) };
        let (agent, proof) = (self.agent.clone(), format!("Bearer {}", self.places.secret));
        let asked = tokio::task::spawn_blocking(move || {
            let unreachable = |error| NoAnswer::Unreachable(url.clone(), Box::new(error));
            let mut response = agent.get(&url).header("authorization", proof).call().map_err(unreachable)?;
            match response.status().as_u16() {
                200 => {
                    let body = response.body_mut().with_config().limit(REVOKED_BYTES);
                    Ok(body.read_json::<Revoked>().map_err(unreachable)?.revoked)
                }
                status => Err(NoAnswer::Status(url.clone(), status)),
            }
        });
        asked.await.unwrap_or(Err(NoAnswer::Stopping))
    }

    /// The client blocks, so it has a thread of its own while it asks.
    async fn ask<Q: Serialize>(&self, url: &str, question: &Q) -> Result<AuthAnswer, NoAnswer> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.map_err(|_| NoAnswer::Stopping)?;
        let body = serde_json::to_vec(question).expect("texts are always JSON");
        let (agent, url) = (self.agent.clone(), url.to_owned());
        let proof = format!("Bearer {}", self.places.secret);
        let asked = tokio::task::spawn_blocking(move || {
            let answer = post(&agent, &url, &proof, &body);
            drop(permit);
            answer
        });
        asked.await.unwrap_or(Err(NoAnswer::Stopping))
    }
}

fn post(agent: &ureq::Agent, url: &str, proof: &str, body: &[u8]) -> Result<AuthAnswer, NoAnswer> {
    let unreachable = |error| NoAnswer::Unreachable(url.to_owned(), Box::new(error));
    let request = agent.post(url).header("authorization", proof).header("content-type", "application/json");
    let mut response = request.send(body).map_err(unreachable)?;
    match response.status().as_u16() {
        204 => Ok(AuthAnswer::Allow(Superuser::No)),
        200 => {
            let body = response.body_mut().with_config().limit(ANSWER_BYTES);
            let answer: Answer = body.read_json().map_err(unreachable)?;
            Ok(match (answer.result, answer.is_superuser) {
                (Outcome::Allow, true) => AuthAnswer::Allow(Superuser::Yes),
                (Outcome::Allow, false) => AuthAnswer::Allow(Superuser::No),
                (Outcome::Deny | Outcome::Ignore, _) => AuthAnswer::Deny,
            })
        }
        status => Err(NoAnswer::Status(url.to_owned(), status)),
    }
}
