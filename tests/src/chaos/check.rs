//! Everything compared with everything, while the edges lie dead.

use super::{
    bytes::Traces,
    stage::{LOCATION, Stage},
};
use crate::{Website, until};
use std::{collections::BTreeMap, fs, path::Path};

/// A row as both sides hold it: epoch apart, every column that an edge has.
type Rows = BTreeMap<String, [String; 5]>;

impl Stage {
    /// Rows one by one, visits by number, and no byte of whoever is no customer.
    pub(super) fn compare(&mut self) {
        let theirs = of_website(&self.site);
        for door in &self.doors {
            let ours = of_edge(door.edge.state());
            assert_eq!(ours, theirs, "the rows of {}", door.id);
        }
        self.compare_visits();
        let live: Vec<Vec<u8>> = theirs.values().map(|row| hex::decode(&row[4]).unwrap()).collect();
        let traces = Traces::of(&self.shown, &live);
        for door in &self.doors {
            assert_eq!(traces.in_folder(door.edge.state()), None, "of somebody who is no customer");
        }
        // A reader may have kept the website from emptying its log at once; it tries again every minute.
        until("no trace is left at the website", 80, || match traces.in_website(&self.site) {
            None => Ok(()),
            Some(place) => Err(place),
        });
    }

    /// Every visit that an edge has answered for is stored once; those it did not answer for at most once.
    fn compare_visits(&mut self) {
        let sql = "SELECT edge, count(*) FROM visits GROUP BY edge";
        let stored: BTreeMap<String, u64> =
            self.site.query(sql).into_iter().map(|row| (row[0].clone(), row[1].parse().unwrap())).collect();
        for door in &mut self.doors {
            let stored = stored.get(&door.id).copied().unwrap_or_default();
            let most = door.counted + door.perhaps;
            assert!(
                (door.counted..=most).contains(&stored),
                "{} has counted {} visits and perhaps {} more, the website has {stored}",
                door.id,
                door.counted,
                door.perhaps
            );
            (door.counted, door.perhaps) = (stored, 0);
        }
        assert_eq!(self.site.query("SELECT reason FROM dead_letters"), Vec::<Vec<String>>::new());
        let counted = "SELECT c.face_id, c.visits, (SELECT count(*) FROM visits v WHERE v.face_id = c.face_id) \
                       FROM customers c WHERE c.state = 'live'";
        for row in self.site.query(counted) {
            assert_eq!(row[1], row[2], "visits of {}, and the lines about them", row[0]);
        }
    }
}

fn of_website(site: &Website) -> Rows {
    let sql = format!(
        "SELECT face_id, seq, name, flag, space_id, {} FROM customers JOIN faces ON slot = face_slot \
         WHERE state = 'live' AND location = '{LOCATION}'",
        site.hex_of("face")
    );
    rows(site.query(&sql))
}

/// What the files of a dead edge hold: of a copy, because opening a database changes its files.
fn of_edge(state: &Path) -> Rows {
    let copy = tempfile::tempdir().unwrap();
    for name in ["cache.db", "cache.db-wal"] {
        let _ = fs::copy(state.join(name), copy.path().join(name));
    }
    let cache = rusqlite::Connection::open(copy.path().join("cache.db")).unwrap();
    let sql = "SELECT face_id, CAST(seq AS TEXT), name, flag, space, lower(hex(face)) FROM customers JOIN faces USING (slot)";
    let mut query = cache.prepare(sql).unwrap();
    let found = query.query_map([], |row| (0..6).map(|n| row.get(n)).collect()).unwrap();
    rows(found.map(|row| row.unwrap()).collect())
}

fn rows(found: Vec<Vec<String>>) -> Rows {
    found
        .into_iter()
        .map(|row| {
            let [face_id, content @ ..]: [String; 6] = row.try_into().unwrap();
            (face_id, content)
        })
        .collect()
}
