//! The source of truth for a fleet of stores: who the regular customers are, and that every edge knows.

pub mod app;
pub mod changes;
pub mod clock;
mod column;
pub mod db;
pub mod decide;
pub mod edges;
pub mod locations;
pub mod random;
pub mod settings;
mod site_key;
pub mod tables;
mod wire;

pub use app::App;
pub use settings::Settings;
