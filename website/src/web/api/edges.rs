//! Edges: add, list, revoke.

use super::locations;
use crate::{
    app::App,
    decide::{
        fleet::Standing,
        polls::{Has, LastAsked, Polls},
    },
    edges::{self, Added, EdgeStatus},
    tables::{
        edges::{Alarm, Presence},
        polling_boxes::PollingBox,
    },
    web::{
        extract::{Json, Path},
        refusal::Refusal,
        token::Program,
    },
};
use axum::{Json as Answer, extract::State, http::StatusCode};
use protocol::{EdgeId, LocationId, Seq, SpaceId, UnixMs, message::RepairCounts};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An edge as programs see it.
#[derive(Debug, Serialize)]
pub struct Edge {
    edge: EdgeId,
    name: String,
    place: String,
    /// One of revoked, waiting, alarm, blocked, silent, expired, filling, differs, behind, in_sync; of a box that polls also
    /// polls or never_asked, and never the last six of the others.
    state: &'static str,
    /// The same for people.
    words: String,
    presence: Presence,
    alarm: Alarm,
    alarm_at: Option<UnixMs>,
    /// Since when it has been told to compare its rows and has not begun to.
    repair_ordered_at: Option<UnixMs>,
    /// How many changes it has not verified yet; nothing when that cannot be said.
    behind: Option<u64>,
    /// What it said last, in its current start.
    report: Option<Report>,
    /// What a box that polls has asked.
    polling: Option<Polling>,
    space: Option<SpaceId>,
    last_seen_at: Option<UnixMs>,
    clock_offset_ms: Option<i64>,
    joined_at: Option<UnixMs>,
    revoked_at: Option<UnixMs>,
}

/// What an edge said last.
#[derive(Debug, Serialize)]
pub struct Report {
    verified_seq: Seq,
    /// The digest of its rows, in hexadecimal.
    digest: String,
    customers: u64,
    queued_visits: u64,
    refused_messages: u64,
    /// Repairs begun since its start, by what made it.
    repairs: RepairCounts,
    /// By the edge's clock.
    lease_until: UnixMs,
    received_at: UnixMs,
}

/// What a box that polls has asked. What it confirms by that proves nothing.
#[derive(Debug, Serialize)]
pub struct Polling {
    asked_at: Option<UnixMs>,
    /// It has named an answer that told it every removal through this; none: no answer of this history.
    removed_seq: Option<Seq>,
    /// And every other change through this; none of a box that asks for removals only.
    changed_seq: Option<Seq>,
}

impl Polling {
    fn new(polling: &PollingBox, standing: &Standing) -> Polling {
        let (removed_seq, changed_seq) = match standing {
            Standing::Polls(Polls { has: Has::Removals(removed), .. }) => (Some(*removed), None),
            Standing::Polls(Polls { has: Has::Everything(changed), .. }) => {
                (Some(polling.confirmed.removed), Some(*changed))
            }
            _ => (None, None),
        };
        Polling { asked_at: polling.asked_at, removed_seq, changed_seq }
    }
}

impl Edge {
    fn new(status: EdgeStatus, newest: Seq) -> Edge {
        let EdgeStatus { edge, report, polling, standing } = status;
        let joined = edge.joined.as_ref().map(|joined| (joined.at, joined.space.clone()));
        let (joined_at, space) = joined
            .or_else(|| polling.as_ref().map(|polling| (polling.joined_at, polling.space.clone())))
            .unzip();
        Edge {
            state: code(&standing),
            words: standing.to_string(),
            behind: behind(&standing, report.as_ref().map(|report| report.applied), newest),
            report: report.map(|report| Report {
                verified_seq: report.applied,
                digest: report.digest.to_string(),
                customers: report.count,
                queued_visits: report.queued,
                refused_messages: report.refused,
                repairs: report.repairs,
                lease_until: report.lease_until,
                received_at: report.received_at,
            }),
            presence: edge.presence,
            alarm: edge.alarm,
            alarm_at: edge.alarm_at,
            repair_ordered_at: edge.repair_ordered_at,
            polling: polling.as_ref().map(|polling| Polling::new(polling, &standing)),
            space,
            last_seen_at: edge.last_seen_at,
            clock_offset_ms: edge.clock_offset_ms,
            joined_at,
            revoked_at: edge.revoked_at,
            edge: edge.id,
            name: edge.name,
            place: edge.place,
        }
    }
}

fn code(standing: &Standing) -> &'static str {
    match standing {
        Standing::Revoked => "revoked",
        Standing::WaitsToJoin => "waiting",
        Standing::Alarmed(_) => "alarm",
        Standing::Blocked { .. } => "blocked",
        Standing::Silent => "silent",
        Standing::Expired => "expired",
        Standing::Filling => "filling",
        Standing::Differs => "differs",
        Standing::Behind { .. } => "behind",
        Standing::InSync => "in_sync",
        Standing::Polls(Polls { asked: LastAsked::Never, .. }) => "never_asked",
        Standing::Polls(_) => "polls",
    }
}

/// How many changes an edge has not verified, where its report is of this history.
pub(in crate::web) fn behind(standing: &Standing, verified: Option<Seq>, newest: Seq) -> Option<u64> {
    match standing {
        Standing::Revoked | Standing::WaitsToJoin | Standing::Silent | Standing::Polls(_) => None,
        Standing::InSync => Some(0),
        Standing::Behind { changes } => Some(*changes),
        _ => verified.map(|verified| newest.0.saturating_sub(verified.0)),
    }
}

#[derive(Debug, Serialize)]
pub struct List {
    /// The seq of the location's newest change.
    seq: Seq,
    edges: Vec<Edge>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct New {
    name: String,
    #[serde(default)]
    place: String,
}

/// A code to join with; it is told this once.
#[derive(Debug, Serialize)]
pub struct Code {
    edge: EdgeId,
    code: String,
    expires_at: UnixMs,
    /// What `edge join --ca-fingerprint` takes; none where a public authority vouches, or nothing is encrypted.
    ca_fingerprint: Option<String>,
}

impl From<Added> for Code {
    fn from(added: Added) -> Code {
        let Added { edge, code, expires_at, ca_fingerprint } = added;
        Code { edge, code, expires_at, ca_fingerprint }
    }
}

pub async fn list(
    State(app): State<Arc<App>>,
    Path(location): Path<LocationId>,
) -> Result<Answer<List>, Refusal> {
    let seq = locations::found(&app, &location).await?.totals.seq;
    let edges = edges::list(&app, &location).await?;
    Ok(Answer(List { seq, edges: edges.into_iter().map(|status| Edge::new(status, seq)).collect() }))
}

pub async fn get(
    State(app): State<Arc<App>>,
    Path((location, edge)): Path<(LocationId, EdgeId)>,
) -> Result<Answer<Edge>, Refusal> {
    let seq = locations::found(&app, &location).await?.totals.seq;
    let found = edges::list(&app, &location).await?.into_iter().find(|status| status.edge.id == edge);
    Ok(Answer(Edge::new(found.ok_or(edges::EdgeError::Unknown(edge))?, seq)))
}

pub async fn add(
    State(app): State<Arc<App>>,
    program: Program,
    Path(location): Path<LocationId>,
    Json(new): Json<New>,
) -> Result<(StatusCode, Answer<Code>), Refusal> {
    let added = edges::add(&app, &location, &new.name, &new.place, &program.actor()).await?;
    Ok((StatusCode::CREATED, Answer(added.into())))
}

pub async fn new_code(
    State(app): State<Arc<App>>,
    program: Program,
    Path((location, edge)): Path<(LocationId, EdgeId)>,
) -> Result<(StatusCode, Answer<Code>), Refusal> {
    let added = edges::new_code(&app, &location, &edge, &program.actor()).await?;
    Ok((StatusCode::CREATED, Answer(added.into())))
}

/// Somebody has seen to the alarm.
pub async fn end_alarm(
    State(app): State<Arc<App>>,
    program: Program,
    Path((location, edge)): Path<(LocationId, EdgeId)>,
) -> Result<StatusCode, Refusal> {
    edges::end_alarm(&app, &location, &edge, &program.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub async fn revoke(
    State(app): State<Arc<App>>,
    program: Program,
    Path((location, edge)): Path<(LocationId, EdgeId)>,
) -> Result<StatusCode, Refusal> {
    edges::revoke(&app, &location, &edge, &program.actor()).await?;
    Ok(StatusCode::NO_CONTENT)
}
