//! From an accepted socket to its close: listeners, TLS, WebSocket, CONNECT, and the connection of one client.

pub mod client;
pub mod close;
pub mod connack;
pub mod connection;
pub mod connection_limit;
pub mod disconnect_reason;
pub mod handshake;
pub mod listener;
pub mod rate;
pub mod tls;
pub mod websocket;
