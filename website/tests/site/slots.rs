//! On SQLite a face stands in one place of the file until it is erased there, and is then nowhere in the files, whatever else
//! was done before: from the moment its removal is done, without any VACUUM.

use crate::stage::{Stage, actor, add_location, join, location};
use protocol::{
    Embedding, FaceId, SpaceId, UnixMs,
    message::{Customer as Content, EnrolPolicy, Flag, Similarity},
};
use std::{
    collections::{HashMap, HashSet},
    fs,
    path::Path,
};
use website::{
    App,
    changes::{self, Edit, Held, Newcomer},
    clock,
    points::Points,
    tables::{
        consents::How,
        customers::{self, Tally},
        review_queue::Waiting,
        spaces::{self, Space},
    },
};

/// Numbers as random as it needs, the same every time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % n
    }

    fn value(&mut self) -> f32 {
        self.below(1 << 20) as f32 / (1 << 19) as f32 - 1.0
    }
}

/// Every eight bytes of faces that are held no more, and a table that most others are turned away by.
struct Gone {
    pieces: HashSet<u64>,
    perhaps: Vec<bool>,
}

impl Gone {
    fn place(piece: u64) -> usize {
        (piece.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 42) as usize
    }

    fn add(&mut self, face: &Embedding) {
        for piece in face.as_bytes().chunks_exact(8) {
            let piece = u64::from_le_bytes(piece.try_into().unwrap());
            self.pieces.insert(piece);
            self.perhaps[Gone::place(piece)] = true;
        }
    }

    /// How many of the pieces there are in the database's files, wherever they begin.
    fn found(&self, folder: &Path) -> usize {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let database = files.filter(|path| path.to_string_lossy().contains("website.db"));
        let mut found = 0;
        for bytes in database.map(|path| fs::read(path).unwrap()) {
            let mut window = 0_u64;
            for byte in bytes {
                window = window >> 8 | u64::from(byte) << 56;
                if self.perhaps[Gone::place(window)] && self.pieces.contains(&window) {
                    found += 1;
                }
            }
        }
        found
    }
}

/// Bytes of three lengths: several to a page, a few, and more than a page has room for.
const DIMENSIONS: [usize; 3] = [256, 512, 2048];

fn space(dimension: usize) -> SpaceId {
    format!("of_{dimension}").parse().unwrap()
}

struct Store<'a> {
    app: &'a App,
    folder: &'a Path,
    dice: Dice,
    minted: u32,
    edge: protocol::EdgeId,
    live: Vec<(FaceId, Embedding)>,
    waiting: Vec<(FaceId, Embedding)>,
    /// Where in the file each face begins.
    places: HashMap<FaceId, usize>,
    gone: Gone,
    erased: usize,
}

impl Store<'_> {
    fn mint(&mut self) -> FaceId {
        self.minted += 1;
        format!("face_{:05}", self.minted).parse().unwrap()
    }

    fn picture(&mut self, dimension: usize) -> Embedding {
        let values: Vec<f32> = (0..dimension).map(|_| self.dice.value()).collect();
        Embedding::from_f32(&values).unwrap()
    }

    /// Another picture of somebody who is live: none of its bytes are the same.
    fn like(&mut self, face: &Embedding) -> Embedding {
        let values: Vec<f32> =
            face.to_f32().iter().map(|value| value * (1.0 + 0.2 * self.dice.value())).collect();
        Embedding::from_f32(&values).unwrap()
    }

    fn name(&mut self) -> protocol::Name {
        "x".repeat(1 + self.dice.below(100)).parse().unwrap()
    }

    async fn enrol(&mut self, people: usize, dimension: usize) {
        let mut held = Held::begin(&self.app.db, &location()).await.unwrap();
        for _ in 0..people {
            let (face_id, embedding, name) = (self.mint(), self.picture(dimension), self.name());
            let content =
                Content { name, flag: Flag::None, space: space(dimension), embedding: embedding.clone() };
            let newcomer = Newcomer {
                face_id: &face_id,
                content,
                seen: Tally::one(UnixMs(1), Points::default()),
                duplicate_of: None,
            };
            held.enrol(newcomer, &actor()).await.unwrap();
            self.live.push((face_id, embedding));
        }
        held.commit().await.unwrap();
    }

    async fn queue(&mut self, dimension: usize) {
        let known =
            self.live.iter().find(|(_, face)| face.dimension() == dimension).map(|(_, face)| face.clone());
        let embedding = match known.filter(|_| self.dice.below(3) == 0) {
            Some(face) => self.like(&face),
            None => self.picture(dimension),
        };
        let face_id = self.mint();
        let waiting = Waiting {
            face_id: face_id.clone(),
            edge: self.edge.clone(),
            space: space(dimension),
            embedding: embedding.clone(),
            seen_at: UnixMs(1),
            received_at: clock::now(),
        };
        let mut held = Held::begin(&self.app.db, &location()).await.unwrap();
        held.queue_for_review(&waiting).await.unwrap();
        held.commit().await.unwrap();
        self.waiting.push((face_id, embedding));
    }

    /// Somebody, sooner one who came early: so pages of the same time empty together.
    fn pick(&mut self) -> usize {
        let n = self.dice.below(self.live.len().min(20));
        self.dice.below(n + 1)
    }

    async fn edit(&mut self) {
        let (n, name) = (self.pick(), self.name());
        let face_id = self.live[n].0.clone();
        let edit = Edit { name: Some(name), flag: Some([Flag::Green, Flag::Red][self.dice.below(2)]) };
        changes::edit(self.app, &location(), &face_id, edit, &actor()).await.unwrap();
    }

    async fn remove(&mut self) {
        let n = self.pick();
        let (face_id, face) = self.live.remove(n);
        changes::remove(self.app, &location(), &face_id, &actor()).await.unwrap();
        self.is_nowhere(&face);
    }

    async fn merge(&mut self) {
        let (n, winner) = (self.pick(), self.live.last().unwrap().0.clone());
        if self.live[n].0 == winner {
            return;
        }
        let (face_id, face) = self.live.remove(n);
        changes::merge(self.app, &location(), &face_id, &winner, &actor()).await.unwrap();
        self.is_nowhere(&face);
    }

    async fn refuse(&mut self) {
        let Some((face_id, face)) = self.waiting.pop() else { return };
        changes::refuse(self.app, &location(), &face_id, &actor()).await.unwrap();
        self.is_nowhere(&face);
    }

    async fn accept(&mut self) {
        let Some((face_id, face)) = self.waiting.pop() else { return };
        changes::accept(self.app, &location(), &face_id, How::Spoken, &actor()).await.unwrap();
        // Erased in one slot, put into another one.
        self.places.remove(&face_id);
        if self.row(&face_id).await.is_some() {
            self.live.push((face_id, face));
        } else {
            self.is_nowhere(&face);
        }
    }

    async fn row(&self, face_id: &FaceId) -> Option<Embedding> {
        let mut tx = self.app.db.read().await.unwrap();
        let row = customers::get(&mut tx, &location(), face_id).await.unwrap().unwrap();
        row.live().map(|live| live.content.embedding.clone())
    }

    fn is_nowhere(&mut self, face: &Embedding) {
        self.gone.add(face);
        self.erased += 1;
        assert_eq!(self.gone.found(self.folder), 0, "pieces of erased faces, after {} of them", self.erased);
    }

    /// Every face that is held stands in the file once, and where it stood from the beginning.
    async fn nobody_has_moved(&mut self) {
        self.app.db.scrub().await.unwrap();
        let begin = |face: &Embedding| u64::from_le_bytes(face.as_bytes()[..8].try_into().unwrap());
        let held = self.live.iter().chain(&self.waiting);
        let begins: HashMap<u64, &FaceId> = held.map(|(face_id, face)| (begin(face), face_id)).collect();
        let (mut window, mut found) = (0_u64, 0);
        for (at, byte) in fs::read(self.folder.join("website.db")).unwrap().into_iter().enumerate() {
            window = window >> 8 | u64::from(byte) << 56;
            if let Some(face_id) = begins.get(&window) {
                let place = *self.places.entry((*face_id).clone()).or_insert(at);
                assert_eq!(place, at, "{face_id} has moved, or there are two of it");
                found += 1;
            }
        }
        assert_eq!(found, begins.len());
    }

    /// Seldom one of the long ones.
    fn dimension(&mut self) -> usize {
        DIMENSIONS[[0, 0, 0, 0, 1, 1, 1, 2][self.dice.below(8)]]
    }

    /// Many come, and then most of them go, with everything else that happens in between.
    async fn tide(&mut self, come: usize, go: usize) {
        for _ in 0..come {
            let dimension = self.dimension();
            match self.dice.below(10) {
                0..6 => self.enrol(1, dimension).await,
                6 => self.queue(dimension).await,
                _ if self.live.is_empty() => {}
                _ => self.edit().await,
            }
        }
        self.nobody_has_moved().await;
        for _ in 0..go {
            let dimension = self.dimension();
            match self.dice.below(10) {
                _ if self.live.len() < 5 => self.enrol(1, dimension).await,
                0..5 => self.remove().await,
                5 => self.merge().await,
                6 => self.edit().await,
                7 => self.enrol(1, dimension).await,
                8 => self.accept().await,
                _ => self.refuse().await,
            }
        }
        self.nobody_has_moved().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_face_is_nowhere_in_the_files_from_that_moment_on() {
    let stage = Stage::sqlite();
    let app = stage.app().await;
    add_location(&app, &location(), EnrolPolicy::Approve).await;
    let edge = join(&app, &location(), "door", 1).await.0.edge;
    let mut tx = app.db.write().await.unwrap();
    for dimension in DIMENSIONS {
        let (match_at, new_below) = (Similarity(8000), Similarity(6000));
        let space = Space { id: space(dimension), dimension, match_at, new_below };
        spaces::insert(&mut tx, &space, clock::now()).await.unwrap();
    }
    tx.commit().await.unwrap();
    let mut store = Store {
        app: &app,
        folder: stage.data.path(),
        dice: Dice(0x5EED),
        minted: 0,
        edge,
        live: Vec::new(),
        waiting: Vec::new(),
        places: HashMap::new(),
        gone: Gone { pieces: HashSet::new(), perhaps: vec![false; 1 << 22] },
        erased: 0,
    };
    for dimension in DIMENSIONS {
        store.enrol(1, dimension).await;
        let mut held = Gone { pieces: HashSet::new(), perhaps: vec![false; 1 << 22] };
        held.add(&store.live.last().unwrap().1);
        app.db.scrub().await.unwrap();
        // (A piece that stands on two pages is not found.)
        assert!(held.found(stage.data.path()) >= held.pieces.len() - 2, "the search can see");
    }
    for _ in 0..8 {
        store.tide(60, 50).await;
    }
    // So many that the tree of them grows by a floor.
    store.enrol(1300, 512).await;
    store.tide(30, 60).await;
    assert!(store.erased > 200, "{}", store.erased);
    for (face_id, face) in &store.live {
        assert_eq!(store.row(face_id).await.as_ref(), Some(face), "whoever is held is held whole");
    }
    app.db.close().await;
}
