//! The broker of this workspace as a process of its own, with every limit as it comes.

use crate::arena::{Addresses, Process};
use crate::paper::Paper;
use anyhow::{Context as _, Result};
use broker::{
    Broker, Carrier, Credentials, Encryption, Limits, Listener, Login, LoginFuture, Plaintext, Principal,
    Refused, Tls, TlsFiles,
};
use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;

/// Starts it and waits until it listens.
pub async fn start(paper: &Paper) -> Result<(Process, Addresses)> {
    let program = std::env::current_exe().context("cannot find this program")?;
    let child = Command::new(program)
        .arg("serve")
        .arg(&paper.certificate)
        .arg(&paper.key)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the broker")?;
    let mut process = Process(child);
    let stdout = process.0.stdout.take().context("the broker has no output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).context("the broker did not say where it listens")?;
    let addresses: Vec<_> = line.split_whitespace().map(str::parse).collect::<Result<_, _>>()?;
    let addresses = addresses.try_into().ok().context("the broker did not start")?;
    Ok((process, addresses))
}

/// Is the broker, until the process is ended: prints where it listens, in the clear and under TLS.
pub async fn serve(certificate: PathBuf, key: PathBuf) -> Result<()> {
    let tls = Tls::open(&TlsFiles { certificate, key, client_ca: None })?;
    let listen =
        |encryption| Listener { address: ([127, 0, 0, 1], 0).into(), encryption, carrier: Carrier::Bytes };
    let listeners = vec![listen(Encryption::None(Plaintext::LoopbackOnly)), listen(Encryption::Tls(tls))];
    let broker = Broker::start_on(listeners, Limits::default(), Arc::new(ByName)).await?;
    let addresses: Vec<_> = broker.addresses().iter().map(ToString::to_string).collect();
    println!("{}", addresses.join(" "));
    Err(broker.failed().await.into())
}

/// Believes every client: the user is the website, or else an edge of the location it is called after. Rights
/// are checked as ever.
struct ByName;

impl Login for ByName {
    fn login(&self, credentials: Credentials) -> LoginFuture<'_> {
        let principal = match credentials.username.as_deref() {
            Some("website") => Some(Principal::Website),
            Some(location) => location.parse().ok().and_then(|location| {
                let edge = credentials.client_id.parse().ok()?;
                Some(Principal::Edge { location, edge })
            }),
            None => None,
        };
        Box::pin(std::future::ready(principal.ok_or(Refused::BadLogin)))
    }
}
