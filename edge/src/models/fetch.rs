//! Fetching a file whose size and SHA-256 are known, from a server that is not trusted with anything: it may lie, stall,
//! cut, redirect in circles, or answer with a web page.

use super::{Address, part::Part, progress::Progress};
use anyhow::{Context, Result, anyhow, bail};
use std::{
    io::Read,
    path::Path,
    thread,
    time::{Duration, Instant},
};
use ureq::{
    Agent, Body,
    http::{HeaderMap, Response, StatusCode, header},
    tls::{RootCerts, TlsConfig},
};

const REDIRECTS_MAX: usize = 5;
/// A server may cut often, as long as every attempt brings something.
const ATTEMPTS_MAX: u32 = 20;
const FRUITLESS_MAX: u32 = 3;
const PAUSE: Duration = Duration::from_millis(250);
/// A server that gives less than this in the time it may be silent is taken for a silent one.
const TRICKLE_BYTES: u64 = 1_024;

/// A file that is wanted.
#[derive(Debug, Clone)]
pub struct Wanted<'a> {
    /// The name it gets.
    pub name: &'a str,
    /// Where it is.
    pub address: Address,
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256, in hex.
    pub sha256: &'a str,
}

/// Fetches files, one at a time.
#[derive(Debug)]
pub struct Fetcher {
    agent: Agent,
    silence: Duration,
}

/// What came of one attempt that did not bring the whole file.
enum Failure {
    /// The server is busy or the line was cut: another attempt may go on.
    Passing(anyhow::Error),
    /// Asking again changes nothing; what has come before stays.
    Final(anyhow::Error),
    /// What has come is wrong.
    Wrong(anyhow::Error),
}

impl Fetcher {
    /// One that waits so long for a server that says nothing.
    pub fn new(silence: Duration) -> Self {
        let tls = TlsConfig::builder().root_certs(RootCerts::WebPki).build();
        let config = Agent::config_builder()
            .http_status_as_error(false)
            // Every step of a redirect is looked at before it is taken.
            .max_redirects(0)
            .timeout_resolve(Some(silence))
            .timeout_connect(Some(silence))
            .timeout_recv_response(Some(silence))
            .timeout_per_read(Some(silence))
            .tls_config(tls);
        Self { agent: Agent::new_with_config(config.build()), silence }
    }

    /// Brings a file into a folder, and goes on with what an earlier attempt has left there. Under its own name the file
    /// appears when it is complete and right. Blocks.
    ///
    /// # Errors
    /// One sentence: what the server did instead, or what the disk did. What has come so far stays as `NAME.part` when
    /// the line was cut, and goes when it is wrong.
    pub fn fetch(&self, wanted: &Wanted<'_>, folder: &Path) -> Result<()> {
        let mut part = Part::open(folder, wanted.name, wanted.bytes)?;
        let mut resumed = part.written() > 0;
        loop {
            if let Err(failure) = self.fill(wanted, &mut part) {
                return Err(left(failure, part));
            }
            let found = part.sha256();
            if found == wanted.sha256.to_ascii_lowercase() {
                return part.finish();
            }
            if !resumed {
                part.discard();
                bail!(
                    "what {} gives as {} is another file (expected SHA-256 {}, found {found}), and nothing of it was kept: choose another --mirror",
                    wanted.address,
                    wanted.name,
                    wanted.sha256
                );
            }
            // Its first bytes may have been another server's: once more, from the beginning.
            resumed = false;
            part.restart()?;
        }
    }

    fn fill(&self, wanted: &Wanted<'_>, part: &mut Part) -> Result<(), Failure> {
        let mut fruitless = 0;
        for attempt in 1.. {
            if part.is_full() {
                break;
            }
            let before = part.written();
            let Err(failure) = self.attempt(wanted, part) else { break };
            fruitless = if part.written() >= before + TRICKLE_BYTES { 0 } else { fruitless + 1 };
            match failure {
                Failure::Passing(_) if fruitless < FRUITLESS_MAX && attempt < ATTEMPTS_MAX => {
                    thread::sleep(PAUSE * 2u32.pow(fruitless));
                }
                failure => return Err(failure),
            }
        }
        Ok(())
    }

    fn attempt(&self, wanted: &Wanted<'_>, part: &mut Part) -> Result<(), Failure> {
        let (address, mut response) = self.ask(&wanted.address, part.written())?;
        self.accept(wanted, part, &address, &response)?;
        let mut body = response.body_mut().as_reader();
        let mut progress = Progress::of(wanted.name, wanted.bytes);
        let mut chunk = vec![0; 1 << 16];
        let (mut since, mut then) = (Instant::now(), part.written());
        loop {
            let read = body.read(&mut chunk).map_err(|error| {
                Failure::Passing(anyhow!("{address} was cut after {} of {} bytes ({error}): try again later, it goes on from there", part.written(), wanted.bytes))
            });
            let read = read?;
            if read == 0 {
                break;
            }
            if part.written() + read as u64 > wanted.bytes {
                return Err(Failure::Wrong(too_long(wanted, &address)));
            }
            part.write(&chunk[..read]).map_err(Failure::Final)?;
            progress.at(part.written());
            if since.elapsed() > self.silence {
                if part.written() - then < TRICKLE_BYTES {
                    return Err(Failure::Passing(anyhow!(
                        "{address} hardly gives anything: try again later, or choose another --mirror"
                    )));
                }
                (since, then) = (Instant::now(), part.written());
            }
        }
        match part.is_full() {
            true => Ok(()),
            false => Err(Failure::Passing(anyhow!(
                "{address} ended after {} of {} bytes: try again later, or choose another --mirror",
                part.written(),
                wanted.bytes
            ))),
        }
    }

    /// Asks for a file from a byte on, wherever redirects lead.
    fn ask(&self, address: &Address, from: u64) -> Result<(Address, Response<Body>), Failure> {
        let mut address = address.clone();
        for _ in 0..=REDIRECTS_MAX {
            let mut request = self.agent.get(address.uri()).header(header::ACCEPT_ENCODING, "identity");
            if from > 0 {
                request = request.header(header::RANGE, format!("bytes={from}-"));
            }
            let response = request.call().map_err(|error| {
                Failure::Passing(anyhow!("{address} cannot be reached ({error}): is there a network? otherwise choose another --mirror"))
            })?;
            if !response.status().is_redirection() {
                return Ok((address, response));
            }
            address = next(&address, response.headers()).map_err(Failure::Final)?;
        }
        Err(Failure::Final(anyhow!(
            "{address} redirects in circles (more than {REDIRECTS_MAX} times): choose another --mirror"
        )))
    }

    /// Looks at what the server says before any of it is written, and makes the part ready for it.
    fn accept(
        &self,
        wanted: &Wanted<'_>,
        part: &mut Part,
        address: &Address,
        response: &Response<Body>,
    ) -> Result<(), Failure> {
        let status = response.status();
        let answers = format!("{address} answers with status {}", status.as_u16());
        let from = match status {
            StatusCode::OK => 0,
            StatusCode::PARTIAL_CONTENT if begins_at(response.headers()) == Some(part.written()) => {
                part.written()
            }
            StatusCode::PARTIAL_CONTENT | StatusCode::RANGE_NOT_SATISFIABLE => {
                part.restart().map_err(Failure::Final)?;
                return Err(Failure::Passing(anyhow!(
                    "{answers} and does not go on where it was asked to: choose another --mirror"
                )));
            }
            StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => {
                return Err(Failure::Passing(anyhow!("{answers}: try again later")));
            }
            status if status.is_server_error() => {
                return Err(Failure::Passing(anyhow!(
                    "{answers}: try again later, or choose another --mirror"
                )));
            }
            _ => {
                return Err(Failure::Final(anyhow!(
                    "{answers} for {}: choose another --mirror",
                    wanted.name
                )));
            }
        };
        let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        if kind.is_some_and(|kind| kind.to_ascii_lowercase().starts_with("text/html")) {
            return Err(Failure::Final(anyhow!(
                "{address} answers with a web page instead of {}: does this network ask for a login? otherwise choose another --mirror",
                wanted.name
            )));
        }
        match response.body().content_length().map(|length| from.saturating_add(length)) {
            Some(length) if length > wanted.bytes => return Err(Failure::Final(too_long(wanted, address))),
            Some(length) if length < wanted.bytes => {
                return Err(Failure::Final(anyhow!(
                    "{address} has only {length} bytes, and {} has {}: choose another --mirror",
                    wanted.name,
                    wanted.bytes
                )));
            }
            _ => {}
        }
        match from {
            0 => part.restart().map_err(Failure::Final),
            _ => Ok(()),
        }
    }
}

/// The error of an attempt that was the last, and what becomes of the part.
fn left(failure: Failure, part: Part) -> anyhow::Error {
    match failure {
        Failure::Passing(error) | Failure::Final(error) => {
            part.keep();
            error
        }
        Failure::Wrong(error) => {
            part.discard();
            error
        }
    }
}

fn too_long(wanted: &Wanted<'_>, address: &Address) -> anyhow::Error {
    anyhow!(
        "{address} gives more than the {} bytes of {}: it is another file, choose another --mirror",
        wanted.bytes,
        wanted.name
    )
}

fn next(from: &Address, headers: &HeaderMap) -> Result<Address> {
    let location = headers.get(header::LOCATION).and_then(|location| location.to_str().ok());
    let location = location.with_context(|| format!("{from} redirects nowhere: choose another --mirror"))?;
    let shown = location.split('?').next().unwrap_or_default();
    from.redirected(location).with_context(|| {
        format!("{from} redirects to {shown:?}, which is not followed: choose another --mirror")
    })
}

/// Where a partial answer begins: `bytes 100-199/200`.
fn begins_at(headers: &HeaderMap) -> Option<u64> {
    let range = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
    range.strip_prefix("bytes ")?.split('-').next()?.parse().ok()
}
