//! Website, broker and edges together, measured over loopback MQTT.

mod beside;
mod change_rate;
mod curve;
mod damaged;
mod edge_box;
mod first_start;
mod gallery;
mod metered;
mod missed;
mod on_wire;
mod people;
mod postgres;
mod removal;
mod stage;

pub use edge_box::be as be_edge;

use crate::row::Row;
use anyhow::Result;
use clap::Subcommand;

/// What can be measured by itself.
#[derive(Debug, Clone, Copy, Subcommand)]
pub enum Figure {
    /// How soon ten edges have forgotten a removed customer, and have proved it.
    Removal,
    /// How soon an edge has caught up with 10,000 changes.
    Missed,
    /// How soon a new edge has 100,000 customers, and in how much memory.
    FirstStart,
    /// What it takes to repair 10 rows of 100,000.
    Damaged,
    /// What a change and a first start take on the wire.
    OnWire,
    /// What one change costs with 100 to 100,000 customers.
    Curve,
    /// How many changes a second the website makes.
    ChangeRate,
    /// How long one face is compared with 1,000 to 100,000 others.
    Gallery,
}

impl Figure {
    /// All of them, in the order of a report.
    pub const ALL: [Figure; 8] = [
        Figure::Removal,
        Figure::Missed,
        Figure::FirstStart,
        Figure::Damaged,
        Figure::OnWire,
        Figure::Curve,
        Figure::ChangeRate,
        Figure::Gallery,
    ];

    /// Measures it `samples` times.
    pub async fn measure(self, samples: usize) -> Result<Vec<Row>> {
        match self {
            Figure::Removal => removal::measure(samples).await,
            Figure::Missed => missed::measure(samples).await,
            Figure::FirstStart => first_start::measure(samples).await,
            Figure::Damaged => damaged::measure(samples).await,
            Figure::OnWire => on_wire::measure(samples).await,
            Figure::Curve => curve::measure(samples).await,
            Figure::ChangeRate => change_rate::measure(samples).await,
            Figure::Gallery => gallery::measure(samples),
        }
    }
}
