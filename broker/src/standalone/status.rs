//! Health and metrics over HTTP: three paths, nothing to configure, so no HTTP library.

use super::metrics;
use crate::broker::Broker;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};

/// From the first byte of a request to the last of its answer.
const DEADLINE: Duration = Duration::from_secs(5);
/// The longest request.
const REQUEST_BYTES: usize = 8 << 10;
/// Requests answered at once; more wait.
const AT_ONCE: usize = 64;
/// Pause after a failed accept (no file handles left).
const ACCEPT_RETRY_DELAY: Duration = Duration::from_millis(50);

/// Answers for ever.
pub async fn run(listener: TcpListener, broker: Arc<Broker>) {
    let (started, turns) = (Instant::now(), Arc::new(Semaphore::new(AT_ONCE)));
    loop {
        let Ok(turn) = Arc::clone(&turns).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_RETRY_DELAY).await;
            continue;
        };
        let broker = Arc::clone(&broker);
        tokio::spawn(async move {
            // A request that comes too slowly, or whose client goes away, is not answered.
            let _ = timeout(DEADLINE, answer(stream, &broker, started)).await;
            drop(turn);
        });
    }
}

async fn answer(mut stream: TcpStream, broker: &Broker, started: Instant) -> io::Result<()> {
    let mut request = Vec::with_capacity(1024);
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        if request.len() >= REQUEST_BYTES || stream.read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let (status, kind, body) = route(&String::from_utf8_lossy(line), broker, started);
    let head = format!(
        "HTTP/1.1 {status}\r\ncontent-type: {kind}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

fn route(line: &str, broker: &Broker, started: Instant) -> (&'static str, &'static str, String) {
    const TEXT: &str = "text/plain; charset=utf-8";
    let mut words = line.split(' ');
    let (Some("GET"), Some(path)) = (words.next(), words.next()) else {
        return ("405 Method Not Allowed", TEXT, "only GET is answered here\n".to_owned());
    };
    match path.split('?').next().unwrap_or(path) {
        "/healthz" => ("200 OK", TEXT, "ok\n".to_owned()),
        "/readyz" => match broker.failure() {
            None => ("200 OK", TEXT, "ready\n".to_owned()),
            Some(failure) => ("503 Service Unavailable", TEXT, format!("{failure}\n")),
        },
        "/metrics" => {
            let text = metrics::text(&broker.counters(), started.elapsed());
            ("200 OK", "text/plain; version=0.0.4; charset=utf-8", text)
        }
        _ => ("404 Not Found", TEXT, "there are /healthz, /readyz and /metrics\n".to_owned()),
    }
}
