//! What was measured, for people and for programs.

use crate::face;
use crate::mosquitto;
use crate::row::{Row, Verdict, Want, median};
use anyhow::{Context as _, Result};
use serde::Serialize;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Under what conditions it was measured.
#[derive(Debug, Serialize)]
pub struct Conditions {
    /// When it began, UTC.
    date: String,
    /// The processor, and how many there are of it.
    machine: String,
    /// How busy the machine was with other things when it began: processes of the last minute.
    load: String,
    /// Measurements of each.
    samples: usize,
    /// What is measured beside: what Mosquitto says it is, or the reference of recognition; or why it is missing.
    beside: String,
    /// What Mosquitto was told, if it is there.
    mosquitto_settings: Option<String>,
    /// How ours runs.
    ours: String,
}

impl Conditions {
    /// Those of this moment, for the broker beside Mosquitto.
    pub fn of_broker(samples: usize) -> Conditions {
        Conditions::now(
            samples,
            "every limit as it comes, worker threads as many as processors and the router's",
        )
    }

    /// Those of this moment, for everything together.
    pub fn of_sync(samples: usize) -> Conditions {
        Conditions::now(
            samples,
            "a website on SQLite with its broker inside, over loopback MQTT; edges in the same process where there are \
             ten, otherwise a process each",
        )
    }

    /// Those of this moment, for recognition beside the reference, or why there is none.
    pub fn of_face(samples: usize, missing: Option<&anyhow::Error>) -> Conditions {
        let ours =
            "the edge's own library, each network on one thread, from a JPEG file of 640x480 to an embedding";
        let beside =
            missing.map_or_else(|| face::reference::VERSIONS.to_owned(), |error| format!("{error:#}"));
        Conditions { beside, mosquitto_settings: None, ..Conditions::now(samples, ours) }
    }

    fn now(samples: usize, ours: &str) -> Conditions {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let cpu = read("/proc/cpuinfo");
        let model =
            cpu.lines().find(|line| line.starts_with("model name")).and_then(|line| line.split(": ").nth(1));
        let seconds = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        let date = chrono::DateTime::from_timestamp(seconds.cast_signed(), 0);
        Conditions {
            date: date.map_or_else(String::new, |date| date.format("%Y-%m-%d %H:%M").to_string()),
            machine: format!("{cores} x {}", model.unwrap_or("an unknown processor")),
            load: read("/proc/loadavg").split(' ').next().unwrap_or_default().to_owned(),
            samples,
            beside: mosquitto::version().unwrap_or_else(|| mosquitto::MISSING.to_owned()),
            mosquitto_settings: mosquitto::find().map(|_| mosquitto::settings()),
            ours: ours.to_owned(),
        }
    }

    /// Prints them.
    pub fn print(&self) {
        let Conditions { date, machine, load, samples, beside, mosquitto_settings, ours } = self;
        println!("{date} UTC, {machine}, load {load}; medians of {samples} [lowest to highest], in turn");
        println!("beside: {beside}");
        if let Some(settings) = mosquitto_settings {
            println!("  told: {settings}");
        }
        println!("ours: {ours}\n");
        println!("{:<56} {:>27} {:>27} {:>7}  wanted", "", "ours", "beside", "times");
    }
}

/// Prints one figure.
pub fn print(row: &Row) {
    let times = row.times().map_or_else(String::new, |times| format!("{times:.2}"));
    let want = match row.want {
        Want::TimesAtLeast(least) => format!(">= {least} times"),
        Want::TimesAtMost(most) => format!("<= {most} times"),
        Want::AtLeast(least) => format!(">= {}", number(least)),
        Want::AtMost(most) => format!("<= {}", number(most)),
        Want::Stated => "stated".to_owned(),
    };
    let verdict = match row.verdict() {
        Verdict::Reached => ": reached",
        Verdict::Missed => ": MISSED",
        Verdict::None => "",
    };
    let name = format!("{} ({})", row.figure, row.unit);
    println!("{name:<56} {:>27} {:>27} {times:>7}  {want}{verdict}", spread(&row.ours), spread(&row.beside));
}

/// Writes everything as JSON.
pub fn write(path: &Path, conditions: &Conditions, rows: &[Row]) -> Result<()> {
    #[derive(Serialize)]
    struct Judged<'r> {
        #[serde(flatten)]
        row: &'r Row,
        times: Option<f64>,
        verdict: Verdict,
    }
    let rows: Vec<_> =
        rows.iter().map(|row| Judged { row, times: row.times(), verdict: row.verdict() }).collect();
    let all = serde_json::json!({ "conditions": conditions, "figures": rows });
    let text = serde_json::to_string_pretty(&all)?;
    std::fs::write(path, text + "\n").with_context(|| format!("cannot write {}", path.display()))
}

fn spread(values: &[f64]) -> String {
    let Some(median) = median(values) else { return "-".to_owned() };
    let lowest = values.iter().copied().fold(f64::INFINITY, f64::min);
    let highest = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    if values.len() == 1 {
        return number(median);
    }
    format!("{} [{} to {}]", number(median), number(lowest), number(highest))
}

/// With three digits that count, or all before the point.
fn number(value: f64) -> String {
    match value.abs() {
        0.0..1.0 => format!("{value:.3}"),
        1.0..10.0 => format!("{value:.2}"),
        10.0..100.0 => format!("{value:.1}"),
        _ => format!("{value:.0}"),
    }
}
