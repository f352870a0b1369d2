//! Who a client is and what it may do: principals, rights, policies, and a service that is asked over HTTP.

pub mod access;
pub mod action;
pub mod auth_cache;
pub mod auth_http;
pub mod credentials;
pub mod login;
pub mod pattern;
pub mod policy;
pub mod principal;
pub mod user;
