//! The broker as a client sees it: what is retained, who is remembered, what has not been acknowledged. It may lose,
//! double and reorder what it carries, and forget everything.

use crate::letter::Down;
use protocol::{
    FaceId,
    message::{Change, Head},
};
use std::collections::BTreeMap;

/// One edge's session.
#[derive(Debug, Default, Clone)]
pub struct Session {
    /// Whether the broker remembers it.
    pub remembered: bool,
    /// Whether it is connected, and as which connection.
    pub connection: Option<u64>,
    /// Everything sent and not acknowledged, in order.
    pub pending: BTreeMap<u64, Down>,
}

/// The broker.
#[derive(Debug, Default)]
pub struct Broker {
    /// Retained changes.
    pub customers: BTreeMap<FaceId, Change>,
    /// The retained head.
    pub head: Option<Head>,
    /// The edges' sessions.
    pub sessions: Vec<Session>,
    letters: u64,
    connections: u64,
}

impl Broker {
    /// A broker that remembers nobody.
    pub fn new(edges: usize) -> Self {
        Self { sessions: vec![Session::default(); edges], ..Self::default() }
    }

    /// Keeps what is to be kept.
    pub fn retain(&mut self, letter: &Down) {
        match letter {
            Down::Change(change) => drop(self.customers.insert(change.face_id.clone(), change.clone())),
            Down::Cleared(face_id) => drop(self.customers.remove(face_id)),
            Down::Head(head) => self.head = Some(head.clone()),
            Down::Inbox(_) => {}
        }
    }

    /// Takes on a letter for an edge it remembers; the number under which it waits to be acknowledged.
    pub fn take_on(&mut self, edge: usize, letter: Down) -> Option<u64> {
        let session = &mut self.sessions[edge];
        session.remembered.then(|| {
            self.letters += 1;
            session.pending.insert(self.letters, letter);
            self.letters
        })
    }

    /// An edge connects. Answers with the numbers of what it is sent: what it missed, or everything retained.
    pub fn connect(&mut self, edge: usize) -> Vec<u64> {
        self.connections += 1;
        self.sessions[edge].connection = Some(self.connections);
        if !self.sessions[edge].remembered {
            self.sessions[edge].remembered = true;
            self.sessions[edge].pending.clear();
            let rows: Vec<Down> = self.customers.values().cloned().map(Down::Change).collect();
            for letter in rows.into_iter().chain(self.head.clone().map(Down::Head)) {
                self.take_on(edge, letter);
            }
        }
        self.sessions[edge].pending.keys().copied().collect()
    }

    /// Forgets everything and everybody.
    pub fn forget(&mut self) {
        (self.customers, self.head) = (BTreeMap::new(), None);
        self.sessions.iter_mut().for_each(|session| *session = Session::default());
    }
}
