//! A disk that is full, damaged or read-only: removals win, the rest degrades in words, nothing is lost in silence.
#![allow(clippy::unwrap_used)]

use edge::Status;
use protocol::SpaceId;
use serde_json::Value;
use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};
use tempfile::TempDir;
use tests::{EdgeBox, Website, blind_models, blind_space, person, run, until};

/// A small disk of its own, unmounted when dropped.
struct Disk(TempDir);

impl Disk {
    /// Mounts one of 2 MB; says so where that is not allowed.
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let words = ["-t", "tmpfs", "-o", "size=2m", "tmpfs"];
        let mounted = Command::new("mount").args(words).arg(folder.path()).output().unwrap();
        if !mounted.status.success() {
            println!("skipped, because this user may not mount a small disk");
            return None;
        }
        Some(Self(folder))
    }

    fn state(&self) -> PathBuf {
        let state = self.0.path().join("edge");
        fs::create_dir_all(&state).unwrap();
        state
    }

    fn fill(&self) {
        let mut ballast = fs::File::create(self.0.path().join("ballast")).unwrap();
        for size in [64 * 1024, 4096, 1] {
            while ballast.write_all(&vec![7; size]).is_ok() {}
        }
    }

    fn make_room(&self) {
        fs::remove_file(self.0.path().join("ballast")).unwrap();
    }

    fn remount(&self, how: &str) {
        let done = Command::new("mount").args(["-o", &format!("remount,{how}")]).arg(self.0.path()).status();
        assert!(done.unwrap().success(), "remount {how}");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

struct Scene {
    site: Website,
    edge: EdgeBox,
    space: SpaceId,
    shown: u64,
    _models: TempDir,
}

impl Scene {
    /// An edge on `state` that has seen four people.
    fn set(state: &Path) -> Self {
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

    fn show(&mut self, n: u64) {
        let shown = self.edge.show(&self.space, &person(n));
        assert!(shown.is_visit(), "{shown:?}; it said: {}", self.edge.said());
        self.shown += 1;
    }

    fn status(&self) -> Status {
        self.edge.asked().unwrap()
    }

    fn knows(&self, n: u64) -> Option<bool> {
        self.edge.knows(&self.space, &person(n))
    }

    /// Waits until the edge holds what the website holds and nothing waits.
    fn in_step(&self) -> Status {
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
    fn remove(&self, n: u64) -> u64 {
        let sql =
            format!("SELECT face_id, {} FROM customers WHERE state = 'live'", self.site.hex_of("embedding"));
        let embedding = edge::FaceVector::from_output(&person(n)).unwrap().to_embedding();
        let wanted = hex::encode(embedding.as_bytes());
        let row = self.site.query(&sql).into_iter().find(|row| row[1] == wanted).unwrap();
        let path = format!("/api/v1/locations/oslo/customers/{}", row[0]);
        self.site.call("DELETE", &path, &Value::Null).ok()["seq"].as_u64().unwrap()
    }

    fn complete(&self, seq: u64) -> bool {
        self.site.get(&format!("/locations/oslo/changes/{seq}"))["complete"] == true
    }
}

#[test]
fn a_removal_wins_over_a_full_disk_and_what_cannot_be_counted_is_counted_as_such() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = Scene::set(&disk.state());
    disk.fill();
    until("it says that it cannot store", 30, || {
        scene.show(0);
        scene.status().storage_trouble.map(drop).ok_or_else(|| "it still can".to_owned())
    });

    let seq = scene.remove(1);
    until("the removed face is not recognised", 10, || match scene.knows(1) {
        Some(false) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    assert_eq!(scene.knows(2), Some(true), "the others are, for as long as the lease lasts");
    let before = scene.status();
    scene.show(2);
    let not_stored = before.visits_not_stored + 1;
    until("it counts what it cannot store", 10, || match scene.status().visits_not_stored {
        n if n == not_stored => Ok(()),
        n => Err(format!("{n} of {not_stored}")),
    });
    assert!(
        before.storage_trouble.is_some() && !scene.complete(seq),
        "nothing is acknowledged before it is durable"
    );
    let words = scene.edge.command(&["status"]).stdout;
    assert!(words.contains("it cannot store anything") && words.contains("were not counted"), "{words}");

    // A restart does not bring the face back either: it recognises nobody until its start is durable.
    scene.edge.kill();
    scene.edge.begin(None);
    until("it waits for the disk", 30, || match scene.edge.said() {
        said if said.contains("the start cannot be written down") => Ok(()),
        said => Err(said),
    });
    assert!(!scene.edge.has_died(), "it does not end and begin again and again");
    disk.make_room();
    scene.in_step();
    assert_eq!((scene.knows(1), scene.knows(2)), (Some(false), Some(true)));
    until("the removal is acknowledged", 20, || {
        scene.complete(seq).then_some(()).ok_or_else(|| "not yet".to_owned())
    });
    let stored = scene.site.query("SELECT count(*) FROM visits");
    assert_eq!(
        stored,
        [[(scene.shown - not_stored).to_string()]],
        "each visit is counted, or counted as lost"
    );
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_in_a_sentence() {
    let Some(disk) = Disk::mount() else { return };
    let mut scene = Scene::set(&disk.state());
    scene.edge.kill();
    disk.remount("ro");
    let state = disk.state();
    let models = blind_models();
    let words = ["run", "--state", state.to_str().unwrap(), "--models", models.path().to_str().unwrap()];
    let refused = run("edge", words);
    let last = refused.stderr.lines().last().unwrap_or_default();
    assert!(
        refused.code == 1 && last.starts_with("edge: ") && last.contains("Read-only"),
        "{}",
        refused.stderr
    );
    disk.remount("rw");
    scene.edge.count_everybody(None);
    scene.in_step();
    assert_eq!(scene.knows(3), Some(true));
}

#[test]
fn a_cache_with_a_flipped_bit_or_a_shortened_log_is_put_right() {
    let folder = tempfile::tempdir().unwrap();
    let mut scene = Scene::set(folder.path());
    let (cache, log) = (folder.path().join("cache.db"), folder.path().join("cache.db-wal"));
    type Damage = fn(&mut Vec<u8>, &[u8]);
    let damages: [(&str, bool, Damage); 4] = [
        ("a bit of a face", false, |bytes, face| {
            let at = bytes.windows(64).position(|window| window == face);
            bytes[at.unwrap() + 20] ^= 4;
        }),
        ("a bit of the header", false, |bytes, _| bytes[3] ^= 1),
        ("the second page", false, |bytes, _| bytes[4096..4160].fill(0xA5)),
        ("half of the log", true, |bytes, _| bytes.truncate(bytes.len() / 2)),
    ];
    for (what, of_log, damage) in damages {
        if !of_log {
            // At a clean end the log is moved into the file.
            assert_eq!(scene.edge.stop(), 0, "{what}");
        } else {
            scene.show(10);
            scene.in_step();
            scene.edge.kill();
        }
        let file = if of_log { &log } else { &cache };
        let mut bytes = fs::read(file).unwrap();
        let face = edge::FaceVector::from_output(&person(2)).unwrap().to_embedding();
        damage(&mut bytes, &face.as_bytes()[..64]);
        fs::write(file, bytes).unwrap();
        scene.edge.count_everybody(None);
        scene.in_step();
        assert_eq!(scene.knows(2), Some(true), "after {what}");
        assert_eq!(scene.remove_and_come_back(), Some(true), "after {what}");
    }
}

impl Scene {
    /// Somebody is removed and seen again: the edge goes on working.
    fn remove_and_come_back(&mut self) -> Option<bool> {
        self.remove(3);
        self.in_step();
        assert_eq!(self.knows(3), Some(false));
        self.show(3);
        self.in_step();
        self.knows(3)
    }
}
