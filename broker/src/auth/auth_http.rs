//! A service that is asked over HTTP who may connect and who may do what: the request and answer shapes are those
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

/// Where to ask, and how to prove that it is us.
#[derive(Clone)]
pub struct Places {
    /// Who may connect.
    pub auth_url: String,
    /// Who may do what.
    pub acl_url: String,
    /// Who has been shut out of late; without it that is noticed only when something is asked again.
    pub revoked_url: Option<String>,
    /// Sent as `authorization: Bearer SECRET`.
    pub secret: String,
}

/// The service.
pub struct Service {
    agent: ureq::Agent,
    places: Places,
    turns: Arc<Semaphore>,
}

/// Whether somebody may connect.
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

/// Whether somebody may do something.
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

/// What somebody wants to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// To publish.
    Publish,
    /// To subscribe.
    Subscribe,
}

/// What the service says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Yes; for a superuser it is also yes to whatever it wants to do.
    Allow(Superuser),
    /// No, or that it does not know.
    Deny,
}

/// Whether rights have to be asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Superuser {
    /// They have not.
    Yes,
    /// They have.
    No,
}

/// There is no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum Silent {
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

impl Service {
    /// A service that has not been asked yet.
    pub fn new(places: Places) -> Service {
        let config = ureq::Agent::config_builder()
            .timeout_global(Some(DEADLINE))
            .http_status_as_error(false)
            .max_redirects(0)
            .proxy(None)
            .build();
        Service { agent: config.into(), places, turns: Arc::new(Semaphore::new(AT_ONCE)) }
    }

    /// Whether somebody may connect.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn auth(&self, question: &AuthQuestion<'_>) -> Result<Verdict, Silent> {
        self.ask(&self.places.auth_url, question).await
    }

    /// Whether somebody may do something.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn acl(&self, question: &AclQuestion) -> Result<Verdict, Silent> {
        self.ask(&self.places.acl_url, question).await
    }

    /// The names that have been shut out of late; none when the service is not one that tells.
    ///
    /// # Errors
    /// When there is no usable answer.
    pub async fn revoked(&self) -> Result<Vec<String>, Silent> {
        let Some(url) = self.places.revoked_url.clone() else { return Ok(Vec::new()) };
        let (agent, proof) = (self.agent.clone(), format!("Bearer {}", self.places.secret));
        let asked = tokio::task::spawn_blocking(move || {
            let unreachable = |error| Silent::Unreachable(url.clone(), Box::new(error));
            let mut response = agent.get(&url).header("authorization", proof).call().map_err(unreachable)?;
            match response.status().as_u16() {
                200 => {
                    let body = response.body_mut().with_config().limit(REVOKED_BYTES);
                    Ok(body.read_json::<Revoked>().map_err(unreachable)?.revoked)
                }
                status => Err(Silent::Status(url.clone(), status)),
            }
        });
        asked.await.unwrap_or(Err(Silent::Stopping))
    }

    /// The client blocks, so it has a thread of its own while it asks.
    async fn ask<Q: Serialize>(&self, url: &str, question: &Q) -> Result<Verdict, Silent> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| Silent::Stopping)?;
        let body = serde_json::to_vec(question).expect("texts are always JSON");
        let (agent, url) = (self.agent.clone(), url.to_owned());
        let proof = format!("Bearer {}", self.places.secret);
        let asked = tokio::task::spawn_blocking(move || {
            let verdict = post(&agent, &url, &proof, &body);
            drop(turn);
            verdict
        });
        asked.await.unwrap_or(Err(Silent::Stopping))
    }
}

fn post(agent: &ureq::Agent, url: &str, proof: &str, body: &[u8]) -> Result<Verdict, Silent> {
    let unreachable = |error| Silent::Unreachable(url.to_owned(), Box::new(error));
    let request = agent.post(url).header("authorization", proof).header("content-type", "application/json");
    let mut response = request.send(body).map_err(unreachable)?;
    match response.status().as_u16() {
        204 => Ok(Verdict::Allow(Superuser::No)),
        200 => {
            let body = response.body_mut().with_config().limit(ANSWER_BYTES);
            let answer: Answer = body.read_json().map_err(unreachable)?;
            Ok(match (answer.result, answer.is_superuser) {
                (Outcome::Allow, true) => Verdict::Allow(Superuser::Yes),
                (Outcome::Allow, false) => Verdict::Allow(Superuser::No),
                (Outcome::Deny | Outcome::Ignore, _) => Verdict::Deny,
            })
        }
        status => Err(Silent::Status(url.to_owned(), status)),
    }
}
