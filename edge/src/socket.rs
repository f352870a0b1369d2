//! The door for programs on the same machine: a unix socket in the state folder, readable by its owner alone. One
//! request a connection, one line of JSON each way.

use crate::{
    camera::Feed,
    clock::{self, Clock},
    face::{FaceVector, Grade},
    input::Sighting,
    live::{Answer, Live},
    start::Eyepiece,
    status::Status,
};
use anyhow::{Context, Result, bail};
use protocol::SpaceId;
use serde::{Deserialize, Serialize};
use std::{
    fs, io,
    io::{BufRead, BufReader, Write},
    os::unix::{fs::PermissionsExt, net::UnixStream},
    path::{Path, PathBuf},
    sync::{Arc, OnceLock},
    time::Duration,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt},
    net::UnixListener,
    sync::watch,
    task::JoinSet,
    time::timeout,
};
use tokio_util::sync::CancellationToken;

const NAME: &str = "edge.sock";
/// Longest request: a few hundred faces of 512 components as decimal numbers.
const REQUEST_BYTES_MAX: u64 = 4 * 1024 * 1024;
const CLIENTS_MAX: usize = 16;
const PATIENCE: Duration = Duration::from_secs(5);

/// What may be asked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// How the daemon is.
    Status,
    /// Who these faces are.
    Match {
        /// The space of the vectors.
        space: SpaceId,
        /// The faces, each with what it is good enough for.
        faces: Vec<Asked>,
    },
    /// A program with eyes of its own shows a face: it is decided on and counted like one of the camera's.
    See {
        /// The space of the vector.
        space: SpaceId,
        /// The face.
        face: Asked,
    },
}

/// A face in a question.
#[derive(Serialize, Deserialize)]
pub struct Asked {
    /// Its vector.
    pub vector: Vec<f32>,
    /// What it is good enough for.
    pub good_for: GoodFor,
}

/// A grade without its reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoodFor {
    /// Enrolment.
    Enrol,
    /// Recognition.
    Match,
}

/// The door of a state folder; it can be knocked at as soon as this returns.
#[derive(Debug)]
pub struct Door {
    listener: UnixListener,
    path: PathBuf,
}

impl Door {
    /// Makes the socket. A folder whose path is too long for one is no reason not to run: then there is no door, and
    /// the log says so.
    pub fn open(folder: &Path) -> Option<Self> {
        let path = folder.join(NAME);
        match bind(&path) {
            Ok(listener) => Some(Self { listener, path }),
            Err(error) => {
                tracing::warn!(%error, "`edge status` and `edge match` cannot reach this daemon: its socket cannot be made");
                None
            }
        }
    }
}

/// The edge behind the door.
#[derive(Debug, Clone)]
pub struct Behind {
    /// Whom it recognises.
    pub live: Arc<Live>,
    /// Its time.
    pub clock: Arc<Clock>,
    /// How it is.
    pub status: watch::Receiver<Status>,
    /// What it looks through, once it does.
    pub camera: Arc<OnceLock<Arc<Feed>>>,
    /// Where sightings go in.
    pub sightings: Eyepiece,
}

/// Serves until `stop`.
///
/// # Errors
/// Never: what goes wrong with one client is that client's.
pub async fn serve(door: Option<Door>, edge: Behind, stop: CancellationToken) -> Result<()> {
    let Some(Door { listener, path }) = door else {
        stop.cancelled().await;
        return Ok(());
    };
    let mut clients = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        while clients.try_join_next().is_some() {}
        if let Ok((stream, _)) = accepted
            && clients.len() < CLIENTS_MAX
        {
            clients.spawn(timeout(PATIENCE, client(stream, edge.clone())));
        }
    }
    // Whoever asks now sees that nobody is there.
    let _ = fs::remove_file(path);
    Ok(())
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    // The folder's lock is ours, so a socket that lies there is a dead daemon's.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

async fn client(stream: tokio::net::UnixStream, edge: Behind) -> io::Result<()> {
    let Behind { live, clock, status, camera, sightings } = edge;
    let (read, mut write) = stream.into_split();
    let mut line = String::new();
    tokio::io::BufReader::new(read.take(REQUEST_BYTES_MAX)).read_line(&mut line).await?;
    let reply = match serde_json::from_str(&line) {
        Ok(Request::Status) => {
            let camera = camera.get().map(|feed| feed.status());
            let status = Status { now: clock.wall(), camera, ..status.borrow().clone() };
            serde_json::to_value(status).map_err(io::Error::other)?
        }
        // Some hundred searches are not made where the rules wait for their turn.
        Ok(Request::Match { space, faces }) => match searched(live, clock, space, faces).await {
            Ok(answers) => serde_json::json!({ "answers": answers }),
            Err(error) => serde_json::json!({ "error": error.to_string() }),
        },
        Ok(Request::See { space, face }) => match see(&live, &sightings, &space, &face).await {
            Ok(answer) => serde_json::json!({ "answer": answer }),
            Err(error) => serde_json::json!({ "error": error.to_string() }),
        },
        Err(_) => serde_json::json!({ "error": "the request cannot be read" }),
    };
    write.write_all(format!("{reply}\n").as_bytes()).await?;
    write.shutdown().await
}

async fn searched(
    live: Arc<Live>,
    clock: Arc<Clock>,
    space: SpaceId,
    faces: Vec<Asked>,
) -> Result<Vec<Answer>> {
    tokio::task::spawn_blocking(move || answer(&live, &clock, &space, &faces)).await?
}

/// Asks a gallery about faces of one space.
///
/// # Errors
/// When the faces are of another model than the gallery's.
pub fn answer(live: &Live, clock: &Clock, space: &SpaceId, faces: &[Asked]) -> Result<Vec<Answer>> {
    let answers = faces.iter().map(|face| {
        let (vector, grade) = face.of(live, space)?;
        Ok(live.decide(vector.as_slice(), grade, clock.wall())?)
    });
    answers.collect()
}

/// Shows a face to the daemon; when this answers, what is counted of it is durable.
async fn see(live: &Live, sightings: &Eyepiece, space: &SpaceId, face: &Asked) -> Result<Answer> {
    let (vector, grade) = face.of(live, space)?;
    sightings.see(Sighting { vector, grade, at: clock::system() }).await
}

impl Asked {
    fn of(&self, live: &Live, space: &SpaceId) -> Result<(FaceVector, Grade)> {
        if *space != live.space().id || self.vector.len() != live.space().dimension {
            bail!("the edge recognises with another model: give the --models it runs with");
        }
        let grade = match self.good_for {
            GoodFor::Enrol => Grade::Enrol,
            GoodFor::Match => Grade::Match(crate::face::Shortfall::Small),
        };
        let vector = FaceVector::from_output(&self.vector).context("a face has no direction")?;
        Ok((vector, grade))
    }
}

/// Asks the daemon of a state folder; `None` when none runs.
///
/// # Errors
/// When it runs and does not answer, or refuses.
pub fn ask(folder: &Path, request: &Request) -> Result<Option<serde_json::Value>> {
    let mut stream = match UnixStream::connect(folder.join(NAME)) {
        Ok(stream) => stream,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused) => {
            return Ok(None);
        }
        Err(error) => return Err(error).context("the running edge cannot be asked"),
    };
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    stream.write_all(format!("{}\n", serde_json::to_string(request)?).as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line).context("the running edge does not answer")?;
    let reply: serde_json::Value =
        serde_json::from_str(&line).context("the running edge's answer cannot be read")?;
    match reply.get("error").and_then(serde_json::Value::as_str) {
        Some(error) => bail!("{error}"),
        None => Ok(Some(reply)),
    }
}
