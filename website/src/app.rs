//! What every part of the website shares.

use crate::{
    counters::Counters,
    db::Db,
    edges::{Paces, Throttle},
    faces::SharedFaces,
    ledger::Ledger,
    marks::NewestMark,
    session::Link,
    settings::Settings,
    site_key,
};
use anyhow::Context;
use protocol::SigningKey;
use std::{
    fs,
    net::SocketAddr,
    os::unix::fs::DirBuilderExt,
    sync::{Arc, OnceLock, atomic::AtomicBool},
};
use tokio::sync::{Notify, watch};

/// What every part of the website shares: handles, no behaviour.
pub struct App {
    /// What it was told.
    pub settings: Settings,
    /// The database.
    pub db: Db,
    /// The key that signs heads.
    pub key: SigningKey,
    /// Removals, outside the database.
    pub ledger: Ledger,
    /// The date of the newest mark that was written beside the database.
    pub newest_mark: NewestMark,
    /// Nudges the publisher: a change is committed. Only a hint, the table is the truth.
    pub changed: Notify,
    /// Nudges the door: an edge is revoked. Only a hint, the table is the truth.
    pub revoked: Notify,
    /// Makes the daily VACUUM of the database file due: somebody was removed.
    pub erased: Notify,
    /// Whether the database's log still holds pages from before a removal.
    pub to_scrub: AtomicBool,
    /// Limits guesses at join codes.
    pub throttle: Throttle,
    /// Who a new face is most like.
    pub(crate) faces: SharedFaces,
    /// Limits how often each box that polls may ask.
    pub paces: Paces,
    /// What happened since the start.
    pub counters: Counters,
    /// Whether the website's own MQTT session is connected.
    pub connected: watch::Sender<bool>,
    /// The website's own MQTT session, once it is opened.
    pub(crate) link: OnceLock<Link>,
    /// The broker's address, once it is bound.
    pub mqtt: OnceLock<SocketAddr>,
    /// The way in for WebSockets, once the broker runs.
    pub gate: OnceLock<broker::WebSocketAcceptor>,
    /// The pages' address, once it is bound.
    pub http: OnceLock<SocketAddr>,
}

impl App {
    /// Opens the data folder and the database. Nothing runs and nothing listens yet.
    ///
    /// # Errors
    /// When the folder, the database or the signing key is not usable.
    pub async fn open(settings: Settings) -> anyhow::Result<Arc<App>> {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&settings.data)
            .with_context(|| format!("the data folder {} cannot be made", settings.data.display()))?;
        let db = Db::open(&settings.database()).await?;
        let key = site_key::open(&db, &settings.data).await?;
        Ok(Arc::new(App {
            ledger: Ledger::at(&settings.data),
            settings,
            db,
            key,
            newest_mark: NewestMark::default(),
            changed: Notify::new(),
            revoked: Notify::new(),
            erased: Notify::new(),
            // The website may have been killed between a removal and this.
            to_scrub: AtomicBool::new(true),
            throttle: Throttle::default(),
            faces: SharedFaces::default(),
            paces: Paces::default(),
            counters: Counters::default(),
            connected: watch::Sender::new(false),
            link: OnceLock::new(),
            mqtt: OnceLock::new(),
            gate: OnceLock::new(),
            http: OnceLock::new(),
        }))
    }

    /// Whether the website can do its work: the database answers and the broker is connected.
    pub async fn ready(&self) -> Result<(), &'static str> {
        if self.db.read().await.is_err() {
            return Err("the database does not answer");
        }
        if *self.connected.borrow() { Ok(()) } else { Err("the broker is not connected") }
    }
}
