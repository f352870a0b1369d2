//! Whether the database still holds what was written into it. A disk can change a bit without saying so: SQLite has no
//! checksums of its own, but it has a structure, and every customer's row has a keyed hash of ours.

use crate::{
    app::App,
    tables::{
        customers::{self, Customer},
        locations::{self, Location},
    },
};
use protocol::{Digest, FaceId, LocationId, RowHash};
use std::collections::HashSet;

/// Rows read at once.
const PAGE: u32 = 256;
/// Lines of the log about customers of one location; the number of all stands in the last.
const LINES_MAX: u64 = 10;

/// A walk through every live customer, again and again. It names, in the log and each once, those who are not what was
/// stored, and locations whose digest is not that of their rows. The website goes on with the others: edges that hold the
/// row keep it, and no other edge can find it right.
#[derive(Debug, Default)]
pub(crate) struct Walk {
    /// The locations that are left, the present one last.
    left: Vec<LocationId>,
    /// The last customer of the present one that was looked at.
    after: Option<FaceId>,
    /// Damaged rows of the present one that were not known before.
    damaged: u64,
    /// What was named: customers, and locations as such.
    named: HashSet<(LocationId, Option<FaceId>)>,
}

/// How far a walk has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reached {
    /// There is more.
    More,
    /// The last customer of the last location.
    End,
}

impl Walk {
    /// Looks at the next page of rows. Where they cannot be read it goes on with the next location.
    pub(crate) async fn page(&mut self, app: &App) -> Reached {
        if let Err(error) = self.try_page(app).await {
            tracing::error!(%error, "not every customer could be read: the database may be damaged");
            self.leave();
        }
        if self.left.is_empty() { Reached::End } else { Reached::More }
    }

    async fn try_page(&mut self, app: &App) -> sqlx::Result<()> {
        // One short snapshot for each page: a long one would keep the log from being emptied.
        let mut tx = app.db.read().await?;
        let Some(id) = self.left.last() else {
            self.left = locations::all(&mut tx).await?.into_iter().map(|location| location.id).collect();
            return Ok(());
        };
        let Some(location) = locations::get(&mut tx, id).await? else {
            self.leave();
            return Ok(());
        };
        let rows = customers::live_after(&mut tx, id, self.after.as_ref(), PAGE).await?;
        let Some(last) = rows.last() else {
            let hashes = customers::hashes(&mut tx, id).await?;
            self.compare(&location, hashes.into_iter().map(|(_, _, hash)| hash));
            self.leave();
            return Ok(());
        };
        drop(tx);
        self.after = Some(last.face_id.clone());
        rows.iter().for_each(|row| self.look(&location, row));
        Ok(())
    }

    fn look(&mut self, location: &Location, row: &Customer) {
        let Some(live) = row.live() else { return };
        let sound = location.digest_key.hash(&row.face_id, row.seq, &live.content) == live.row_hash;
        if sound || !self.named.insert((location.id.clone(), Some(row.face_id.clone()))) {
            return;
        }
        self.damaged += 1;
        if self.damaged <= LINES_MAX {
            tracing::error!(
                location = %location.id,
                face_id = %row.face_id,
                "a customer in the database is not what was stored, the disk may be failing: restore a backup, \
                 or remove this customer, or rename them to keep them as they are now"
            );
        }
    }

    /// The digest of a location against its rows', of one moment.
    fn compare(&mut self, location: &Location, hashes: impl Iterator<Item = RowHash>) {
        if self.damaged > LINES_MAX {
            let damaged = self.damaged;
            tracing::error!(location = %location.id, damaged, "so many customers are not what was stored");
        }
        if Digest::of(hashes) != location.totals.digest && self.named.insert((location.id.clone(), None)) {
            tracing::error!(
                location = %location.id,
                "the digest of a location is not that of its customers, so that no edge can be verified: begin a \
                 new epoch with website new-epoch"
            );
        }
    }

    fn leave(&mut self) {
        self.left.pop();
        (self.after, self.damaged) = (None, 0);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::{
        Settings,
        changes::{Actor, Held, Newcomer},
        clock,
        db::Tx,
        locations::NewLocation,
        points::Points,
        tables::{
            customers::Tally,
            spaces::{self, Space},
        },
    };
    use protocol::{
        Embedding,
        message::{Customer as Content, EnrolPolicy, Flag, Similarity},
    };
    use std::sync::Arc;

    /// A website with one location of `people` customers.
    async fn website(settings: Settings, people: usize) -> (Arc<App>, LocationId) {
        let (app, by) = (App::open(settings).await.unwrap(), Actor::website());
        let new = NewLocation {
            id: "oslo".parse().unwrap(),
            name: "Oslo".to_owned(),
            time_zone: "Europe/Oslo".to_owned(),
            enrol: EnrolPolicy::Auto,
            points_per_visit: Points::default(),
        };
        let id = crate::locations::add(&app, new, &by).await.unwrap().id;
        let mut held = Held::begin(&app.db, &id).await.unwrap();
        let (match_at, new_below) = (Similarity(8000), Similarity(6000));
        let space = Space { id: "toy".parse().unwrap(), dimension: 8, match_at, new_below };
        spaces::insert(&mut held.tx, &space, clock::now()).await.unwrap();
        for n in 0..people {
            let vector: Vec<f32> = (0..8).map(|at| ((n + 2) * (at + 3) % 11) as f32 - 5.0).collect();
            let content = Content {
                name: "Ada".parse().unwrap(),
                flag: Flag::None,
                space: space.id.clone(),
                embedding: Embedding::from_f32(&vector).unwrap(),
            };
            let face_id = format!("face_{n:05}").parse().unwrap();
            let newcomer =
                Newcomer { face_id: &face_id, content, seen: Tally::default(), duplicate_of: None };
            held.enrol(newcomer, &by).await.unwrap();
        }
        held.commit().await.unwrap();
        (app, id)
    }

    async fn sql(app: &App, statement: &'static str) {
        let mut tx = app.db.write().await.unwrap();
        let Tx::Lite(lite) = &mut tx else { unreachable!("this is SQLite") };
        sqlx::query(statement).execute(&mut **lite).await.unwrap();
        tx.commit().await.unwrap();
    }

    async fn whole(walk: &mut Walk, app: &App) -> usize {
        while walk.page(app).await == Reached::More {}
        walk.named.len()
    }

    #[tokio::test]
    async fn what_is_damaged_between_two_walks_is_named_by_the_next_and_once() {
        let folder = tempfile::tempdir().unwrap();
        let (app, id) = website(Settings::new(folder.path().to_owned()), 600).await;
        let mut walk = Walk::default();
        assert_eq!(whole(&mut walk, &app).await, 0);
        sql(&app, "UPDATE customers SET name = 'Eve' WHERE face_id = 'face_00400'").await;
        // Another one's face, as whole as it was.
        sql(&app, "UPDATE faces SET face = (SELECT face FROM faces WHERE slot = 1) WHERE slot = 6").await;
        for _ in 0..2 {
            assert_eq!(whole(&mut walk, &app).await, 2);
        }
        for face_id in ["face_00005", "face_00400"] {
            assert!(walk.named.contains(&(id.clone(), Some(face_id.parse().unwrap()))));
        }
        sql(&app, "UPDATE locations SET digest = zeroblob(16)").await;
        assert_eq!(whole(&mut walk, &app).await, 3);
        assert!(walk.named.contains(&(id, None)));
        app.db.close().await;
    }
}
