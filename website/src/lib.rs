//! The source of truth for a fleet of stores: who the regular customers are, and that every edge knows.

pub mod app;
mod certificate;
pub mod changes;
pub mod cli;
pub mod clock;
mod column;
pub mod counters;
pub mod db;
pub mod decide;
pub mod edges;
pub mod encryption;
mod faces;
mod https;
mod ingest;
pub mod locations;
mod mqtt_api;
mod mqtt_login;
mod mqtt_url;
mod publisher;
pub mod random;
mod session;
pub mod settings;
mod site_key;
mod start;
pub mod tables;
mod tidy;
pub mod web;
mod wire;

pub use app::App;
pub use mqtt_login::{MqttUserError, add_mqtt_user};
pub use settings::Settings;
pub use start::{Website, start};
