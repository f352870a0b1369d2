//! Counts for a monitoring system, in Prometheus' text format, version 0.0.4. They name stores and edges, so they are
//! for programs with a token, like the API.

use super::{refusal::Refusal, token};
use crate::{
    app::App,
    tables::{edge_reports, locations, polling_boxes, polling_boxes::PollingBox},
};
use axum::{
    Router,
    extract::State,
    http::{HeaderName, header},
    middleware,
    routing::get,
};
use protocol::{EdgeId, LocationId, message::RepairCounts};
use std::{
    fmt::{self, Write as _},
    sync::Arc,
};

/// `/metrics`.
pub fn routes(app: &Arc<App>) -> Router<Arc<App>> {
    let proven = middleware::from_fn_with_state(Arc::clone(app), token::require);
    Router::new().route("/metrics", get(metrics)).route_layer(proven)
}

async fn metrics(State(app): State<Arc<App>>) -> Result<([(HeaderName, &'static str); 1], String), Refusal> {
    let mut tx = app.db.read().await?;
    let (mut repairs, mut boxes) = (Vec::new(), Vec::new());
    for location in locations::all(&mut tx).await? {
        let reports = edge_reports::of_location(&mut tx, &location.id).await?;
        let of_edge =
            |(edge, report): (EdgeId, edge_reports::Report)| (location.id.clone(), edge, report.repairs);
        repairs.extend(reports.into_iter().map(of_edge));
        let polling = polling_boxes::of_location(&mut tx, &location.id).await?;
        boxes.extend(polling.into_iter().map(|polling| (location.id.clone(), polling)));
    }
    let mut text = String::new();
    let written = written(&mut text, &app, &repairs).and_then(|()| polled(&mut text, &boxes));
    written.map_err(|error| Refusal::internal(&error))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text))
}

fn written(text: &mut String, app: &App, repairs: &[(LocationId, EdgeId, RepairCounts)]) -> fmt::Result {
    for (name, help, count) in app.counters.each() {
        writeln!(text, "# HELP regulars_{name}_total {help}")?;
        writeln!(text, "# TYPE regulars_{name}_total counter")?;
        writeln!(text, "regulars_{name}_total {count}")?;
    }
    writeln!(
        text,
        "# HELP regulars_edge_repairs_total Repairs an edge has begun since its start, by what made it."
    )?;
    writeln!(text, "# TYPE regulars_edge_repairs_total counter")?;
    for (location, edge, repairs) in repairs {
        for (count, reason, _) in repairs.by_reason() {
            // Ids and reasons hold nothing that the format would have to escape.
            writeln!(
                text,
                "regulars_edge_repairs_total{{location=\"{location}\",edge=\"{edge}\",reason=\"{reason}\"}} {count}"
            )?;
        }
    }
    Ok(())
}

/// Boxes that poll. What they have confirmed proves nothing.
fn polled(text: &mut String, boxes: &[(LocationId, PollingBox)]) -> fmt::Result {
    let asked_at = |polling: &PollingBox| polling.asked_at.map_or(0, |at| at.0 / 1000);
    type Value<'a> = &'a dyn Fn(&PollingBox) -> i64;
    let gauges: [(&str, &str, Value<'_>); 2] = [
        ("asked_timestamp_seconds", "When a box that polls asked last, in seconds since 1970.", &asked_at),
        (
            "confirmed_seq",
            "Through which seq a box that polls has been told everything it asks for, by its own word.",
            &|polling| i64::try_from(polling.confirmed.everything().0).unwrap_or(i64::MAX),
        ),
    ];
    for (name, help, value) in gauges {
        writeln!(text, "# HELP regulars_polling_{name} {help}")?;
        writeln!(text, "# TYPE regulars_polling_{name} gauge")?;
        for (location, polling) in boxes {
            let (edge, value) = (&polling.edge, value(polling));
            writeln!(text, "regulars_polling_{name}{{location=\"{location}\",edge=\"{edge}\"}} {value}")?;
        }
    }
    Ok(())
}
