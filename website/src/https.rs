//! The pages over TLS. Handshakes run in tasks of their own: a client that does not go on hinders nobody.

use crate::{
    connections::{Addresses, Peer, Placed, name_peer},
    web::connection::mark_encrypted,
};
use axum::{
    Router,
    extract::connect_info::Connected,
    middleware,
    serve::{IncomingStream, Listener},
};
use broker::{Encrypted, Tls};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Semaphore, mpsc},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// A handshake must be done by then.
const HANDSHAKE_MAX: Duration = Duration::from_secs(5);
/// Handshakes at once; one more is closed.
const HANDSHAKES: usize = 2_048;
/// After an accept that failed for want of file handles, so that the loop does not spin.
const BREATH: Duration = Duration::from_millis(50);

type Shaken = (Placed<Encrypted<TcpStream>>, SocketAddr);

/// Serves `router` over TLS until `stop`. Handlers see the peer's address as they do without TLS.
pub(crate) async fn serve(
    socket: TcpListener,
    tls: Tls,
    router: Router,
    stop: CancellationToken,
) -> io::Result<()> {
    let address = socket.local_addr()?;
    let (shaken, streams) = mpsc::channel(64);
    let router =
        router.layer(middleware::map_request(name_peer)).layer(middleware::map_request(mark_encrypted));
    let service = router.into_make_service_with_connect_info::<Peer>();
    let serving =
        axum::serve(Front { streams, address }, service).with_graceful_shutdown(stop.cancelled_owned());
    tokio::select! {
        served = serving => served,
        () = accept(socket, tls, shaken) => Ok(()),
    }
}

async fn accept(socket: TcpListener, tls: Tls, shaken: mpsc::Sender<Shaken>) {
    let (places, addresses) = (Arc::new(Semaphore::new(HANDSHAKES)), Addresses::default());
    loop {
        let (stream, peer) = match socket.accept().await {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!("a connection was not accepted: {error}");
                tokio::time::sleep(BREATH).await;
                continue;
            }
        };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
        let Some(of_address) = addresses.take(peer) else {
            tracing::debug!(%peer, "one connection too many of this address was closed");
            continue;
        };
        let (tls, shaken) = (tls.clone(), shaken.clone());
        // It ends by its deadline at the latest.
        tokio::spawn(async move {
            match timeout(HANDSHAKE_MAX, tls.accept(stream)).await {
                Ok(Ok(stream)) => {
                    // Nobody listens any longer when the website stops.
                    let _ = shaken.send((Placed::new(stream, of_address), peer)).await;
                }
                Ok(Err(error)) => tracing::debug!(%peer, "no TLS: {error}"),
                Err(_) => tracing::debug!(%peer, "no TLS in time"),
            }
            drop(place);
        });
    }
}

/// Where clients come in that have shaken hands.
struct Front {
    streams: mpsc::Receiver<Shaken>,
    address: SocketAddr,
}

impl Listener for Front {
    type Io = Placed<Encrypted<TcpStream>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, SocketAddr) {
        match self.streams.recv().await {
            Some(shaken) => shaken,
            None => std::future::pending().await,
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        Ok(self.address)
    }
}

impl Connected<IncomingStream<'_, Front>> for Peer {
    fn connect_info(stream: IncomingStream<'_, Front>) -> Peer {
        Peer(*stream.remote_addr())
    }
}
