//! A disk that is full, damaged or read-only: removals win, the rest degrades in words, nothing is lost in silence.
#![allow(clippy::unwrap_used)]

use std::{fs, path::Path};
use tests::{Database, Disk, Scene, Website, blind_models, person, run, until};

/// An edge that keeps its state in a folder, and its website somewhere else.
fn edge_in(state: &Path) -> Scene {
    Scene::set(Website::start_with(Database::Sqlite, &["--heartbeat-s", "1"]), state)
}

#[test]
fn a_removal_wins_over_a_full_disk_and_what_cannot_be_counted_is_counted_as_such() {
    let Some(disk) = Disk::small(2) else { return };
    let mut scene = edge_in(&disk.state());
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
    let Some(disk) = Disk::small(2) else { return };
    let mut scene = edge_in(&disk.state());
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
    let mut scene = edge_in(folder.path());
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
        assert_eq!(remove_and_come_back(&mut scene), Some(true), "after {what}");
    }
}

#[test]
fn a_disk_that_turns_read_only_under_a_running_edge_keeps_nobody_recognised_who_was_removed() {
    let Some(disk) = Disk::careful() else { return };
    let mut scene = edge_in(&disk.state());
    disk.turn_read_only();
    let seq = scene.remove(1);
    until("the removed face is not recognised", 10, || match scene.knows(1) {
        Some(false) => Ok(()),
        other => Err(format!("{other:?}")),
    });
    until("it says that it cannot store", 10, || {
        scene.status().storage_trouble.map(drop).ok_or_else(|| "it still can".to_owned())
    });
    assert_eq!(scene.knows(2), Some(true), "the others are, for as long as the lease lasts");
    scene.show(2);
    until("it counts what it cannot store", 10, || match scene.status().visits_not_stored {
        1 => Ok(()),
        n => Err(format!("{n} of 1")),
    });
    assert!(!scene.complete(seq), "nothing is acknowledged before it is durable");
    assert!(!scene.edge.has_died(), "it does not end and begin again and again");
    let words = scene.edge.command(&["status"]).stdout;
    assert!(words.contains("it cannot store anything") && words.contains("were not counted"), "{words}");
    let said = scene.edge.said();
    let complaints = said.lines().filter(|line| line.contains("nothing can be stored")).count();
    assert_eq!(complaints, 1, "the log says it once: {said}");

    scene.edge.kill();
    disk.mend();
    scene.edge.count_everybody(None);
    scene.in_step();
    assert_eq!((scene.knows(1), scene.knows(2)), (Some(false), Some(true)));
    until("the removal is acknowledged", 20, || {
        scene.complete(seq).then_some(()).ok_or_else(|| "not yet".to_owned())
    });
}

/// Somebody is removed and seen again: the edge goes on working.
fn remove_and_come_back(scene: &mut Scene) -> Option<bool> {
    scene.remove(3);
    scene.in_step();
    assert_eq!(scene.knows(3), Some(false));
    scene.show(3);
    scene.in_step();
    scene.knows(3)
}
