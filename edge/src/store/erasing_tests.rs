//! Faces come, change and go in thousands of random orders, and no file is ever written anew: after every removal each file
//! holds the faces it should, each once, and not a piece of any other.

use super::{
    tests::{EPOCH, counted, key, remove, standing},
    *,
};
use crate::{
    daemon::{
        batch::{After, Batch},
        plan::{OnDisk, Step, plan},
    },
    sync::{Command, Core, Diagnosis, Fate, Now, Provisional, Put, Ran, VisitKey},
};
use protocol::{
    Embedding, Seq, StreamId, UnixMs,
    message::{Basis, Customer, Flag, Seen},
};
use std::{
    collections::{BTreeMap, HashMap},
    fs,
};
use tempfile::TempDir;

/// Pieces of eight bytes of every face there ever was: the first of every sixteenth part.
pub(super) struct Pieces {
    /// Whose each is, by the number of the face.
    of: HashMap<u64, usize>,
    /// What is none of them is mostly seen here.
    maybe: Vec<bool>,
}

impl Pieces {
    pub(super) fn none() -> Self {
        Self { of: HashMap::new(), maybe: vec![false; 1 << 22] }
    }

    fn place(piece: u64) -> usize {
        (piece.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 42) as usize
    }

    pub(super) fn add(&mut self, number: usize, face: &Embedding) {
        for part in face.as_bytes().chunks(face.as_bytes().len() / 16) {
            let piece = u64::from_le_bytes(part[..8].try_into().unwrap());
            self.of.insert(piece, number);
            self.maybe[Self::place(piece)] = true;
        }
    }

    /// How many pieces of which face stand in these bytes.
    pub(super) fn found(&self, bytes: &[u8]) -> BTreeMap<usize, usize> {
        let mut found = BTreeMap::new();
        let mut piece = 0_u64;
        for byte in bytes {
            piece = piece >> 8 | u64::from(*byte) << 56;
            if self.maybe[Self::place(piece)]
                && let Some(number) = self.of.get(&piece)
            {
                *found.entry(*number).or_default() += 1;
            }
        }
        found
    }
}

/// An edge's files and what they should hold; faces go by their numbers.
struct Shop {
    folder: TempDir,
    store: Store,
    dice: u64,
    faces: Vec<Embedding>,
    pieces: Pieces,
    customers: BTreeMap<FaceId, usize>,
    own: BTreeMap<FaceId, usize>,
    visits: Vec<(VisitKey, Option<(FaceId, usize)>)>,
    seq: u64,
    checks: usize,
}

impl Shop {
    fn open(seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(folder.path(), &key()).unwrap();
        Self {
            folder,
            store,
            dice: seed,
            faces: vec![],
            pieces: Pieces::none(),
            customers: BTreeMap::new(),
            own: BTreeMap::new(),
            visits: vec![],
            seq: 0,
            checks: 0,
        }
    }

    fn roll(&mut self, below: usize) -> usize {
        self.dice = self.dice.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.dice;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((z ^ (z >> 31)) % below as u64) as usize
    }

    fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// A face like no other; mostly of one length. The longest does not fit into a page.
    fn new_face(&mut self) -> usize {
        let dimension = [512, 512, 512, 256, 2048][self.roll(5)];
        let values: Vec<f32> = (0..dimension).map(|_| self.roll(20_001) as f32 - 10_000.0).collect();
        let face = Embedding::from_f32(&values).unwrap();
        let number = self.faces.len();
        self.pieces.add(number, &face);
        self.faces.push(face);
        number
    }

    fn new_id(&mut self) -> FaceId {
        // Ids come in no order.
        format!("{:x}_{}", self.roll(1 << 20), self.next_seq()).parse().unwrap()
    }

    fn some(&mut self, of: fn(&Self) -> &BTreeMap<FaceId, usize>) -> Option<(FaceId, usize)> {
        let count = of(self).len();
        let nth = if count == 0 { return None } else { self.roll(count) };
        of(self).iter().nth(nth).map(|(face_id, number)| (face_id.clone(), *number))
    }

    fn put(&mut self, face_id: &FaceId, number: usize) -> Command {
        let (seq, name) = (Seq(self.next_seq()), "x".repeat(self.roll(121)).parse().unwrap());
        let (space, embedding) = ("space".parse().unwrap(), self.faces[number].clone());
        let customer = Customer { name, flag: Flag::Green, space, embedding };
        let hash = key().hash(face_id, seq, &customer);
        self.customers.insert(face_id.clone(), number);
        Command::Put(Box::new(Put { face_id: face_id.clone(), epoch: EPOCH, seq, hash, customer }))
    }

    fn see(&mut self, face: Option<(FaceId, usize)>) {
        let seen = match &face {
            None => Seen::Anonymous,
            Some((face_id, number)) => Seen::New {
                face_id: face_id.clone(),
                space: "space".parse().unwrap(),
                embedding: self.faces[*number].clone(),
            },
        };
        let key = VisitKey { stream: StreamId(1), n: self.next_seq() };
        let basis = Basis { epoch: EPOCH, verified: Seq(0), staleness_s: 0 };
        // Now and then the oldest has to go.
        let lost = if self.visits.len() > 40 { vec![self.visits.remove(0).0] } else { vec![] };
        self.store.outbox.add(&counted(NewVisit { key, at: UnixMs(0), seen, basis }, lost)).unwrap();
        self.visits.push((key, face));
    }

    fn mint(&mut self) {
        let (face_id, number) = (self.new_id(), self.new_face());
        self.see(Some((face_id.clone(), number)));
        let rule = Provisional { basis: (EPOCH, Seq(0)), settled: None };
        let own = OwnFace { rule, space: "space".parse().unwrap(), embedding: self.faces[number].clone() };
        self.store.cache.mint([(&face_id, &own)]).unwrap();
        self.own.insert(face_id, number);
    }

    /// The visits that proposed a face lose it.
    fn scrubbed(&mut self, gone: &FaceId) {
        for (_, face) in &mut self.visits {
            if face.as_ref().is_some_and(|(face_id, _)| face_id == gone) {
                *face = None;
            }
        }
    }

    /// Something happens.
    fn step(&mut self) -> Vec<Command> {
        match self.roll(100) {
            0..30 => {
                let (face_id, number) = (self.new_id(), self.new_face());
                vec![self.put(&face_id, number)]
            }
            30..42 => {
                // Renamed, or with another face.
                let Some((face_id, kept)) = self.some(|shop| &shop.customers) else { return vec![] };
                let number = if self.roll(3) == 0 { self.new_face() } else { kept };
                vec![self.put(&face_id, number)]
            }
            42..52 => {
                self.mint();
                vec![]
            }
            52..55 => {
                self.see(None);
                vec![]
            }
            55..60 if !self.visits.is_empty() => {
                let nth = self.roll(self.visits.len());
                if self.roll(2) == 0 {
                    return vec![Command::MarkSettled(vec![self.visits[nth].0], UnixMs(i64::MAX))];
                }
                vec![Command::ForgetVisits(vec![self.visits.remove(nth).0])]
            }
            60..68 => {
                let Some((face_id, number)) = self.some(|shop| &shop.own) else { return vec![] };
                self.own.remove(&face_id);
                let fate = [Fate::Customer, Fate::Declined, Fate::Nobody][self.roll(3)];
                let end = Command::EndProvisional(face_id.clone(), fate);
                if fate == Fate::Customer {
                    return vec![end, self.put(&face_id, number)];
                }
                self.scrubbed(&face_id);
                vec![end]
            }
            68..98 => {
                let Some((face_id, _)) = self.some(|shop| &shop.customers) else { return vec![] };
                self.customers.remove(&face_id);
                self.scrubbed(&face_id);
                let seq = self.next_seq();
                match self.roll(3) {
                    0 => vec![Command::Drop { face_id, as_of: Seq(seq) }],
                    _ => vec![remove(face_id.as_str(), seq)],
                }
            }
            98 if self.roll(5) == 0 => {
                self.customers.clear();
                let ended: Vec<FaceId> = std::mem::take(&mut self.own).into_keys().collect();
                ended.iter().for_each(|face_id| self.scrubbed(face_id));
                let end = |face_id| Command::EndProvisional(face_id, Fate::Declined);
                let (at, as_of) = (UnixMs(9), Seq(3));
                let why = Diagnosis { at, epoch: EPOCH, as_of, rows: 1, faces: vec![] };
                ended.into_iter().map(end).chain([Command::GiveUp(why)]).collect()
            }
            _ => vec![Command::AdoptEpoch(EPOCH), Command::Unsettle],
        }
    }

    /// Carried out by the steps of the plan; after a removal the files are searched.
    fn carry_out(&mut self, commands: &[Command]) {
        let now = Now { wall: UnixMs(0), ran: Ran(0) };
        let claim = Core::load(Loaded::default(), StreamId(1), now).claim(now);
        let after = After { standing: standing(self.seq.saturating_sub(50)), lease: None, claim };
        let (commands, visits) = (commands.to_vec(), vec![]);
        let batch = Batch { number: 1, inputs: 1, commands, visits, after };
        let Batch { commands, after: After { standing, .. }, .. } = &batch;
        let on_disk = OnDisk { standing: self.store.outbox.standing(), lease: None };
        for step in plan(&batch, &on_disk) {
            match step {
                Step::WriteCache(flush) => {
                    drop(self.store.cache.write(commands, standing, None, flush).unwrap());
                }
                Step::EmptyCacheLog => self.store.cache.empty_log().unwrap(),
                Step::WriteOutbox(flush) => {
                    self.store.outbox.write(commands, &[], standing, flush).unwrap();
                }
                Step::EmptyOutboxLog => {
                    self.store.outbox.empty_log().unwrap();
                    self.check();
                }
                _ => {}
            }
        }
    }

    fn check(&mut self) {
        self.checks += 1;
        let in_cache = self.customers.values().chain(self.own.values());
        let in_outbox = self.visits.iter().filter_map(|(_, face)| face.as_ref()).map(|(_, number)| number);
        let each_once = |numbers: &mut dyn Iterator<Item = &usize>| -> BTreeMap<usize, usize> {
            numbers.map(|number| (*number, 16)).collect()
        };
        for (file, held) in [
            ("cache.db", each_once(&mut in_cache.into_iter())),
            ("outbox.db", each_once(&mut in_outbox.into_iter())),
        ] {
            let read = |name: String| fs::read(self.folder.path().join(name)).unwrap_or_default();
            assert!(
                self.pieces.found(&read(file.to_owned())) == held,
                "{file} after {} removals, seq {}: {:?} is not {held:?}",
                self.checks,
                self.seq,
                self.pieces.found(&read(file.to_owned())),
            );
            let log = self.pieces.found(&read(format!("{file}-wal")));
            // Only an outbox whose faces have not changed keeps its log.
            assert!(log.keys().all(|number| held.contains_key(number)), "the log of {file}: {log:?}");
        }
    }

    fn reopen(self) -> Self {
        let Self { folder, store, .. } = self;
        drop(store);
        let (store, opened) = Store::open(folder.path(), &key()).unwrap();
        let customers: BTreeMap<_, _> = opened.customers.into_iter().collect();
        assert_eq!((customers.len(), opened.own.len()), (self.customers.len(), self.own.len()));
        for (face_id, number) in &self.customers {
            assert!(customers[face_id].customer.embedding == self.faces[*number], "the right face");
        }
        for (face_id, own) in &opened.own {
            assert!(own.embedding == self.faces[self.own[face_id]], "the right face");
        }
        for (key, face) in &self.visits {
            match (store.outbox.visit(*key).unwrap().unwrap().seen, face) {
                (Seen::Anonymous, None) => {}
                (Seen::New { face_id, embedding, .. }, Some((expected, number))) => {
                    assert!(face_id == *expected && embedding == self.faces[*number], "the right face");
                }
                (seen, face) => panic!("{seen:?} is not {face:?}"),
            }
        }
        Self { folder, store, ..self }
    }
}

#[test]
fn no_piece_of_a_face_outlives_its_removal_anywhere_and_no_face_is_ever_there_twice() {
    // How many customers there are before: with 2,000 the tree of the faces has three levels.
    for (seed, before, steps) in [(1, 0, 1_500), (2, 0, 1_500), (3, 200, 500), (4, 2_000, 100)] {
        let mut shop = Shop::open(seed);
        let fill: Vec<Command> = (0..before)
            .map(|_| {
                let (face_id, number) = (shop.new_id(), shop.new_face());
                shop.put(&face_id, number)
            })
            .collect();
        shop.carry_out(&fill);
        for step in 1..=steps {
            let commands = shop.step();
            shop.carry_out(&commands);
            if step % 100 == 0 {
                shop = shop.reopen();
            }
        }
        assert!(shop.checks > steps / 4, "{} removals of {steps} steps", shop.checks);
    }
}

#[test]
fn a_file_written_anew_erases_as_exactly_as_before() {
    let mut shop = Shop::open(5);
    for step in 0..500 {
        let commands = shop.step();
        shop.carry_out(&commands);
        if step % 50 == 0 {
            shop.store.vacuum().unwrap();
        }
    }
}
