//! A website with a database of its own, not started, and what tests put into it.

use protocol::{
    Embedding, FaceId, LocationId, PublicKey, SigningKey, UnixMs,
    message::{Customer, EnrolPolicy, Flag, Similarity},
};
use rumqttc::MqttOptions;
use std::{
    net::{IpAddr, Ipv4Addr},
    sync::Arc,
};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use website::{
    App, Settings, Website,
    changes::{Actor, Held, Newcomer},
    db::Tx,
    edges::{self, JoinRequest, Joined},
    locations::{self, NewLocation},
    points::Points,
    tables::{customers::Tally, spaces::Space},
};

pub use test_kit::until_async as until;

pub const DIMENSION: usize = 64;
/// What people log in with.
pub const PASSWORD: &str = "a good long password";

pub struct Stage {
    pub data: TempDir,
    pub database_url: Option<String>,
}

/// A copy of a database.
pub enum Copy {
    File(Vec<u8>),
    Database(String),
}

impl Stage {
    pub fn sqlite() -> Stage {
        Stage { data: tempfile::tempdir().unwrap(), database_url: None }
    }

    /// A fresh database on the PostgreSQL server, if there is one.
    pub async fn postgres() -> Option<Stage> {
        let url = test_kit::postgres::database("site")?;
        Some(Stage { data: tempfile::tempdir().unwrap(), database_url: Some(url) })
    }

    /// A copy of the database as it is. Nothing may be connected to it.
    pub async fn copy(&self) -> Copy {
        let file = self.data.path().join("website.db");
        match &self.database_url {
            None => Copy::File(std::fs::read(file).unwrap()),
            Some(url) => Copy::Database(test_kit::postgres::copy(url)),
        }
    }

    /// Puts a copy in the database's place, as somebody does by hand.
    pub fn put_back(&mut self, copy: Copy) {
        match copy {
            Copy::File(bytes) => std::fs::write(self.data.path().join("website.db"), bytes).unwrap(),
            Copy::Database(url) => self.database_url = Some(url),
        }
    }

    pub fn settings(&self) -> Settings {
        let settings = Settings::new(self.data.path().to_owned()).on_free_ports();
        Settings { database_url: self.database_url.clone(), ..settings }
    }

    /// The website's shared part without anything running.
    pub async fn app(&self) -> Arc<App> {
        let app = App::open(self.settings()).await.unwrap();
        app.mqtt.set(([127, 0, 0, 1], 1883).into()).unwrap();
        app
    }

    /// The website with everything running.
    pub async fn start(&self) -> Website {
        website::start(self.settings(), CancellationToken::new()).await.unwrap()
    }
}

pub fn location() -> LocationId {
    "berlin".parse().unwrap()
}

pub fn actor() -> Actor {
    Actor::token("tests")
}

pub fn space() -> Space {
    Space {
        id: "toy".parse().unwrap(),
        dimension: DIMENSION,
        match_at: Similarity(8000),
        new_below: Similarity(6000),
    }
}

pub async fn add_location(app: &App, id: &LocationId, enrol: EnrolPolicy) {
    let new = NewLocation {
        id: id.clone(),
        name: "Berlin".into(),
        time_zone: "Europe/Berlin".into(),
        enrol,
        points_per_visit: Points::default(),
    };
    locations::add(app, new, &actor()).await.unwrap();
}

/// Adds an edge and lets it join with the key of `seed`.
pub async fn join(app: &App, location: &LocationId, name: &str, seed: u8) -> (Joined, SigningKey) {
    let added = edges::add(app, location, name, "", &actor()).await.unwrap();
    let key = SigningKey::from_seed([seed; 32]);
    (join_with(app, &added.code, key.public()).await.unwrap(), key)
}

pub async fn join_with(app: &App, code: &str, key: PublicKey) -> Result<Joined, edges::JoinError> {
    let request = JoinRequest { code: code.to_owned(), public_key: key, space: space() };
    edges::join(app, &request, IpAddr::V4(Ipv4Addr::LOCALHOST)).await
}

/// How somebody connects to the website's broker.
pub fn mqtt_options(website: &Website, client: &str, name: &str, password: &str) -> MqttOptions {
    let mut options = MqttOptions::new(client, ("127.0.0.1", website.mqtt.port()));
    options.set_credentials(name, password.to_owned()).set_max_packet_size(65_536, 65_536);
    options
}

pub fn face(n: u32) -> FaceId {
    format!("face_{n:05}").parse().unwrap()
}

/// Somebody's face: people of different numbers are not alike (their cosine is below 0.6), the same number with
/// another `look` is (above 0.95).
pub fn picture(person: u32, look: u32) -> Embedding {
    let random = |seed: u64, n: usize| {
        let mut x =
            seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ (n as u64 + 1).wrapping_mul(0xD1B5_4A32_D192_ED03);
        x = (x ^ (x >> 29)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        x = (x ^ (x >> 32)).wrapping_mul(0x94D0_49BB_1331_11EB);
        ((x >> 40) as f32 / (1_u64 << 24) as f32) - 0.5
    };
    let values: Vec<f32> = (0..DIMENSION)
        .map(|n| random(u64::from(person) + 1, n) + 0.1 * random(u64::from(look) + 1_000_003, n))
        .collect();
    Embedding::from_f32(&values).unwrap()
}

/// Makes people of these numbers customers, in one transaction.
pub async fn enrol(app: &App, location: &LocationId, people: std::ops::Range<u32>) {
    let mut held = Held::begin(&app.db, location).await.unwrap();
    for n in people {
        let content = Customer {
            name: format!("Person {n}").parse().unwrap(),
            flag: Flag::None,
            space: space().id,
            embedding: picture(n, 0),
        };
        let newcomer = Newcomer {
            face_id: &face(n),
            content,
            seen: Tally::one(UnixMs(1), Points::default()),
            duplicate_of: None,
        };
        held.enrol(newcomer, &actor()).await.unwrap();
    }
    held.commit().await.unwrap();
    app.changed.notify_one();
}

/// Changes the tables behind the website's back: what only time or damage can do.
pub async fn sql(app: &App, statement: &'static str) {
    let mut tx = app.db.write().await.unwrap();
    match &mut tx {
        Tx::Pg(tx) => drop(sqlx::query(statement).execute(&mut **tx).await.unwrap()),
        Tx::Lite(tx) => drop(sqlx::query(statement).execute(&mut **tx).await.unwrap()),
    }
    tx.commit().await.unwrap();
}
