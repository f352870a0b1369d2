//! The certificate of an erasure: who asked for it and when, and what each edge that can have held the face has
//! proved, or, where a box polls, only said. It carries the reports as the edges signed them, so that it can be checked against each edge's key.

mod verify;
mod word;

pub use verify::{Refused, verify};
pub use word::{ConfirmError, Word, confirm};

use crate::{
    app::App,
    clock,
    db::Tx,
    decide::certificate::{self, Facts, Proof, Removal},
    tables::{
        confirmations, confirmations::Confirmation, edge_reports, edges, erasures, erasures::Recorded,
        merges, polling_boxes, receipt_pages, receipts, receipts::Stored,
    },
};
use protocol::{
    EdgeId, Epoch, FaceId, LocationId, PublicKey, Seq, SigningKey, UnixMs,
    codec::Message,
    message::{Applied, Probe, Report},
};
use serde::{Deserialize, Serialize};

/// What the website's signature of a statement begins with.
const CONTEXT: &str = "regulars erasure v1";

/// A statement and the website's signature over it.
///
/// Signed is `regulars erasure v1`, a zero byte, and the statement as compact JSON: its fields in the order below,
/// no white space between them, UTF-8 as it is. A file that has been laid out for people verifies as well.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Certificate {
    /// What is stated.
    pub statement: Statement,
    /// Ed25519, 128 hexadecimal digits.
    pub signature: String,
}

/// What the website states. Moments are milliseconds since 1970, UTC.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Statement {
    /// The version of this form: 1.
    pub regulars_erasure: u32,
    /// The website's public key.
    pub website: String,
    /// Where.
    pub location: LocationId,
    /// Who was removed.
    pub face_id: FaceId,
    /// Every face that had been merged into that one.
    pub also: Vec<FaceId>,
    /// Who asked for it.
    pub requested_by: String,
    /// When it was asked for, and done on the website.
    pub removed_at: UnixMs,
    /// The history `seq` counts in, 16 hexadecimal digits.
    pub epoch: String,
    /// The removal's place in that history.
    pub seq: Seq,
    /// Until when an edge that has not heard of it could recognise anybody at all.
    pub recognised_until: UnixMs,
    /// When this was drawn up.
    pub drawn_up_at: UnixMs,
    /// Whether no edge can recognise the face any more.
    pub complete: bool,
    /// Each edge that can have held the face.
    pub edges: Vec<EdgeStatement>,
}

/// What is known of one edge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeStatement {
    /// Who.
    pub edge: EdgeId,
    /// As people call it.
    pub name: String,
    /// The edge's public key, with which `signed_report` is signed; empty of a box that polls, which has none.
    pub public_key: String,
    /// What it has proved.
    pub proof: Proof,
    /// What it said of this very removal.
    pub receipt: Option<Receipt>,
    /// When the website stored that, or the newest report.
    pub stored_at: Option<UnixMs>,
    /// The report in which it said so, in hexadecimal: a `Report` as `topics.md` describes it.
    pub signed_report: Option<String>,
    /// Until when its lease can last, where it has proved nothing.
    pub outstanding_until: Option<UnixMs>,
    /// When a box that polls said that it has deleted the face.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub confirmed_at: Option<UnixMs>,
}

/// An edge's receipt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// The history, 16 hexadecimal digits.
    pub epoch: String,
    /// The seq of the removal, or of the roster that no longer named the face.
    pub seq: Seq,
    /// By the edge's clock.
    pub removed_at: UnixMs,
    /// What looking for the face found.
    pub probe: Probe,
}

impl Statement {
    /// What is signed.
    fn text(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a statement has a JSON form")
    }

    /// Signs it.
    fn signed(self, key: &SigningKey) -> Certificate {
        let signature = hex::encode(key.sign(CONTEXT, &self.text()).to_bytes());
        Certificate { statement: self, signature }
    }
}

/// Draws up the certificate for a face, or for the customer it was merged into; `None` when neither was removed.
///
/// # Errors
/// When the database cannot be read.
pub async fn certificate(
    app: &App,
    location: &LocationId,
    face_id: &FaceId,
) -> sqlx::Result<Option<Certificate>> {
    let mut tx = app.db.read().await?;
    let mut recorded = erasures::get(&mut tx, location, face_id).await?;
    if recorded.is_none()
        && let Some(winner) = merges::winner(&mut tx, location, face_id).await?
    {
        recorded = erasures::get(&mut tx, location, &winner).await?;
    }
    let Some(Recorded { erasure, actor, recognised_until }) = recorded else { return Ok(None) };
    let removal = Removal { epoch: erasure.epoch, seq: erasure.seq, at: erasure.at, recognised_until };
    let now = clock::now();
    let stored = receipts::of_face(&mut tx, location, &erasure.face_id).await?;
    let words = confirmations::of_removal(&mut tx, &erasure).await?;
    let mut edges = Vec::new();
    for edge in edges::of_location(&mut tx, location).await? {
        if edge.created_at <= erasure.at {
            edges.extend(match edge.joined {
                Some(_) => of_edge(&mut tx, &edge, &removal, &stored, now).await?,
                None => of_polling_box(&mut tx, &edge, &removal, &words).await?,
            });
        }
    }
    let statement = Statement {
        regulars_erasure: 1,
        website: app.key.public().to_string(),
        location: erasure.location,
        face_id: erasure.face_id,
        also: erasure.also,
        requested_by: actor,
        removed_at: erasure.at,
        epoch: erasure.epoch.to_string(),
        seq: erasure.seq,
        recognised_until,
        drawn_up_at: now,
        complete: edges.iter().all(|edge| edge.proof.settles()),
        edges,
    };
    Ok(Some(statement.signed(&app.key)))
}

async fn of_edge(
    tx: &mut Tx,
    edge: &edges::Edge,
    removal: &Removal,
    stored: &[Stored],
    now: UnixMs,
) -> sqlx::Result<Option<EdgeStatement>> {
    let Some(joined) = &edge.joined else { return Ok(None) };
    let mine = stored.iter().filter(|stored| stored.edge == edge.id && counts(stored, removal));
    let receipt = mine.max_by_key(|stored| stored.stored_at);
    let newest = newest_report(tx, edge, &joined.public_key).await?;
    let facts = Facts {
        receipt: receipt.map(|stored| stored.receipt.probe),
        verified: newest.as_ref().map(|(report, ..)| (report.epoch, report.verified)),
        alarm: edge.alarm,
        joined_at: joined.at,
        revoked_at: edge.revoked_at,
    };
    let proof = certificate::proof(&facts, removal, now);
    let mut statement = EdgeStatement {
        edge: edge.id.clone(),
        name: edge.name.clone(),
        public_key: joined.public_key.to_string(),
        proof,
        receipt: None,
        stored_at: None,
        signed_report: None,
        outstanding_until: (proof == Proof::Outstanding).then_some(removal.recognised_until),
        confirmed_at: None,
    };
    match (receipt, newest) {
        (Some(stored), _) => {
            statement.receipt = Some(said(stored));
            statement.stored_at = Some(stored.stored_at);
            if let Some(page) = stored.page
                && let Some(page) = receipt_pages::get(tx, page).await?
            {
                statement.public_key = page.public_key.to_string();
                statement.signed_report = Some(hex::encode(page.signed));
            }
        }
        (None, Some((_, signed, stored_at))) if proof == Proof::Verified => {
            statement.stored_at = Some(stored_at);
            statement.signed_report = Some(hex::encode(signed));
        }
        (None, _) => {}
    }
    Ok(Some(statement))
}

/// The same of an edge whose box polls; nothing while it has none, or where the first one joined after the removal.
async fn of_polling_box(
    tx: &mut Tx,
    edge: &edges::Edge,
    removal: &Removal,
    words: &[Confirmation],
) -> sqlx::Result<Option<EdgeStatement>> {
    let Some(joined) = polling_boxes::first_joined_at(tx, &edge.id).await? else { return Ok(None) };
    if joined > removal.at {
        return Ok(None);
    }
    let said = words.iter().find(|word| word.edge == edge.id);
    let said = said.map(|word| certificate::Said { at: word.at, joined_at: word.joined_at });
    let facts = certificate::Word { said, alarm: edge.alarm, revoked_at: edge.revoked_at };
    let proof = certificate::word(&facts, removal);
    Ok(Some(EdgeStatement {
        edge: edge.id.clone(),
        name: edge.name.clone(),
        public_key: String::new(),
        proof,
        receipt: None,
        stored_at: None,
        signed_report: None,
        outstanding_until: None,
        confirmed_at: said.map(|said| said.at).filter(|_| proof == Proof::Confirmed),
    }))
}

/// Whether a receipt is one of this removal: of its history, and not of an earlier seq.
fn counts(stored: &Stored, removal: &Removal) -> bool {
    let key = &stored.receipt.key;
    key.epoch == removal.epoch && key.seq >= removal.seq
}

fn said(stored: &Stored) -> Receipt {
    let receipt = &stored.receipt;
    Receipt {
        epoch: receipt.key.epoch.to_string(),
        seq: receipt.key.seq,
        removed_at: receipt.removed_at,
        probe: receipt.probe,
    }
}

/// The newest report of an edge's current start, as far as its signature is still that of the box.
async fn newest_report(
    tx: &mut Tx,
    edge: &edges::Edge,
    key: &PublicKey,
) -> sqlx::Result<Option<(Applied, Vec<u8>, UnixMs)>> {
    let Some(report) = edge_reports::get(tx, &edge.id).await? else { return Ok(None) };
    let Some(signed) = edge_reports::signed(tx, &edge.id).await? else { return Ok(None) };
    let applied = opened(&signed, &edge.location, &edge.id, key);
    Ok(applied.map(|applied| (applied, signed, report.received_at)))
}

/// What a signed report says, if it is one of this edge.
fn opened(signed: &[u8], location: &LocationId, edge: &EdgeId, key: &PublicKey) -> Option<Applied> {
    match Report::decode(signed) {
        Ok(Report::Applied(signed)) => signed.verify(location, edge, key).ok(),
        _ => None,
    }
}

/// An epoch as text.
fn epoch(text: &str) -> Option<Epoch> {
    (text.len() == 16).then(|| u64::from_str_radix(text, 16).ok().map(Epoch))?
}
