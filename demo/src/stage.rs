//! The stage: a website with its broker, two stores, and their edges.

use crate::{log::Log, people::DIMENSION};
use anyhow::{Context, Result};
use edge::{
    Edge, Space, Thresholds,
    face::{EyesConfig, ModelSet},
    join::{Join, Plaintext, join},
};
use protocol::{LocationId, message::EnrolPolicy};
use std::{net::SocketAddr, path::PathBuf, time::Duration};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use website::{Settings, Website, changes::Actor, edges, locations, points::Points};

/// What the edges look at.
#[derive(Debug, Clone)]
pub enum Eyesight {
    /// Vectors of people who do not exist.
    Simulated,
    /// Real pictures, by real models.
    Pictures {
        /// The folder of pictures.
        folder: PathBuf,
        /// How they are looked at.
        eyes: EyesConfig,
    },
}

/// Everything that runs.
pub struct Stage {
    /// The website, its broker inside.
    pub website: Website,
    /// Its stores.
    pub stores: Vec<Store>,
    /// What the edges look at.
    pub eyesight: Eyesight,
    // Goes last: everything above keeps its files in here.
    _folder: TempDir,
}

/// One store.
pub struct Store {
    /// The location.
    pub location: LocationId,
    /// Its edges.
    pub posts: Vec<Post>,
}

/// An edge's place in a store, whether it runs or not.
pub struct Post {
    /// As people call it.
    pub name: String,
    settings: edge::Settings,
    running: Option<(Edge, Log)>,
}

/// Two stores with five edges between them.
const STORES: [(&str, &str, &str, &[&str]); 2] = [
    ("oslo", "Oslo, Grünerløkka", "Europe/Oslo", &["front door", "till", "stairs"]),
    ("lisboa", "Lisboa, Alfama", "Europe/Lisbon", &["front door", "till"]),
];

/// After how long out of sight a visit is over. Short, so that the page has something to show.
const AWAY: Duration = Duration::from_secs(20);

impl Stage {
    /// Starts everything in a temporary folder. All edges are joined and running when this returns.
    pub async fn set(
        listen: SocketAddr,
        mqtt_listen: SocketAddr,
        eyesight: Eyesight,
        stop: CancellationToken,
    ) -> Result<Self> {
        let space = eyesight.space()?;
        let folder = tempfile::tempdir().context("there is no room for temporary files")?;
        let settings = Settings { listen, mqtt_listen, ..Settings::new(folder.path().join("website")) };
        let website = website::start(settings, stop).await?;
        let mut stores = Vec::new();
        for (id, name, time_zone, posts) in STORES {
            let location: LocationId = id.parse()?;
            let new = locations::NewLocation {
                id: location.clone(),
                name: name.to_owned(),
                time_zone: time_zone.to_owned(),
                enrol: EnrolPolicy::Auto,
                points_per_visit: Points::default(),
            };
            locations::add(&website.app, new, &Actor::command_line()).await?;
            let mut store = Store { location, posts: Vec::new() };
            for post in posts {
                let state = folder.path().join(format!("{id}-{}", post.replace(' ', "-")));
                store.posts.push(Post::join(&website, &store.location, post, state, space.clone()).await?);
            }
            stores.push(store);
        }
        let mut stage = Self { website, stores, eyesight, _folder: folder };
        for post in stage.stores.iter_mut().flat_map(|store| &mut store.posts) {
            post.start().await?;
        }
        Ok(stage)
    }

    /// Stops the edges and then the website.
    pub async fn clear(self) -> Result<()> {
        for mut post in self.stores.into_iter().flat_map(|store| store.posts) {
            post.stop().await?;
        }
        self.website.stop().await;
        Ok(())
    }
}

impl Eyesight {
    fn space(&self) -> Result<Space> {
        match self {
            Self::Simulated => Ok(Space {
                id: "simulated-512".parse()?,
                dimension: DIMENSION,
                thresholds: Thresholds { matches: 0.55, new: 0.45, same_track: 0.25 },
            }),
            Self::Pictures { eyes, .. } => {
                Ok(Space::from(&ModelSet::find(&eyes.models, eyes.unproven)?.manifest))
            }
        }
    }
}

impl Post {
    async fn join(
        website: &Website,
        at: &LocationId,
        name: &str,
        state: PathBuf,
        space: Space,
    ) -> Result<Self> {
        let code = edges::add(&website.app, at, name, "", &Actor::command_line()).await?.code;
        let url = format!("http://{}", website.http);
        let how = Join {
            url,
            code,
            state: state.clone(),
            space: space.clone(),
            plaintext: Plaintext::LoopbackOnly,
            ca_fingerprint: None,
        };
        tokio::task::spawn_blocking(move || join(&how)).await??;
        let settings = edge::Settings { state, space, away: AWAY };
        Ok(Self { name: name.to_owned(), settings, running: None })
    }

    /// Starts the edge on the state it has.
    pub async fn start(&mut self) -> Result<()> {
        let edge = edge::start(self.settings.clone(), CancellationToken::new()).await?;
        let log = Log::follow(edge.events());
        self.running = Some((edge, log));
        Ok(())
    }

    /// Stops the edge, as when its plug is pulled: it keeps its state and hears nothing.
    pub async fn stop(&mut self) -> Result<()> {
        match self.running.take() {
            Some((edge, _)) => edge.stop().await,
            None => Ok(()),
        }
    }

    /// The running edge.
    pub fn edge(&self) -> Result<&Edge> {
        self.running.as_ref().map(|(edge, _)| edge).with_context(|| format!("{} is not running", self.name))
    }

    /// What the running edge told.
    pub fn log(&self) -> Result<&Log> {
        self.running.as_ref().map(|(_, log)| log).with_context(|| format!("{} is not running", self.name))
    }
}
