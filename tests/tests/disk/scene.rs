//! A website, and an edge on a disk of the test's choice.

use edge::Status;
use protocol::SpaceId;
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;
use tests::{EdgeBox, Website, blind_models, blind_space, person, until};

pub struct Scene {
    pub site: Website,
    pub edge: EdgeBox,
    pub space: SpaceId,
    pub shown: u64,
    _models: TempDir,
}

impl Scene {
    /// An edge on `state` that has seen four people.
    pub fn set(state: &Path) -> Self {
        let site = Website::start_with(tests::Database::Sqlite, &["--heartbeat-s", "1"]);
        site.location("oslo");
        let models = blind_models();
        let edge = EdgeBox::join_in(state, &site, "oslo", "door", models.path());
        let mut scene = Self { site, edge, space: blind_space(), shown: 0, _models: models };
        scene.edge.count_everybody(None);
        scene.in_step();
        (0..4).for_each(|n| scene.show(n));
        scene.in_step();
        scene
    }

    pub fn show(&mut self, n: u64) {
        let shown = self.edge.show(&self.space, &person(n));
        assert!(shown.is_visit(), "{shown:?}; it said: {}", self.edge.said());
        self.shown += 1;
    }

    pub fn status(&self) -> Status {
        self.edge.asked().unwrap()
    }

    pub fn knows(&self, n: u64) -> Option<bool> {
        self.edge.knows(&self.space, &person(n))
    }

    /// Waits until the edge holds what the website holds and nothing waits.
    pub fn in_step(&self) -> Status {
        until("the edge is in step", 60, || {
            let place = self.site.get("/locations/oslo");
            let status = self.edge.asked().ok_or_else(|| self.edge.said())?;
            let same = status.verified == place["seq"] && status.digest == place["digest"];
            let waits = status.visits_waiting + status.receipts_waiting + status.provisional;
            let fine = status.lease_until.is_some() && same && waits == 0 && status.storage_trouble.is_none();
            if fine { Ok(status) } else { Err(format!("{status:?} is not {place}")) }
        })
    }

    /// Removes the customer that person `n` is, and tells the seq.
    pub fn remove(&self, n: u64) -> u64 {
        let sql =
            format!("SELECT face_id, {} FROM customers WHERE state = 'live'", self.site.hex_of("embedding"));
        let embedding = edge::FaceVector::from_output(&person(n)).unwrap().to_embedding();
        let wanted = hex::encode(embedding.as_bytes());
        let row = self.site.query(&sql).into_iter().find(|row| row[1] == wanted).unwrap();
        let path = format!("/api/v1/locations/oslo/customers/{}", row[0]);
        self.site.call("DELETE", &path, &Value::Null).ok()["seq"].as_u64().unwrap()
    }

    pub fn complete(&self, seq: u64) -> bool {
        self.site.get(&format!("/locations/oslo/changes/{seq}"))["complete"] == true
    }

    /// Somebody is removed and seen again: the edge goes on working.
    pub fn remove_and_come_back(&mut self) -> Option<bool> {
        self.remove(3);
        self.in_step();
        assert_eq!(self.knows(3), Some(false));
        self.show(3);
        self.in_step();
        self.knows(3)
    }
}
