//! An edge inside the test: the real daemon with its databases and its session, without a camera.

use crate::{Joined, Website};
use edge::{Answer, Edge, FaceVector, Grade, Identity, Notice, Space, Status, Thresholds};
use protocol::{EdgeId, FaceId, UnixMs};
use std::{collections::BTreeSet, path::Path, time::Duration};
use tempfile::TempDir;
use tokio::{runtime::Runtime, sync::broadcast};
use tokio_util::sync::CancellationToken;

/// A running edge, stopped when dropped.
pub struct Quiet {
    edge: Option<Edge>,
    identity: Identity,
    state: TempDir,
    // The last to go: the edge lives on it.
    runtime: Runtime,
}

impl Quiet {
    /// Joins a location and starts.
    #[track_caller]
    pub fn join(website: &Website, location: &str, name: &str) -> Self {
        Quiet::with(Joined::join(website, location, name).identity())
    }

    /// Starts an edge that has joined already.
    #[track_caller]
    pub fn with(identity: Identity) -> Self {
        let state = tempfile::tempdir().unwrap();
        identity.store(state.path()).unwrap();
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let mut quiet = Self { edge: None, identity, state, runtime };
        quiet.start();
        quiet
    }

    /// Starts it again on the state it has.
    pub fn start(&mut self) {
        let thresholds = Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 };
        let space = Space { id: crate::joined::SPACE.parse().unwrap(), dimension: 512, thresholds };
        let state = self.state.path().to_owned();
        let settings = edge::Settings { state, space, away: Duration::from_secs(60) };
        let started = self.runtime.block_on(edge::start(settings, CancellationToken::new()));
        self.edge = Some(started.unwrap());
    }

    /// Its id.
    pub fn id(&self) -> &EdgeId {
        &self.identity.edge
    }

    /// How it is.
    pub fn status(&self) -> Status {
        self.edge().status()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Notice> {
        self.edge().events()
    }

    /// Its state folder.
    pub fn state(&self) -> &Path {
        self.state.path()
    }

    /// Shows it a face.
    pub fn see(&self, vector: &[f32], at: UnixMs) -> Answer {
        let vector = FaceVector::from_output(vector).unwrap();
        self.runtime.block_on(self.edge().see(vector, Grade::Enrol, at)).unwrap()
    }

    /// Asks its live gallery.
    pub fn decide(&self, vector: &[f32]) -> Answer {
        self.edge().decide(vector).unwrap()
    }

    /// The faces in its cache, once it is stopped.
    pub fn faces(mut self) -> BTreeSet<FaceId> {
        self.rest();
        let cache = rusqlite::Connection::open(self.state.path().join("cache.db")).unwrap();
        let mut rows = cache.prepare("SELECT face_id FROM customers").unwrap();
        let faces = rows.query_map([], |row| row.get::<_, String>(0)).unwrap();
        faces.map(|face| face.unwrap().parse().unwrap()).collect()
    }

    /// Stops it as a shutdown does, keeping its state.
    pub fn rest(&mut self) {
        if let Some(edge) = self.edge.take() {
            self.runtime.block_on(edge.stop()).unwrap();
        }
    }

    /// Stops it for good.
    pub fn stop(mut self) {
        self.rest();
    }

    fn edge(&self) -> &Edge {
        self.edge.as_ref().unwrap()
    }
}

impl Drop for Quiet {
    fn drop(&mut self) {
        if let Some(edge) = self.edge.take() {
            let _ = self.runtime.block_on(edge.stop());
        }
    }
}
