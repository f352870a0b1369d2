use super::{erasing_tests::Pieces, *};
use crate::sync::{Command, Diagnosis, Fate, Lease, Provisional, Put, Standing, VisitKey};
use protocol::{
    Embedding, Epoch, Seq, StreamId, UnixMs,
    message::{Basis, Customer, EnrolPolicy, Flag, Probe, Receipt, ReceiptKey, Seen},
};
use std::{collections::BTreeMap, fs, path::Path};

pub(super) const EPOCH: Epoch = Epoch(u64::MAX - 3);

pub(super) fn key() -> DigestKey {
    DigestKey::from_bytes([7; 32])
}

pub(super) fn face(id: &str) -> FaceId {
    id.parse().unwrap()
}

/// A vector whose bytes occur nowhere else.
fn embedding(salt: u64) -> Embedding {
    let mut state = salt.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % 2_001) as f32 / 1_000.0 - 1.0
    };
    Embedding::from_f32(&std::iter::repeat_with(&mut next).take(512).collect::<Vec<_>>()).unwrap()
}

fn put(id: &str, seq: u64, salt: u64) -> Command {
    let customer = Customer {
        name: "Ada".parse().unwrap(),
        flag: Flag::Green,
        space: "space".parse().unwrap(),
        embedding: embedding(salt),
    };
    let hash = key().hash(&face(id), Seq(seq), &customer);
    Command::Put(Box::new(Put { face_id: face(id), epoch: EPOCH, seq: Seq(seq), hash, customer }))
}

pub(super) fn remove(id: &str, seq: u64) -> Command {
    let key = ReceiptKey { face_id: face(id), epoch: EPOCH, seq: Seq(seq) };
    Command::Remove { key, merged_into: None }
}

pub(super) fn standing(floor: u64) -> Standing {
    Standing {
        epoch: Some(EPOCH),
        floor: Seq(floor),
        issued_at: Some(UnixMs(5)),
        clock: Some(UnixMs(6)),
        removal: Some((EPOCH, Seq(4))),
    }
}

fn carry(store: &mut Store, commands: &[Command]) -> Vec<Owed> {
    let lease = Lease { issued_at: UnixMs(5), lease_s: 60 };
    store.cache.write(commands, &standing(0), Some((lease, EnrolPolicy::Auto)), Flush::AtCommit).unwrap()
}

/// A visit for which others had to go, perhaps.
pub(super) fn counted(visit: NewVisit, lost: Vec<VisitKey>) -> [CountedVisit; 1] {
    [CountedVisit { visit, lost, own: None }]
}

fn write_outbox(store: &mut Store, commands: &[Command], receipts: &[Receipt], floor: u64) {
    store.outbox.write(commands, receipts, &standing(floor), Flush::AtCommit).unwrap();
}

fn files_hold(folder: &Path, needle: &[u8]) -> Vec<String> {
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    files
        .filter(|file| fs::read(file).unwrap().windows(needle.len()).any(|window| window == needle))
        .map(|file| file.file_name().unwrap().to_string_lossy().into_owned())
        .collect()
}

#[test]
fn everything_comes_back_after_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), &key()).unwrap();
    carry(&mut store, &[put("ada", 3, 1), put("bob", 4, 2), put("cid", 5, 3), remove("cid", 6)]);
    let rule = Provisional { basis: (EPOCH, Seq(6)), settled: None };
    let own = OwnFace { rule, space: "space".parse().unwrap(), embedding: embedding(9) };
    store.cache.mint([(&face("own"), &own)]).unwrap();
    let receipt = Receipt {
        key: ReceiptKey { face_id: face("cid"), epoch: EPOCH, seq: Seq(6) },
        removed_at: UnixMs(1),
        probe: Probe::Gone,
    };
    write_outbox(&mut store, &[], std::slice::from_ref(&receipt), 2);
    let visit = NewVisit {
        key: VisitKey { stream: StreamId(u64::MAX), n: 1 },
        at: UnixMs(7),
        seen: Seen::New { face_id: face("own"), space: own.space.clone(), embedding: own.embedding.clone() },
        basis: Basis { epoch: EPOCH, verified: Seq(6), staleness_s: 1 },
    };
    store.outbox.add(&counted(visit.clone(), vec![])).unwrap();
    assert_eq!(store.outbox.started().unwrap(), 1);
    let lost =
        Receipt { removed_at: UnixMs(0), key: ReceiptKey { seq: Seq(5), ..receipt.key.clone() }, ..receipt };
    write_outbox(&mut store, &[], std::slice::from_ref(&lost), 2);
    write_outbox(&mut store, &[Command::LoseReceipts(vec![lost.key])], &[], 2);
    drop(store);

    let (store, opened) = Store::open(folder.path(), &key()).unwrap();
    let Opened { loaded, own: owns, owed, starts, lost_visits, lost_receipts, cache_lost, mut customers } =
        opened;
    customers.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(customers.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["ada", "bob"]);
    assert_eq!(loaded.rows[&face("ada")].hash, key().hash(&face("ada"), Seq(3), &customers[0].1.customer));
    assert_eq!(loaded.dropped[&face("cid")], (EPOCH, Seq(6)));
    assert_eq!((loaded.standing, loaded.receipts), (standing(2), vec![receipt]));
    assert_eq!(
        owed,
        [Owed { key: ReceiptKey { face_id: face("cid"), epoch: EPOCH, seq: Seq(6) }, held: true }]
    );
    assert_eq!((owns, starts, lost_visits, cache_lost), (vec![(face("own"), own)], 1, 0, None));
    assert_eq!(lost_receipts, 1);
    assert_eq!(store.outbox.visit(visit.key).unwrap(), Some(visit));
}

#[test]
fn a_removed_vector_is_in_no_file_wherever_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), &key()).unwrap();
    let others: Vec<Command> = (0..50).map(|n| put(&format!("other{n}"), n + 1, 100 + n)).collect();
    carry(&mut store, &others);
    carry(&mut store, &[put("ada", 90, 1)]);
    let own = OwnFace {
        rule: Provisional { basis: (EPOCH, Seq(0)), settled: None },
        space: "space".parse().unwrap(),
        embedding: embedding(2),
    };
    store.cache.mint([(&face("own"), &own)]).unwrap();
    carry(&mut store, &[put("dropped", 91, 3)]);
    for (n, salt, id) in [(1, 1, "ada"), (2, 2, "own")] {
        let seen = Seen::New { face_id: face(id), space: own.space.clone(), embedding: embedding(salt) };
        let basis = Basis { epoch: EPOCH, verified: Seq(0), staleness_s: 0 };
        let visit = NewVisit { key: VisitKey { stream: StreamId(1), n }, at: UnixMs(0), seen, basis };
        store.outbox.add(&counted(visit.clone(), vec![])).unwrap();
    }
    for salt in 1..=3 {
        assert!(
            !files_hold(folder.path(), embedding(salt).as_bytes()).is_empty(),
            "the search can see {salt}"
        );
    }

    let commands = [
        remove("ada", 92),
        Command::EndProvisional(face("own"), Fate::Nobody),
        Command::Drop { face_id: face("dropped"), as_of: Seq(92) },
    ];
    let asked: Vec<Embedding> =
        store.cache.to_be_removed(&commands).unwrap().into_iter().map(|held| held.embedding).collect();
    assert_eq!(asked, [embedding(1)], "the probe gets the very vector");
    assert!(carry(&mut store, &commands)[0].held);
    write_outbox(&mut store, &commands, &[], 1);
    store.cache.empty_log().unwrap();
    store.outbox.empty_log().unwrap();
    for salt in 1..=3 {
        assert_eq!(
            files_hold(folder.path(), embedding(salt).as_bytes()),
            Vec::<String>::new(),
            "vector {salt}"
        );
    }
    let scrubbed = store.outbox.visit(VisitKey { stream: StreamId(1), n: 1 }).unwrap().unwrap();
    assert_eq!(scrubbed.seen, Seen::Anonymous, "the visit stays, the face goes");
    assert!(!files_hold(folder.path(), embedding(100).as_bytes()).is_empty(), "others are untouched");
}

#[test]
fn standing_and_owed_receipts_outlive_what_a_power_cut_takes_from_the_outbox() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), &key()).unwrap();
    write_outbox(&mut store, &[], &[], 1);
    let files = ["outbox.db", "outbox.db-wal"].map(|name| folder.path().join(name));
    let flushed = files.clone().map(|file| fs::read(file).unwrap());
    let commands = [put("ada", 4, 1), remove("bob", 5)];
    let owed = store.cache.write(&commands, &standing(5), None, Flush::AtCommit).unwrap().remove(0).key;
    let receipt = Receipt { key: owed.clone(), removed_at: UnixMs(1), probe: Probe::NeverHeld };
    store.outbox.write(&[], &[receipt], &standing(5), Flush::Later).unwrap();
    drop(store);
    files.iter().zip(flushed).for_each(|(file, bytes)| fs::write(file, bytes).unwrap());
    let (mut store, opened) = Store::open(folder.path(), &key()).unwrap();
    assert_eq!(
        (opened.loaded.standing, opened.loaded.receipts.len(), opened.owed.len()),
        (standing(5), 0, 1)
    );
    let stored = [Command::ForgetReceipts(vec![owed])];
    store.cache.write(&stored, &standing(5), None, Flush::Later).unwrap();
    drop(store);
    let (_, opened) = Store::open(folder.path(), &key()).unwrap();
    assert_eq!(opened.owed, [], "the website holds it");
}

#[test]
fn a_damaged_cache_is_given_up_and_the_outbox_kept() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), &key()).unwrap();
    carry(&mut store, &[put("ada", 1, 1)]);
    write_outbox(&mut store, &[], &[], 1);
    drop(store);
    let file = folder.path().join("cache.db");
    let mut bytes = fs::read(&file).unwrap();
    bytes[100..3_000].fill(0x5A);
    fs::write(&file, bytes).unwrap();
    let (_, opened) = Store::open(folder.path(), &key()).unwrap();
    assert!(opened.cache_lost.is_some_and(|why| why.contains("damaged")));
    assert_eq!((opened.loaded.rows.len(), opened.loaded.standing), (0, standing(1)));
    assert_eq!(
        files_hold(folder.path(), embedding(1).as_bytes()),
        Vec::<String>::new(),
        "and nothing of it is left"
    );
}

#[test]
fn a_file_of_a_newer_program_or_in_use_is_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(folder.path(), &key()).unwrap();
    let refused = |folder: &Path| Store::open(folder, &key()).unwrap_err().to_string();
    assert!(refused(folder.path()).contains("in use by another program"));
    drop(store);
    for file in ["cache.db", "outbox.db"] {
        let folder = tempfile::tempdir().unwrap();
        drop(Store::open(folder.path(), &key()).unwrap());
        let db = rusqlite::Connection::open(folder.path().join(file)).unwrap();
        db.pragma_update(None, "user_version", 99).unwrap();
        drop(db);
        let sentence = refused(folder.path());
        assert!(sentence.contains(file) && sentence.contains("newer edge"), "{sentence}");
    }
}

#[test]
fn what_is_given_up_leaves_the_cache_and_its_diagnosis_stays() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), &key()).unwrap();
    carry(&mut store, &[put("ada", 1, 1), put("bob", 2, 2), remove("bob", 3)]);
    write_outbox(&mut store, &[], &[], 3);
    let faces = vec![face("ada"), face("bob")];
    let diagnosis = Diagnosis { at: UnixMs(9), epoch: EPOCH, as_of: Seq(3), rows: 70, faces };
    let give_up = [Command::GiveUp(diagnosis.clone())];
    store.cache.write(&give_up, &standing(3), None, Flush::Later).unwrap();
    write_outbox(&mut store, &give_up, &[], 3);
    store.cache.empty_log().unwrap();
    assert_eq!(files_hold(folder.path(), embedding(1).as_bytes()), Vec::<String>::new());
    drop(store);
    let (_, opened) = Store::open(folder.path(), &key()).unwrap();
    let Loaded { standing: kept, rows, dropped, lease, diagnosis: why, .. } = opened.loaded;
    assert_eq!((kept, rows.len(), dropped.len(), lease, why), (standing(3), 0, 0, None, Some(diagnosis)));
}

#[test]
fn the_outbox_is_emptied_of_deleted_visits_and_left_alone_when_there_were_none() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), &key()).unwrap();
    let log = || fs::metadata(folder.path().join("outbox.db-wal")).map_or(0, |log| log.len());
    store.outbox.empty_log().unwrap();
    // Only the standing is new: nothing in the log can be a face.
    write_outbox(&mut store, &[remove("bob", 1)], &[], 1);
    store.outbox.empty_log().unwrap();
    assert!(log() > 0);
    let key = VisitKey { stream: StreamId(1), n: 1 };
    let seen = Seen::New { face_id: face("ada"), space: "space".parse().unwrap(), embedding: embedding(1) };
    let basis = Basis { epoch: EPOCH, verified: Seq(0), staleness_s: 0 };
    store.outbox.add(&counted(NewVisit { key, at: UnixMs(0), seen, basis }, vec![])).unwrap();
    store.outbox.empty_log().unwrap();
    assert_eq!(log(), 0);
    // The visit goes by itself, and only then the customer.
    write_outbox(&mut store, &[Command::ForgetVisits(vec![key])], &[], 1);
    write_outbox(&mut store, &[remove("ada", 2)], &[], 2);
    assert!(!files_hold(folder.path(), embedding(1).as_bytes()).is_empty(), "the search can see it");
    store.outbox.empty_log().unwrap();
    assert_eq!(files_hold(folder.path(), embedding(1).as_bytes()), Vec::<String>::new());
}

fn stayed(n: &u64) -> bool {
    !n.is_multiple_of(5)
}

/// Files as the program wrote them before faces stood in slots. Every fifth customer, face and visit has gone again.
fn old_form(folder: &Path, faces: u64) {
    let cache = open::open(&folder.join("cache.db"), &cache::FORMS[..2]).unwrap();
    let outbox = open::open(&folder.join("outbox.db"), &outbox::FORMS[..2]).unwrap();
    let (cache, outbox) = (cache.read(), outbox.read());
    for db in [cache, outbox] {
        db.pragma_update(None, "synchronous", "OFF").unwrap();
    }
    let put_old = "INSERT INTO customers VALUES (?1, ?2, ?3, 'Ada', 'green', 'space', ?4, ?5)";
    let mint_old = "INSERT INTO provisional VALUES (?1, ?2, 6, NULL, NULL, 'space', ?3)";
    let see_old =
        "INSERT INTO visits (stream, n, at, kind, face_id, space, embedding, epoch, verified, staleness_s)
        VALUES (1, ?1, 0, ?2, ?3, ?4, ?5, 0, 0, 0)";
    let epoch = EPOCH.0 as i64;
    for n in 0..faces {
        let Command::Put(put) = put(&format!("face{n}"), n + 1, n) else { panic!("a put") };
        let (bytes, hash) = (put.customer.embedding.as_bytes(), put.hash.to_bytes());
        cache.execute(put_old, (put.face_id.as_str(), epoch, n as i64 + 1, bytes, hash)).unwrap();
        let (own, own_face) = (format!("own{n}"), embedding(faces + n));
        cache.execute(mint_old, (&own, epoch, own_face.as_bytes())).unwrap();
        outbox.execute(see_old, (n as i64, "new", &own, "space", own_face.as_bytes())).unwrap();
    }
    for n in (0..faces).filter(|n| !stayed(n)) {
        cache.execute("DELETE FROM customers WHERE face_id = ?1", [format!("face{n}")]).unwrap();
        cache.execute("DELETE FROM provisional WHERE face_id = ?1", [format!("own{n}")]).unwrap();
        outbox.execute("DELETE FROM visits WHERE n = ?1", [n as i64]).unwrap();
    }
    let none = None::<String>;
    outbox.execute(see_old, (i64::MAX, "anonymous", &none, &none, &none)).unwrap();
}

#[test]
fn files_of_the_old_form_keep_every_row_and_no_second_copy_of_a_face() {
    const FACES: u64 = 140;
    let mut pieces = Pieces::none();
    (0..2 * FACES).for_each(|salt| pieces.add(salt as usize, &embedding(salt)));
    let held = |folder: &Path, file: &str| pieces.found(&fs::read(folder.join(file)).unwrap_or_default());
    let each_once = |salts: std::ops::Range<u64>| -> BTreeMap<usize, usize> {
        salts.filter(stayed).map(|salt| (salt as usize, 16)).collect()
    };
    for killed_before_it_was_written_anew in [false, true] {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path();
        old_form(folder, FACES);
        if killed_before_it_was_written_anew {
            open::open(&folder.join("cache.db"), &cache::FORMS[..3]).unwrap();
            open::open(&folder.join("outbox.db"), &outbox::FORMS[..3]).unwrap();
        }
        let (store, opened) = Store::open(folder, &key()).unwrap();
        let customers: BTreeMap<_, _> = opened.customers.into_iter().collect();
        let own: BTreeMap<_, _> = opened.own.into_iter().collect();
        let kept = (0..FACES).filter(stayed);
        assert_eq!((customers.len(), own.len()), (kept.clone().count(), kept.clone().count()));
        for n in kept {
            assert_eq!(customers[&face(&format!("face{n}"))].customer.embedding, embedding(n));
            assert_eq!(own[&face(&format!("own{n}"))].embedding, embedding(FACES + n));
            let visit = store.outbox.visit(VisitKey { stream: StreamId(1), n }).unwrap().unwrap();
            let Seen::New { embedding: proposed, .. } = visit.seen else { panic!("{visit:?}") };
            assert_eq!(proposed, embedding(FACES + n));
        }
        let anonymous = VisitKey { stream: StreamId(1), n: i64::MAX as u64 };
        assert_eq!(store.outbox.visit(anonymous).unwrap().unwrap().seen, Seen::Anonymous);
        assert_eq!(held(folder, "cache.db"), each_once(0..2 * FACES));
        assert_eq!(held(folder, "outbox.db"), each_once(FACES..2 * FACES));
        for log in ["cache.db-wal", "outbox.db-wal"] {
            assert_eq!(held(folder, log), BTreeMap::new());
        }
    }
}

#[test]
fn what_damage_has_cut_off_is_erased_and_what_it_has_changed_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let (mut store, _) = Store::open(folder.path(), &key()).unwrap();
    carry(&mut store, &["ada", "bob", "cid", "dan"].map(|id| put(id, 1, id.as_bytes()[0].into())));
    drop(store);
    let db = rusqlite::Connection::open(folder.path().join("cache.db")).unwrap();
    for damage in [
        // Ada's row names Bob's face, so nobody names hers.
        "UPDATE customers SET slot = (SELECT slot FROM customers WHERE face_id = 'bob') WHERE face_id = 'ada'",
        "UPDATE customers SET name = 'Mallory' WHERE face_id = 'cid'",
        "UPDATE customers SET face_id = 'not an id' WHERE face_id = 'dan'",
    ] {
        assert_eq!(db.execute(damage, []).unwrap(), 1);
    }
    drop(db);
    let held = |id: &str| files_hold(folder.path(), embedding(id.as_bytes()[0].into()).as_bytes()).len();
    assert_eq!(["ada", "bob", "cid", "dan"].map(held), [1; 4], "the search can see");
    let (mut store, opened) = Store::open(folder.path(), &key()).unwrap();
    assert_eq!(opened.loaded.rows.keys().map(FaceId::as_str).collect::<Vec<_>>(), ["bob"]);
    assert_eq!(["ada", "bob", "cid", "dan"].map(held), [0, 1, 0, 0]);
    // The website says them again: neither takes the other's place.
    carry(&mut store, &["ada", "cid", "dan"].map(|id| put(id, 2, id.as_bytes()[0].into())));
    drop(store);
    let (_, opened) = Store::open(folder.path(), &key()).unwrap();
    assert_eq!(opened.customers.len(), 4);
    assert_eq!(["ada", "bob", "cid", "dan"].map(held), [1; 4]);
}
