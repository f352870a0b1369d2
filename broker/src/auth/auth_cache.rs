//! The answers of the auth service about logins and rights. A fresh one is used without asking again; a stale one is
//! used while the service does not answer, so that its restart disconnects no client.

use super::action::Action;
use super::auth_http::{AclQuestion, AuthAnswer, AuthQuestion, AuthService, NoAnswer, Superuser, Verb};
use super::credentials::{Credentials, Refused};
use super::pattern::Subject;
use parking_lot::Mutex;
use sha2::{Digest, Sha256};
use std::collections::HashMap;
use std::hash::Hash;
use std::time::Duration;
use tokio::time::Instant;

/// Answers of each kind that are kept; when there are more, the older half goes.
const ANSWERS_MAX: usize = 200_000;
/// After a question without an answer, the old answer is used this long before the service is asked again.
const RETRY: Duration = Duration::from_secs(5);
/// Between two lines of the log about questions without an answer.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How long answers are used.
#[derive(Debug, Clone, Copy)]
pub struct CacheTimes {
    /// Without asking again. A revocation is noticed within this time.
    pub fresh: Duration,
    /// While the service does not answer.
    pub stale: Duration,
}

/// The auth service with its answers.
pub struct AuthCache {
    service: AuthService,
    times: CacheTimes,
    rights: Mutex<Answers<AclQuestion, bool>>,
    logins: Mutex<Answers<(String, [u8; 32]), Superuser>>,
    /// Passwords are kept only as a hash that means nothing outside of this process.
    salt: [u8; 32],
    /// When it was logged last that the service does not answer.
    last_logged: Mutex<Option<Instant>>,
}

struct Answers<Q, A>(HashMap<Q, Answer<A>>);

#[derive(Clone, Copy)]
struct Answer<A> {
    answer: A,
    given: Instant,
    /// When it was asked for last.
    asked: Instant,
}

impl AuthCache {
    /// An empty cache. `salt` is random.
    pub fn new(service: AuthService, times: CacheTimes, salt: [u8; 32]) -> AuthCache {
        let (rights, logins) = (Answers(HashMap::new()), Answers(HashMap::new()));
        AuthCache {
            service,
            times,
            rights: Mutex::new(rights),
            logins: Mutex::new(logins),
            salt,
            last_logged: Mutex::new(None),
        }
    }

    /// Whether the service has allowed that, as far as is known. Asks nothing.
    pub fn may(&self, subject: Subject<'_>, action: Action<'_>) -> bool {
        let question = question(subject, action);
        self.rights.lock().usable(&question, self.times.stale, Instant::now()).unwrap_or(false)
    }

    /// Whether the service has to be asked about that.
    pub fn must_ask(&self, subject: Subject<'_>, action: Action<'_>) -> bool {
        self.rights.lock().is_due(&question(subject, action), self.times.fresh, Instant::now())
    }

    /// Asks the service about that, if it has to be. `Some` when it has answered just now.
    pub async fn ask(&self, subject: Subject<'_>, action: Action<'_>) -> Option<bool> {
        let question = question(subject, action);
        if !self.rights.lock().is_due(&question, self.times.fresh, Instant::now()) {
            return None;
        }
        match self.service.acl(&question).await {
            Ok(answer) => {
                let allowed = answer != AuthAnswer::Deny;
                self.rights.lock().put(question, allowed, Instant::now());
                Some(allowed)
            }
            Err(no_answer) => {
                self.log_no_answer("a right", &no_answer);
                self.rights.lock().note_unanswered(&question, Instant::now());
                None
            }
        }
    }

    /// Whether a login is good. One that was refused is asked about again every time.
    ///
    /// # Errors
    /// `BadLogin` when the service says no, `Unavailable` when it does not answer and no answer is cached.
    pub async fn login(&self, name: &str, credentials: &Credentials) -> Result<Superuser, Refused> {
        let password = credentials.password.as_deref().unwrap_or_default();
        let key = self.key(name, password, &credentials.client_id);
        if !self.logins.lock().is_due(&key, self.times.fresh, Instant::now()) {
            let known = self.logins.lock().usable(&key, self.times.stale, Instant::now());
            return known.ok_or(Refused::Unavailable);
        }
        let question = AuthQuestion {
            username: name,
            password: std::str::from_utf8(password).map_err(|_| Refused::BadLogin)?,
            clientid: &credentials.client_id,
            peerhost: credentials.peer.ip().to_string(),
        };
        match self.service.auth(&question).await {
            Ok(AuthAnswer::Allow(superuser)) => {
                self.logins.lock().put(key, superuser, Instant::now());
                Ok(superuser)
            }
            Ok(AuthAnswer::Deny) => {
                self.logins.lock().0.remove(&key);
                Err(Refused::BadLogin)
            }
            Err(no_answer) => {
                self.log_no_answer("a login", &no_answer);
                let mut logins = self.logins.lock();
                logins.note_unanswered(&key, Instant::now());
                logins.usable(&key, self.times.stale, Instant::now()).ok_or(Refused::Unavailable)
            }
        }
    }

    /// The users that the service has revoked of late.
    pub async fn revoked(&self) -> Vec<String> {
        match self.service.revoked().await {
            Ok(names) => names,
            Err(no_answer) => {
                self.log_no_answer("who has been shut out", &no_answer);
                Vec::new()
            }
        }
    }

    /// Drops every answer about this name.
    pub fn forget(&self, name: &str) {
        self.rights.lock().0.retain(|question, _| question.username != name);
        self.logins.lock().0.retain(|(known, _), _| known != name);
    }

    /// However many questions have no answer, the log has a line now and then.
    fn log_no_answer(&self, what: &str, no_answer: &NoAnswer) {
        let (now, mut last_logged) = (Instant::now(), self.last_logged.lock());
        if last_logged.is_none_or(|last| now.duration_since(last) >= LOG_EVERY) {
            *last_logged = Some(now);
            tracing::warn!("{what} could not be asked for: {no_answer}");
        }
    }

    fn key(&self, name: &str, password: &[u8], client_id: &str) -> (String, [u8; 32]) {
        let mut hash = Sha256::new();
        hash.update(self.salt);
        for part in [password, client_id.as_bytes()] {
            hash.update((part.len() as u64).to_be_bytes());
            hash.update(part);
        }
        (name.to_owned(), hash.finalize().into())
    }
}

fn question(subject: Subject<'_>, action: Action<'_>) -> AclQuestion {
    let (verb, topic, retain) = match action {
        Action::Publish { topic, retain } => (Verb::Publish, topic, retain),
        Action::Subscribe { filter } => (Verb::Subscribe, filter, false),
    };
    AclQuestion {
        username: subject.user.to_owned(),
        clientid: subject.client_id.to_owned(),
        action: verb,
        topic: topic.to_owned(),
        retain,
    }
}

impl<Q: Hash + Eq, A: Copy> Answers<Q, A> {
    fn usable(&self, question: &Q, stale: Duration, now: Instant) -> Option<A> {
        let known = self.0.get(question)?;
        (now.duration_since(known.given) < stale).then_some(known.answer)
    }

    fn is_due(&self, question: &Q, fresh: Duration, now: Instant) -> bool {
        let due = |known: &Answer<A>| {
            now.duration_since(known.given) >= fresh && now.duration_since(known.asked) >= RETRY.min(fresh)
        };
        self.0.get(question).is_none_or(due)
    }

    fn put(&mut self, question: Q, answer: A, now: Instant) {
        if self.0.len() >= ANSWERS_MAX {
            let mut ages: Vec<_> = self.0.values().map(|known| known.given).collect();
            let (_, median, _) = ages.select_nth_unstable(ANSWERS_MAX / 2);
            let median = *median;
            self.0.retain(|_, known| known.given > median);
        }
        self.0.insert(question, Answer { answer, given: now, asked: now });
    }

    fn note_unanswered(&mut self, question: &Q, now: Instant) {
        if let Some(known) = self.0.get_mut(question) {
            known.asked = now;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_fresh_then_stale_then_gone() {
        let (fresh, stale) = (Duration::from_secs(60), Duration::from_secs(600));
        let start = Instant::now();
        let mut answers = Answers(HashMap::new());
        assert!(answers.is_due(&1, fresh, start));
        answers.put(1, true, start);
        let look = |answers: &Answers<i32, bool>, now| {
            (answers.usable(&1, stale, now), answers.is_due(&1, fresh, now))
        };
        assert_eq!(look(&answers, start), (Some(true), false));
        assert_eq!(look(&answers, start + fresh), (Some(true), true));
        answers.note_unanswered(&1, start + fresh);
        assert_eq!(look(&answers, start + fresh), (Some(true), false), "the service is given a rest");
        assert_eq!(look(&answers, start + fresh + RETRY), (Some(true), true));
        assert_eq!(look(&answers, start + stale), (None, true));
        answers.put(1, false, start + stale);
        assert_eq!(look(&answers, start + stale), (Some(false), false));
    }

    #[test]
    fn answers_are_bounded_and_the_newer_ones_stay() {
        let (mut answers, start) = (Answers(HashMap::new()), Instant::now());
        for n in 0..=ANSWERS_MAX {
            answers.put(n, (), start + Duration::from_micros(n as u64));
        }
        assert!(answers.0.len() <= ANSWERS_MAX);
        assert!(answers.0.contains_key(&ANSWERS_MAX) && !answers.0.contains_key(&0));
    }
}
