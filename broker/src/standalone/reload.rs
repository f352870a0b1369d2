//! SIGHUP: users, rules and certificates are read again, and clients that lose access by that are disconnected.

use super::logins::Logins;
use super::settings::file::Settings;
use super::settings::listeners::ListenerSettings;
use crate::auth::principal::Principal;
use crate::auth::user::{Rights, User};
use crate::broker::Broker;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::signal::unix::Signal;

/// What can change while the broker runs.
pub struct Changing {
    /// The settings.
    pub file: PathBuf,
    /// The logins.
    pub logins: Arc<Logins>,
    /// Where the broker listens, for the certificates.
    pub listeners: Vec<ListenerSettings>,
}

impl Changing {
    /// Reads everything again at every signal. What cannot be read changes nothing.
    pub async fn run(&self, broker: &Broker, mut hangup: Signal) {
        while hangup.recv().await.is_some() {
            match Settings::read(&self.file) {
                Ok(settings) => self.apply(settings, broker),
                Err(error) => tracing::error!("the settings stay as they were: {error}"),
            }
        }
    }

    fn apply(&self, settings: Settings, broker: &Broker) {
        let gone = self.logins.change(settings);
        gone.iter().for_each(|principal| broker.kick(principal));
        let mut fewer_rights = 0;
        for (name, client_id, filters) in broker.users() {
            if !filters.iter().all(|filter| self.logins.may_still(&name, &client_id, filter)) {
                broker.kick(&Principal::User(User { name, client_id, rights: Rights::Open }));
                fewer_rights += 1;
            }
        }
        for listener in &self.listeners {
            if let Err(error) = listener.renew() {
                tracing::error!("the certificate stays as it was: {error}");
            }
        }
        tracing::info!(
            shut_out = gone.len(),
            fewer_rights,
            "users, rules and certificates were read again; everything else counts from the next start"
        );
    }
}
