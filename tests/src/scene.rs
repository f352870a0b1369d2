//! One website, one edge, four people who have come in: where a disk is about to fail.

use crate::{EdgeBox, Website, blind_models, blind_space, person, until};
use edge::{FaceVector, Status};
use protocol::SpaceId;
use serde_json::Value;
use std::{path::Path, thread};
use tempfile::TempDir;

/// The location of the scene.
pub const PLACE: &str = "oslo";

/// What is there. When it is dropped, nothing may be left over: see [`Scene::nothing_is_left`].
pub struct Scene {
    /// The website.
    pub site: Website,
    /// The edge.
    pub edge: EdgeBox,
    /// Sightings that the edge has answered for.
    pub shown: u64,
    space: SpaceId,
    _models: TempDir,
}

impl Scene {
    /// An edge that keeps its state in `state` and has seen persons 0 to 3.
    pub fn set(site: Website, state: &Path) -> Self {
        site.location(PLACE);
        let models = blind_models();
        let edge = EdgeBox::join_in(state, &site, PLACE, "door", models.path());
        let mut scene = Self { site, edge, shown: 0, space: blind_space(), _models: models };
        scene.edge.count_everybody(None);
        scene.in_step();
        (0..4).for_each(|n| scene.show(n));
        scene.in_step();
        scene
    }

    /// Shows the edge a person, which must count a visit.
    #[track_caller]
    pub fn show(&mut self, n: u64) {
        let shown = self.edge.show(&self.space, &person(n));
        assert!(shown.is_visit(), "{shown:?}; it said: {}", self.edge.said());
        self.shown += 1;
    }

    /// How the edge is.
    #[track_caller]
    pub fn status(&self) -> Status {
        self.edge.asked().unwrap()
    }

    /// Whether the edge's live gallery knows a person; nothing when it may not say.
    pub fn knows(&self, n: u64) -> Option<bool> {
        self.edge.knows(&self.space, &person(n))
    }

    /// Waits until the edge holds what the website holds and nothing waits.
    #[track_caller]
    pub fn in_step(&self) -> Status {
        until("the edge is in step", 60, || {
            let place = self.site.call("GET", &format!("/api/v1/locations/{PLACE}"), &Value::Null).body;
            let status = self.edge.asked().ok_or_else(|| self.edge.said())?;
            let same = status.verified == place["seq"] && status.digest == place["digest"];
            let waits = status.visits_waiting + status.receipts_waiting + status.provisional;
            let fine = status.lease_until.is_some() && same && waits == 0 && status.storage_trouble.is_none();
            if fine { Ok(status) } else { Err(format!("{status:?} is not {place}")) }
        })
    }

    /// The id of the customer that a person is.
    #[track_caller]
    pub fn face_id(&self, n: u64) -> String {
        let sql = format!(
            "SELECT face_id, {} FROM customers JOIN faces ON slot = face_slot WHERE state = 'live'",
            self.site.hex_of("face")
        );
        let embedding = FaceVector::from_output(&person(n)).unwrap().to_embedding();
        let wanted = hex::encode(embedding.as_bytes());
        self.site.query(&sql).into_iter().find(|row| row[1] == wanted).unwrap().remove(0)
    }

    /// The API's path of the customer that a person is.
    #[track_caller]
    pub fn path(&self, n: u64) -> String {
        format!("/api/v1/locations/{PLACE}/customers/{}", self.face_id(n))
    }

    /// Removes the customer that a person is, and tells the seq.
    #[track_caller]
    pub fn remove(&self, n: u64) -> u64 {
        self.site.call("DELETE", &self.path(n), &Value::Null).ok()["seq"].as_u64().unwrap()
    }

    /// Whether every edge has proved a change.
    #[track_caller]
    pub fn complete(&self, seq: u64) -> bool {
        self.site.get(&format!("/locations/{PLACE}/changes/{seq}"))["complete"] == true
    }
}

impl Scene {
    /// Waits until nothing waits any more, at the edge or at the website, and checks that nothing was set aside.
    #[track_caller]
    pub fn nothing_is_left(&self) {
        self.in_step();
        until("everything is published", 20, || {
            let rows = self.site.query("SELECT id, seq, published_seq FROM locations");
            let behind = rows.iter().find(|row| row[1] != row[2]);
            behind.map_or(Ok(()), |row| Err(row.join(", ")))
        });
        assert_eq!(self.site.query("SELECT reason FROM dead_letters"), Vec::<Vec<String>>::new());
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if !thread::panicking() {
            self.nothing_is_left();
        }
    }
}
