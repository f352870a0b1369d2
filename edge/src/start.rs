//! Starting an edge inside a process, and the handle on it.

use crate::{
    camera::Feed,
    clock::Clock,
    daemon::{self, Asker, Parts, Seen},
    face::{FaceVector, Grade},
    identity::Identity,
    inbound::Reader,
    input::{Input, Sighting},
    live::{Answer, Live, Space},
    lock::StateLock,
    notice::Notice,
    presence::Presence,
    session::Session,
    socket,
    status::Status,
    store::{OutboxDb, Store, StoredRow, waits_for_disk},
};
use anyhow::{Context, Result, anyhow};
use protocol::{Nonce, StreamId, UnixMs, message::Start};
use std::{
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    sync::{broadcast, mpsc, oneshot, watch},
    task::JoinSet,
};
use tokio_util::sync::CancellationToken;

/// Sightings that wait for the rules task at most; beyond it the cameras wait, as each does for its answer.
const SIGHTINGS_MAX: usize = 64;
const NOTICES_MAX: usize = 16_384;
const DISK_PAUSE: Duration = Duration::from_secs(2);
const TICK: Duration = Duration::from_millis(200);

/// What an edge is started with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder with its identity and its databases.
    pub state: PathBuf,
    /// How its model sees.
    pub space: Space,
    /// A stay ends so long after the last sighting.
    pub away: Duration,
}

/// A running edge.
#[derive(Debug)]
pub struct Edge {
    sightings: Eyepiece,
    live: Arc<Live>,
    clock: Arc<Clock>,
    status: watch::Receiver<Status>,
    camera: Arc<OnceLock<Arc<Feed>>>,
    notices: broadcast::Sender<Notice>,
    tasks: JoinSet<Result<()>>,
    stop: CancellationToken,
}

/// Starts the edge of a state folder that has joined. It runs until `stop` is cancelled.
///
/// # Errors
/// One sentence: when the folder has no identity, is in use, or its files are of a newer program.
pub async fn start(settings: Settings, stop: CancellationToken) -> Result<Edge> {
    let Settings { state, space, away } = settings;
    let identity = Arc::new(Identity::load(&state)?);
    let transport = identity.encryption.transport()?;
    let folder = state.clone();
    let lock = tokio::task::spawn_blocking(move || StateLock::take(&folder)).await??;
    let opening = (state.clone(), identity.clone());
    let live = Arc::new(Live::new(space));
    let known = live.clone();
    let open = move || {
        let mut know = |face_id, row: StoredRow| known.put(&face_id, &row.customer);
        Store::open_each(&opening.0, &opening.1.digest_key, &mut know)
    };
    let (mut store, opened) = tokio::task::spawn_blocking(open).await??;
    if let Some(why) = &opened.cache_lost {
        live.clear();
        tracing::warn!(%why, "the cache was given up and will be filled again");
    }
    let start = Start { count: started(&mut store.outbox, &stop).await?, nonce: Nonce(random()?) };
    let clock = Arc::new(Clock::start(opened.loaded.standing.earliest()));
    let presence = Presence::new(i64::try_from(away.as_millis())?, live.space().thresholds.matches);
    let (notices, _) = broadcast::channel(NOTICES_MAX);
    let (inputs, taken) = mpsc::channel(daemon::INPUTS_MAX);
    let parts = Parts {
        identity: identity.clone(),
        store,
        opened,
        live: live.clone(),
        clock: clock.clone(),
        presence,
        start,
        stream: StreamId(random()?),
        notices: notices.clone(),
    };
    let (rules, storage, status) = tokio::task::spawn_blocking(move || daemon::load(parts)).await?;
    let (seen, shown) = mpsc::channel(SIGHTINGS_MAX);
    let sightings = Eyepiece { live: live.clone(), clock: clock.clone(), seen };

    let mut tasks = JoinSet::new();
    let ends = stop.clone();
    tasks.spawn(async move {
        rules.run(taken, shown, &ends).await;
        ends.cancel();
        Ok(())
    });
    let ends = stop.clone();
    tasks.spawn_blocking(move || {
        let ended = storage.run(&ends);
        drop(lock);
        ends.cancel();
        ended
    });
    let reader = Reader {
        location: identity.location.clone(),
        edge: identity.edge.clone(),
        digest_key: identity.digest_key.clone(),
    };
    let session = Session {
        identity,
        transport,
        reader,
        start: start.count,
        inputs: inputs.clone(),
        stop: stop.clone(),
    };
    tasks.spawn(async move {
        session.run().await;
        Ok(())
    });
    tasks.spawn(tick(inputs, stop.clone()));
    let camera = Arc::default();
    let door = socket::Door::open(&state);
    let behind = socket::Behind {
        live: live.clone(),
        clock: clock.clone(),
        status: status.clone(),
        camera: Arc::clone(&camera),
        sightings: sightings.clone(),
    };
    tasks.spawn(socket::serve(door, behind, stop.clone()));
    Ok(Edge { sightings, live, clock, status, camera, notices, tasks, stop })
}

impl Edge {
    /// How the edge is.
    pub fn status(&self) -> Status {
        let camera = self.camera.get().map(|feed| feed.status());
        Status { now: self.clock.wall(), camera, ..self.status.borrow().clone() }
    }

    /// The edge looks through this camera: its status tells of it from now on. It is told once.
    pub fn looks_through(&self, camera: Arc<Feed>) {
        let _ = self.camera.set(camera);
    }

    /// Asks the live gallery about a face that is well seen, without counting anything.
    ///
    /// # Errors
    /// When the vector is not of this edge's model.
    pub fn decide(&self, vector: &[f32]) -> Result<Answer> {
        Ok(self.live.decide(vector, Grade::Enrol, self.clock.wall())?)
    }

    /// Shows a face to the edge: it decides, and counts the visit when a stay begins. When this answers, the visit is on
    /// the disk, or counted as not stored.
    ///
    /// # Errors
    /// When the edge has stopped, or recognises with another model.
    pub async fn see(&self, vector: FaceVector, grade: Grade, at: UnixMs) -> Result<Answer> {
        self.sightings.see(Sighting { vector, grade, at }).await
    }

    /// Where sightings go in; the same as [`Edge::see`], for whoever does not wait until the visit is stored.
    pub fn eyes(&self) -> Eyepiece {
        self.sightings.clone()
    }

    /// What happens from now on.
    pub fn events(&self) -> broadcast::Receiver<Notice> {
        self.notices.subscribe()
    }

    /// How the edge is, to be waited on.
    pub fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Stops the edge, and waits until it has said goodbye.
    ///
    /// # Errors
    /// When it had stopped by itself before, with the reason.
    pub async fn stop(self) -> Result<()> {
        self.stop.cancel();
        self.ended().await
    }

    /// Waits until the edge has ended: by `stop`, or because it cannot go on.
    ///
    /// # Errors
    /// Why it cannot go on.
    pub async fn ended(mut self) -> Result<()> {
        drop(self.sightings);
        let mut first = Ok(());
        while let Some(ended) = self.tasks.join_next().await {
            self.stop.cancel();
            let ended = ended.context("a task of the edge panicked").and_then(|ended| ended);
            first = first.and(ended);
        }
        first
    }
}

/// A way in for sightings.
#[derive(Debug, Clone)]
pub struct Eyepiece {
    live: Arc<Live>,
    clock: Arc<Clock>,
    seen: mpsc::Sender<Seen>,
}

impl Eyepiece {
    /// Shows a face to the edge, and waits for its answer on the calling thread; that never waits for a disk. The visit,
    /// where one begins, is stored behind it.
    ///
    /// # Errors
    /// When the edge has stopped, or recognises with another model.
    pub fn show(&self, sighting: Sighting) -> Result<Answer> {
        let (asker, answer) = oneshot::channel();
        let seen = self.ask(sighting, Asker::AtOnce(asker))?;
        self.seen.blocking_send(seen).map_err(|_| anyhow!("the edge has stopped"))?;
        answer.blocking_recv().context("the edge has stopped")
    }

    /// Shows a face to the edge; when this answers, what is counted of it is on the disk, or counted as not stored.
    ///
    /// # Errors
    /// The same.
    pub async fn see(&self, sighting: Sighting) -> Result<Answer> {
        let (asker, answer) = oneshot::channel();
        let here = self.clone();
        let asks = move || here.ask(sighting, Asker::OnceStored(asker));
        let seen = tokio::task::spawn_blocking(asks).await??;
        self.seen.send(seen).await.map_err(|_| anyhow!("the edge has stopped"))?;
        answer.await.context("the edge has stopped")
    }

    /// The search is made here, so that the rules task need not wait for it.
    fn ask(&self, sighting: Sighting, asker: Asker) -> Result<Seen> {
        let Sighting { vector, grade, at: _ } = &sighting;
        let (answer, version) = self.live.decide_at(vector.as_slice(), *grade, self.clock.wall())?;
        Ok(Seen { sighting, answer, version, asker })
    }
}

/// Counts the start: durable before anything else, so that an old image is noticed. A full disk is waited for.
async fn started(outbox: &mut OutboxDb, stop: &CancellationToken) -> Result<u64> {
    let mut told = false;
    loop {
        match outbox.started() {
            Err(error) if waits_for_disk(&error) && !stop.is_cancelled() => {
                if !told {
                    tracing::error!(
                        "the start cannot be written down: {error}; until it can, nobody is recognised"
                    );
                }
                told = true;
                let _ = tokio::time::timeout(DISK_PAUSE, stop.cancelled()).await;
            }
            count => return count.context("the start cannot be written down"),
        }
    }
}

async fn tick(inputs: mpsc::Sender<Input>, stop: CancellationToken) -> Result<()> {
    let mut ticks = tokio::time::interval(TICK);
    while !stop.is_cancelled() {
        tokio::select! {
            _ = ticks.tick() => {}
            () = stop.cancelled() => {}
        }
        // A full queue needs no tick.
        if let Err(mpsc::error::TrySendError::Closed(_)) = inputs.try_send(Input::Tick) {
            break;
        }
    }
    Ok(())
}

fn random() -> Result<u64> {
    getrandom::u64().map_err(|error| anyhow!("the system gives no random numbers: {error}"))
}
