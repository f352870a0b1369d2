//! The commands about locations.

use crate::{
    App,
    changes::Actor,
    cli::say,
    locations::{self, NewLocation, NewSettings},
    points::Points,
};
use clap::{Args, Subcommand};
use protocol::{LocationId, message::EnrolPolicy};

#[derive(Debug, Subcommand)]
pub(crate) enum LocationCommand {
    /// Add a location.
    Add {
        /// Its id, as it will stand in topics: letters, digits, `_` and `-`.
        id: LocationId,
        /// As people call it.
        #[arg(long)]
        name: String,
        /// An IANA name, for example Europe/Berlin.
        #[arg(long)]
        time_zone: String,
        /// What becomes of a face seen for the first time: auto, approve or off. There is no default, because in
        /// many places enrolling faces without consent is unlawful.
        #[arg(long)]
        enrol: EnrolPolicy,
        /// The points a customer gets for each visit, 0 to 10000.
        #[arg(long, default_value_t)]
        points_per_visit: Points,
    },
    /// Change a location's settings; what is not named stays as it is.
    Set {
        /// The location.
        #[arg(allow_hyphen_values = true)]
        id: LocationId,
        #[command(flatten)]
        settings: SetArgs,
    },
    /// List the locations.
    List,
}

#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
pub(crate) struct SetArgs {
    /// As people call it.
    #[arg(long)]
    name: Option<String>,
    /// An IANA name, for example Europe/Berlin.
    #[arg(long)]
    time_zone: Option<String>,
    /// What becomes of a face seen for the first time: auto, approve or off.
    #[arg(long)]
    enrol: Option<EnrolPolicy>,
    /// For how long an edge may recognise without a newer verified head.
    #[arg(long, value_name = "SECONDS")]
    lease_s: Option<u32>,
    /// The points a customer gets for each visit from now on, 0 to 10000.
    #[arg(long, value_name = "POINTS")]
    points_per_visit: Option<Points>,
}

impl LocationCommand {
    /// Does it.
    pub(crate) async fn run(self, app: &App) -> anyhow::Result<()> {
        match self {
            LocationCommand::Add { id, name, time_zone, enrol, points_per_visit } => {
                let new = NewLocation { id, name, time_zone, enrol, points_per_visit };
                let location = locations::add(app, new, &Actor::command_line()).await?;
                say(&format!("added location {}", location.id))
            }
            LocationCommand::Set { id, settings } => {
                let SetArgs { name, time_zone, enrol, lease_s, points_per_visit } = settings;
                let new = NewSettings { name, time_zone, enrol, names: None, lease_s, points_per_visit };
                locations::set(app, &id, new, &Actor::command_line()).await?;
                say(&format!("set location {id}"))
            }
            LocationCommand::List => locations::list(app).await?.into_iter().try_for_each(|location| {
                say(&format!(
                    "{}\t{}\t{}\t{}\t{} customers\tseq {}\t{} points a visit",
                    location.id,
                    location.name,
                    location.time_zone,
                    location.enrol,
                    location.totals.count,
                    location.totals.seq,
                    location.points_per_visit
                ))
            }),
        }
    }
}
