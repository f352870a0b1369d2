//! A customer is removed, and ten edges of the location forget.

use super::{
    beside::Beside,
    people,
    stage::{self, PATIENCE, Stage},
};
use crate::arena::Name;
use crate::row::{Row, Want, percentile};
use anyhow::{Context as _, Result, ensure};
use edge::{Answer, Edge, Notice, Verdict, face::Decision};
use protocol::{Epoch, FaceId, LocationId, Seq};
use std::{
    path::PathBuf,
    time::{Duration, Instant},
};
use tokio::{
    sync::{broadcast::error::RecvError, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;
use website::{
    changes::Held,
    tables::{edge_progress, receipts},
};

const EDGES: usize = 10;
const CUSTOMERS: usize = 1_000;
const REMOVALS: usize = 100;
const WARM_UP: usize = 20;
/// How often the tables are asked for the last proof. Nothing tells of a commit there, so that this much of every
/// figure may be waiting; asking more often would take the processor from what is measured.
const RESOLUTION: Duration = Duration::from_millis(1);

/// What an edge has done, and when.
enum Done {
    Forgot(FaceId, Instant),
    Reported(Seq),
}

struct Store {
    stage: Stage,
    location: LocationId,
    epoch: Epoch,
    edges: Vec<Edge>,
    done: mpsc::UnboundedReceiver<Done>,
}

/// From the commit to the last of ten live galleries, and to the last signed report with receipt in the website's
/// tables; one removal at a time. All of it in one process, the edges each with threads and a folder of its own.
pub async fn measure(samples: usize) -> Result<Vec<Row>> {
    let part = |what: &str, want| Row::new(what, "ms", want);
    let mut gone = [
        part("removed: gone from all 10 live galleries, p50", Want::AtMost(2.0)),
        part("removed: gone from all 10 live galleries, p99", Want::AtMost(20.0)),
    ];
    let mut proved = [
        part("removed: durable, probed, signed, stored, p50", Want::AtMost(25.0)),
        part("removed: durable, probed, signed, stored, p99", Want::AtMost(100.0)),
    ];
    let mut hops = [part("  beside: a QoS 1 hop, p50", Want::Stated), part("  p99", Want::Stated)];
    let mut flushes = [part("  beside: 4 KB flushed, p50", Want::Stated), part("  p99", Want::Stated)];
    let mut commits = [part("  beside: a SQLite commit, p50", Want::Stated), part("  p99", Want::Stated)];
    let mut store = Store::open(WARM_UP + samples * REMOVALS + CUSTOMERS).await?;
    let mut beside = Beside::begin().await?;
    for n in 0..WARM_UP {
        store.remove(n).await?;
    }
    for sample in 0..samples {
        let mut times: [Vec<f64>; 5] = Default::default();
        for n in 0..REMOVALS {
            let (first, second) = store.remove(WARM_UP + sample * REMOVALS + n).await?;
            times[0].push(first);
            times[1].push(second);
            times[2].extend(beside.hop().await?);
            times[3].push(beside.flush()?);
            times[4].push(beside.commit().await?);
        }
        for (rows, times, name) in [
            (&mut gone, &times[0], Name::Ours),
            (&mut proved, &times[1], Name::Ours),
            (&mut hops, &times[2], Name::Mosquitto),
            (&mut flushes, &times[3], Name::Mosquitto),
            (&mut commits, &times[4], Name::Mosquitto),
        ] {
            for (row, part) in rows.iter_mut().zip([0.5, 0.99]) {
                percentile(times, part).into_iter().for_each(|value| row.add(name, value));
            }
        }
    }
    store.close().await?;
    Ok([gone, proved, hops, flushes, commits].into_iter().flatten().collect())
}

impl Store {
    async fn open(customers: usize) -> Result<Store> {
        let stage = Stage::set().await?;
        let location = stage.location("ten").await?;
        let mut states: Vec<PathBuf> = Vec::new();
        for n in 0..EDGES {
            states.push(stage.join(&location, &format!("edge-{n}")).await?);
        }
        let seq = stage.enrol(&location, 0..customers).await?;
        let found = website::locations::get(&stage.website.app, &location).await?.context("no location")?;
        let (tell, done) = mpsc::unbounded_channel();
        let mut edges = Vec::new();
        for state in states {
            let settings = edge::Settings { state, space: people::space()?, away: Duration::from_secs(20) };
            let edge = edge::start(settings, CancellationToken::new()).await?;
            tokio::spawn(follow(edge.events(), tell.clone()));
            edges.push(edge);
        }
        let store = Store { stage, location, epoch: found.totals.epoch, edges, done };
        store.at_rest(seq).await?;
        Ok(store)
    }

    /// Waits until every edge has verified this seq and has nothing left to say.
    async fn at_rest(&self, seq: Seq) -> Result<()> {
        for edge in &self.edges {
            let mut status = edge.watch();
            let rest = status.wait_for(|status| status.verified >= seq.0 && status.receipts_waiting == 0);
            timeout(PATIENCE, rest).await.context("an edge does not come to rest")??;
        }
        Ok(())
    }

    /// Removes a customer as the pages do, and tells how long it took until every edge had forgotten and until
    /// every edge had proved it.
    async fn remove(&mut self, number: usize) -> Result<(f64, f64)> {
        while self.done.try_recv().is_ok() {}
        let (app, face_id, by) = (self.stage.website.app.clone(), people::face(number)?, stage::by());
        let mut held = Held::begin(&app.db, &self.location).await?;
        let row = held.live(&face_id).await?;
        let seq = held.remove(&row, &by).await?;
        held.note("customer.remove", face_id.as_str(), &by).await?;
        held.commit().await?;
        let committed = Instant::now();
        app.changed.notify_one();
        let rest = async {
            app.db.scrub().await?;
            Ok(app.ledger.write_down(&app.db).await?)
        };
        let (rest, times): (Result<()>, _) =
            tokio::join!(rest, timeout(PATIENCE, self.forgotten(&face_id, seq)));
        rest?;
        let (gone, proved) = times.context("not every edge has proved a removal")??;
        self.at_rest(seq).await?;
        self.nobody_finds(number)?;
        let ms = |at: Instant| at.saturating_duration_since(committed).as_secs_f64() * 1e3;
        Ok((ms(gone), ms(proved)))
    }

    /// When the last gallery had let go, and when the last proof was stored.
    async fn forgotten(&mut self, face_id: &FaceId, seq: Seq) -> Result<(Instant, Instant)> {
        let (mut forgot, mut reported) = (Vec::new(), 0);
        while forgot.len() < EDGES || reported < EDGES {
            match self.done.recv().await.context("the edges have ended")? {
                Done::Forgot(face, at) if face == *face_id => forgot.push(at),
                Done::Reported(verified) if verified >= seq => reported += 1,
                Done::Forgot(..) | Done::Reported(..) => {}
            }
        }
        let gone = *forgot.iter().max().context("no edge has forgotten")?;
        loop {
            let mut tx = self.stage.website.app.db.read().await?;
            let holding = edge_progress::holding(&mut tx, &self.location, self.epoch, seq).await?;
            let proofs = receipts::of_face(&mut tx, &self.location, face_id).await?;
            if holding.len() == EDGES && proofs.len() == EDGES {
                return Ok((gone, Instant::now()));
            }
            drop(tx);
            tokio::time::sleep(RESOLUTION).await;
        }
    }

    /// Asks every edge for the removed face.
    fn nobody_finds(&self, number: usize) -> Result<()> {
        for edge in &self.edges {
            let answer = edge.decide(&people::vector(number))?;
            let nobody = matches!(&answer, Answer::Decided(Verdict { decision: Decision::New, .. }));
            ensure!(nobody, "an edge says {answer:?} of a removed face");
        }
        Ok(())
    }

    async fn close(self) -> Result<()> {
        for edge in self.edges {
            edge.stop().await?;
        }
        self.stage.website.stop().await;
        Ok(())
    }
}

async fn follow(mut notices: tokio::sync::broadcast::Receiver<Notice>, tell: mpsc::UnboundedSender<Done>) {
    loop {
        let done = match notices.recv().await {
            Ok(Notice::Forgotten { face_id, seq: _, at }) => Done::Forgot(face_id, at),
            Ok(Notice::Reported { verified, .. }) => Done::Reported(verified),
            Ok(_) | Err(RecvError::Lagged(_)) => continue,
            Err(RecvError::Closed) => return,
        };
        if tell.send(done).is_err() {
            return;
        }
    }
}
