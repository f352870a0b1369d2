//! The website's disk is full, read-only or damaged: it says so in one sentence, acknowledges nothing that is not
//! durable, ends and begins in no loop, and loses nothing that it has acknowledged.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tests::{Answer, Disk, PLACE, Scene, Website, person, until};

/// A website that keeps its data in a folder, and an edge somewhere else.
fn website_in(data: &Path, state: &Path) -> Scene {
    Scene::set(Website::start_in(data, &["--heartbeat-s", "1"]), state)
}

fn rename(scene: &Scene, path: &str, name: &str) -> Answer {
    scene.site.call("PATCH", path, &json!({ "name": name }))
}

fn name_at(scene: &Scene, path: &str) -> Value {
    scene.site.call("GET", path, &Value::Null).ok()["name"].clone()
}

/// Waits until every visit that the edge has answered for is stored, and stored once.
#[track_caller]
fn every_visit_is_counted(scene: &Scene) {
    let wanted = [[scene.shown.to_string()]];
    until("every visit is counted", 60, || match scene.site.query("SELECT count(*) FROM visits") {
        stored if stored == wanted => Ok(()),
        stored => Err(format!("{stored:?} of {wanted:?}")),
    });
}

/// Waits until the edge says that it keeps a visit that is not settled.
#[track_caller]
fn keeps_a_visit(scene: &Scene) {
    until("the edge keeps what is not settled", 20, || match scene.status().visits_waiting {
        1 => Ok(()),
        n => Err(n.to_string()),
    });
}

/// Waits until a removal has been proved by the edge, which then does not know the person.
#[track_caller]
fn removal_is_proved(scene: &Scene, n: u64) {
    let seq = scene.remove(n);
    until("the removal is proved", 30, || scene.complete(seq).then_some(()).ok_or_else(|| scene.site.said()));
    assert_eq!(scene.knows(n), Some(false));
}

#[test]
fn what_a_full_disk_cannot_keep_is_not_acknowledged_and_all_goes_on_when_there_is_room() {
    let Some(disk) = Disk::small(16) else { return };
    let state = tempfile::tempdir().unwrap();
    let mut scene = website_in(&disk.state(), state.path());
    let (path, to_go) = (scene.path(0), scene.path(1));
    let mut kept = name_at(&scene, &path);
    disk.fill();
    // What room the files have within themselves is used up first.
    let refused = (0..5_000).find_map(|n| {
        let name = format!("Name {n}");
        let answer = rename(&scene, &path, &name);
        if answer.status == 200 {
            kept = name.into();
        }
        (answer.status != 200).then_some(answer)
    });
    for refused in [refused.unwrap(), scene.site.call("DELETE", &to_go, &Value::Null)] {
        let sentence = refused.body["error"].as_str().unwrap();
        assert!(refused.status == 507 && sentence.contains("is full"), "{refused:?}");
    }
    assert_eq!(scene.knows(1), Some(true), "a removal that was refused has not happened");
    scene.show(2);
    until("the website says that it cannot store a visit", 20, || match scene.site.said() {
        said if said.contains("what edges sent could not be stored") => Ok(()),
        said => Err(said),
    });
    keeps_a_visit(&scene);
    let lines = scene.site.said().lines().count();
    assert!(!scene.site.has_died() && lines < 10, "{}", scene.site.said());

    // With room everything goes on without anybody's help: the same program, the same connections.
    disk.make_room();
    every_visit_is_counted(&scene);
    scene.in_step();
    assert_eq!(name_at(&scene, &path), kept);
    removal_is_proved(&scene, 1);

    // And a start waits for it, instead of ending and beginning again and again.
    scene.site.kill();
    disk.fill();
    scene.site.begin();
    // Whether the first thing it writes still finds room within the log is chance; it says so now or a moment later.
    until("it says what it lacks", 30, || match scene.site.said() {
        said if said.contains("is full") => Ok(()),
        said => Err(said),
    });
    assert!(!scene.site.has_died(), "{}", scene.site.said());
    disk.make_room();
    scene.site.is_up();
    scene.in_step();
    assert_eq!(name_at(&scene, &path), kept);
    removal_is_proved(&scene, 3);
    every_visit_is_counted(&scene);
}

#[test]
fn a_folder_that_cannot_be_written_is_refused_in_a_sentence() {
    let Some(disk) = Disk::small(16) else { return };
    let state = tempfile::tempdir().unwrap();
    let mut scene = website_in(&disk.state(), state.path());
    scene.site.kill();
    disk.remount("ro");
    let (code, said) = scene.site.is_refused();
    assert!(code == 1 && said.starts_with("website: ") && said.contains("Read-only"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(scene.knows(3), Some(true), "the edge works on, for as long as its lease lasts");
    disk.remount("rw");
    scene.site.resume();
    scene.in_step();
    removal_is_proved(&scene, 3);
}

#[test]
fn a_disk_that_turns_read_only_under_it_is_told_and_nothing_that_was_acknowledged_is_lost() {
    let Some(disk) = Disk::careful() else { return };
    let state = tempfile::tempdir().unwrap();
    let mut scene = website_in(&disk.state(), state.path());
    let (path, to_go) = (scene.path(0), scene.path(1));
    assert_eq!(rename(&scene, &path, "Ada").status, 200);
    scene.in_step();
    disk.turn_read_only();
    for refused in [rename(&scene, &path, "Grace"), scene.site.call("DELETE", &to_go, &Value::Null)] {
        assert_eq!(refused.status, 500, "{refused:?}");
        assert!(refused.body["error"].is_string(), "{refused:?}");
    }
    assert_eq!((name_at(&scene, &path), scene.knows(1)), ("Ada".into(), Some(true)));
    scene.show(2);
    until("the website says that it cannot store a visit", 20, || match scene.site.said() {
        said if said.contains("what edges sent could not be stored") => Ok(()),
        said => Err(said),
    });
    keeps_a_visit(&scene);
    assert!(!scene.site.has_died() && scene.site.said().lines().count() < 12, "{}", scene.site.said());
    scene.site.kill();
    disk.mend();
    scene.site.resume();
    scene.in_step();
    every_visit_is_counted(&scene);
    assert_eq!(name_at(&scene, &path), "Ada");
    removal_is_proved(&scene, 1);
}

/// A website with an edge, both stopped by force after everything was acknowledged; somebody has been removed.
struct Stopped {
    scene: Scene,
    data: PathBuf,
    _folders: [TempDir; 2],
}

impl Stopped {
    fn with(stop: fn(&mut Website)) -> Self {
        let folders = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
        let data = folders[0].path().join("data");
        let mut scene = website_in(&data, folders[1].path());
        removal_is_proved(&scene, 3);
        scene.show(10);
        scene.in_step();
        stop(&mut scene.site);
        Self { scene, data, _folders: folders }
    }

    fn damage(&self, file: &str, damage: impl FnOnce(&mut Vec<u8>)) {
        let file = self.data.join(file);
        let mut bytes = fs::read(&file).unwrap();
        damage(&mut bytes);
        fs::write(file, bytes).unwrap();
    }
}

#[test]
fn a_log_cut_in_half_brings_nobody_back_and_loses_no_visit() {
    let mut stopped = Stopped::with(Website::kill);
    stopped.damage("website.db-wal", |bytes| {
        assert!(bytes.len() > 32 * 1024, "there is something to lose: {} bytes", bytes.len());
        bytes.truncate(bytes.len() / 2);
    });
    let scene = &mut stopped.scene;
    scene.site.resume();
    until("it notices that it has gone back", 30, || match scene.site.said() {
        said if said.contains("a new epoch has begun") => Ok(()),
        said => Err(said),
    });
    scene.in_step();
    every_visit_is_counted(scene);
    assert_eq!((scene.knows(0), scene.knows(3)), (Some(true), Some(false)));
    removal_is_proved(scene, 0);
}

#[test]
fn a_removal_that_only_the_ledger_still_knows_is_made_again() {
    let mut stopped = Stopped::with(|site| assert_eq!(site.stop(), 0));
    // As it was before the removal: an older copy of the file, and nothing else.
    let file = stopped.data.join("website.db");
    stopped.scene.site.resume();
    stopped.scene.in_step();
    assert_eq!(stopped.scene.site.stop(), 0);
    let older = fs::read(&file).unwrap();
    let scene = &mut stopped.scene;
    scene.site.resume();
    scene.in_step();
    removal_is_proved(scene, 2);
    assert_eq!(scene.site.stop(), 0);
    fs::write(&file, older).unwrap();
    scene.site.resume();
    scene.in_step();
    assert_eq!((scene.knows(0), scene.knows(2)), (Some(true), Some(false)));
    every_visit_is_counted(scene);
}

#[test]
fn a_file_that_is_no_database_any_more_is_refused_in_a_sentence_and_a_backup_takes_its_place() {
    let mut stopped = Stopped::with(|_| {});
    let backup = stopped.data.with_file_name("backup");
    stopped.scene.site.command(&["backup", backup.to_str().unwrap()]);
    removal_is_proved(&stopped.scene, 2);
    assert_eq!(stopped.scene.site.stop(), 0);
    let whole = fs::read(stopped.data.join("website.db")).unwrap();
    for (what, at, length) in [("a bit of the header", 3, 1), ("the second page", 4096, 64)] {
        stopped.damage("website.db", |bytes| bytes[at..at + length].iter_mut().for_each(|byte| *byte ^= 1));
        let (code, said) = stopped.scene.site.is_refused();
        assert_eq!((code, said.lines().count()), (1, 1), "{what}: {said}");
        assert!(said.contains("is damaged") && said.contains("website restore"), "{what}: {said}");
        fs::write(stopped.data.join("website.db"), &whole).unwrap();
    }

    // What the sentence says is done: the file is moved away, the backup restored.
    for file in ["website.db", "website.db-wal", "website.db-shm"] {
        let file = stopped.data.join(file);
        if file.exists() {
            fs::rename(&file, file.with_extension("broken")).unwrap();
        }
    }
    let scene = &mut stopped.scene;
    scene.site.command(&["restore", backup.to_str().unwrap()]);
    scene.site.resume();
    scene.in_step();
    assert_eq!((scene.knows(0), scene.knows(2), scene.knows(3)), (Some(true), Some(false), Some(false)));
    every_visit_is_counted(scene);
}

#[test]
fn a_flipped_bit_in_a_customer_is_named_and_leaves_the_others_alone() {
    let mut stopped = Stopped::with(|site| assert_eq!(site.stop(), 0));
    let face = edge::FaceVector::from_output(&person(0)).unwrap().to_embedding();
    stopped.damage("website.db", |bytes| {
        let at = bytes.windows(64).position(|window| window == &face.as_bytes()[..64]).unwrap();
        bytes[at + 20] ^= 4;
    });
    let scene = &mut stopped.scene;
    scene.site.resume();
    let said = until("it names the customer", 30, || match scene.site.said() {
        said if said.contains("is not what was stored") => Ok(said),
        said => Err(said),
    });
    let customers = scene.site.customers(PLACE);
    let named = customers.iter().map(|customer| customer["face_id"].as_str().unwrap());
    let named: Vec<&str> = named.filter(|face_id| said.contains(face_id)).collect();
    assert_eq!(named.len(), 1, "{said}");
    scene.in_step();
    assert_eq!((scene.knows(0), scene.knows(1)), (Some(true), Some(true)), "the edge has the whole row");
    removal_is_proved(scene, 1);
    // What the sentence says is done: with the customer the damage goes.
    let path = format!("/api/v1/locations/{PLACE}/customers/{}", named[0]);
    scene.site.call("DELETE", &path, &Value::Null).ok();
    scene.in_step();
    assert_eq!(scene.knows(0), Some(false));
}
