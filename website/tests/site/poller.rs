//! A box that polls, as one would write it: what it holds, and how it takes an answer in.

use crate::stage::{Stage, actor, add_location, location, space};
use protocol::{
    Embedding, FaceId, Name,
    message::{EnrolPolicy, Flag},
};
use std::{collections::BTreeMap, sync::Arc};
use website::{
    App,
    decide::poll::Told,
    edges::{self, Enlisted, SpaceChoice},
    polling::{self, Answer, Caller, Change, Poll},
    tables::customers,
};

/// Name, flag and face of everybody, by face.
pub type Held = BTreeMap<FaceId, (Name, Flag, Embedding)>;

pub struct Poller {
    pub is: Enlisted,
    pub held: Held,
    /// What it has, as it says so.
    pub since: String,
}

impl Poller {
    pub async fn new(app: &App, name: &str) -> Poller {
        let space = SpaceChoice::Given(space());
        let added = edges::add_polling(app, &location(), (name, ""), &space, &actor()).await;
        Poller { is: added.unwrap(), held: Held::new(), since: String::new() }
    }

    /// Asks, and takes nothing in.
    pub async fn ask(&self, app: &App, told: Told, limit: u32) -> Answer {
        let caller = Caller { edge: &self.is.edge, location: &self.is.location, space: &self.is.space };
        let poll = Poll { since: self.since.parse().unwrap(), told, limit };
        polling::poll(app, caller, &poll).await.unwrap()
    }

    /// Takes an answer in, by the letter of the contract.
    pub fn take(&mut self, changes: &[Change]) {
        for change in changes {
            match change {
                Change::Delete { face_id } => drop(self.held.remove(face_id)),
                Change::Create { face_id, name, flag, embedding } => {
                    let row = (name.clone(), *flag, embedding.clone());
                    self.held.insert(face_id.clone(), row);
                }
                Change::Update { face_id, name, flag } => {
                    let row = self.held.get_mut(face_id);
                    let row = row.unwrap_or_else(|| panic!("an update of {face_id}, whom it does not hold"));
                    row.1 = *flag;
                    if let Some(name) = name {
                        row.0 = name.clone();
                    }
                }
            }
        }
    }

    /// Asks for changes, takes them in, and asks from the answer on the next time.
    pub async fn poll(&mut self, app: &App, limit: u32) -> Answer {
        let answer = self.ask(app, Told::Changes, limit).await;
        self.take(&answer.changes);
        self.since = stamp(&answer);
        answer
    }

    /// Asks for removals, which it takes in.
    pub async fn poll_removals(&mut self, app: &App, limit: u32) -> Vec<String> {
        let answer = self.ask(app, Told::Removals, limit).await;
        self.take(&answer.changes);
        self.since = stamp(&answer);
        removed(&answer)
    }
}

/// A location with nobody, and a box there.
pub async fn opened(stage: &Stage) -> (Arc<App>, Poller) {
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Auto).await;
    let poller = Poller::new(&app, "till").await;
    (app, poller)
}

/// The time of an answer.
pub fn stamp(answer: &Answer) -> String {
    time(answer.stamp)
}

/// Seconds since 1970 as an answer has them.
pub fn time(stamp: i64) -> String {
    chrono::DateTime::from_timestamp(stamp, 0).unwrap().format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

/// Whom an answer tells to forget.
pub fn removed(answer: &Answer) -> Vec<String> {
    let gone = |change: &Change| match change {
        Change::Delete { face_id } => Some(face_id.to_string()),
        _ => None,
    };
    answer.changes.iter().filter_map(gone).collect()
}

/// Everybody there is.
pub async fn live(app: &App) -> Held {
    let mut tx = app.db.read().await.unwrap();
    let rows = customers::live_after(&mut tx, &location(), None, u32::MAX).await.unwrap();
    rows.into_iter()
        .map(|row| {
            let content = row.live().unwrap().content.clone();
            (row.face_id, (content.name, content.flag, content.embedding))
        })
        .collect()
}

/// Now, as a box reads it from its clock.
pub fn utc_now() -> chrono::DateTime<chrono::Utc> {
    chrono::DateTime::from_timestamp_millis(website::clock::now().0).unwrap()
}
