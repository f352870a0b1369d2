//! What people do in a round: they come in, and are renamed, flagged and removed.

use super::stage::{EDGES, LOCATION, Stage};
use crate::{Random, Shown, noisy};
use serde_json::{Value, json};

impl Stage {
    /// The first actions make sure that everything happens; the others are the seed's.
    pub(super) fn act(&mut self, action: usize, victim: usize, random: &mut Random) {
        let door = if random.chance(50) { victim } else { random.below(EDGES) };
        match (action, random.below(100)) {
            (0, _) | (_, 0..30) => self.somebody_new(door),
            (1, _) | (_, 30..45) => self.change("DELETE", Value::Null, random),
            (2, _) | (_, 45..60) => {
                let name = format!("Name {}", random.number());
                self.change("PATCH", json!({ "name": name }), random);
            }
            (_, 60..70) => {
                let flag = random.pick(&["none", "green", "amber", "red"]).to_owned();
                self.change("PATCH", json!({ "flag": flag }), random);
            }
            _ => self.somebody_known(door, random),
        }
    }

    pub(super) fn somebody_new(&mut self, door: usize) {
        self.people += 1;
        self.show(door, noisy(self.people, 0));
    }

    pub(super) fn somebody_known(&mut self, door: usize, random: &mut Random) {
        let person = self.people - random.number() % 12;
        self.show(door, noisy(person, random.number() >> 40));
    }

    fn show(&mut self, door: usize, vector: Vec<f32>) {
        let door = &mut self.doors[door];
        let shown = door.edge.show(&self.space, &vector);
        if shown == Shown::NobodyThere {
            return;
        }
        door.counted += u64::from(shown.is_visit());
        door.perhaps += u64::from(shown == Shown::Unanswered);
        self.shown.push(vector);
    }

    /// Changes one customer, if the website is there to do it.
    fn change(&self, method: &str, body: Value, random: &mut Random) {
        let list =
            self.site.call("GET", &format!("/api/v1/locations/{LOCATION}/customers?limit=500"), &Value::Null);
        let Some(customers) = list.body["customers"].as_array().filter(|list| !list.is_empty()) else {
            return;
        };
        let face_id = random.pick(customers)["face_id"].as_str().unwrap();
        let answer =
            self.site.call(method, &format!("/api/v1/locations/{LOCATION}/customers/{face_id}"), &body);
        // It died, or is not there, or somebody was faster.
        assert!([0, 200, 404, 409, 410].contains(&answer.status), "{method}: {answer:?}");
    }
}
