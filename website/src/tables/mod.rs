//! The tables, one module each. A function here is one statement; transactions are put together above.

pub mod api_tokens;
pub mod audit;
pub mod change_log;
pub mod consents;
pub mod customers;
pub mod dead_letters;
pub mod edge_progress;
pub mod edge_reports;
pub mod edge_starts;
pub mod edges;
pub mod erasures;
pub mod export;
pub mod faces;
pub mod join_codes;
pub mod locations;
pub mod login_links;
pub mod merges;
pub mod mqtt_users;
pub mod receipt_pages;
pub mod receipts;
pub mod review_queue;
pub mod sessions;
pub mod site;
pub mod spaces;
pub mod visits;
pub mod withdrawals;
