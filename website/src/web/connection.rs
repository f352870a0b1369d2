//! What a request came by: whether anybody between can have read it.
use axum::{
    extract::{ConnectInfo, Request},
    http::request::Parts,
};
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

/// What a request came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connection {
    /// TLS, ended by this program; or this machine's own network, over which a reverse proxy on it comes as well.
    Private,
    /// Another machine without encryption.
    InTheClear,
}

/// On a request that came over TLS.
#[derive(Debug, Clone, Copy)]
struct Encrypted;

/// Notes that a request came over TLS. No header of a request can do that.
pub(crate) async fn mark_encrypted(mut request: Request) -> Request {
    request.extensions_mut().insert(Encrypted);
    request
}

impl Connection {
    /// What this request came by. Where the server does not tell, it is taken for the worst.
    pub(crate) fn of(parts: &Parts) -> Connection {
        let known = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        let peer: IpAddr = known.map_or(Ipv6Addr::UNSPECIFIED.into(), |ConnectInfo(peer)| peer.ip());
        let near = peer.to_canonical().is_loopback();
        if near || parts.extensions.get::<Encrypted>().is_some() {
            Connection::Private
        } else {
            Connection::InTheClear
        }
    }
}
