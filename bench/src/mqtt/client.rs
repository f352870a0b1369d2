//! One connected client.

use super::encode;
use super::input::{Input, Packet};
use super::stream::{Road, Stream};
use anyhow::{Result, bail, ensure};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Longer than any figure takes.
const KEEP_ALIVE_S: u16 = 1_800;

/// Who a client is.
#[derive(Debug, Clone)]
pub struct Login {
    /// The number of the client, which chooses the address it connects from.
    pub number: usize,
    /// Its client id.
    pub client_id: String,
    /// Its user name: `website`, or the location whose edge it is.
    pub user: String,
    /// Whether its session ends with the connection.
    pub clean: bool,
    /// Bytes it reads at once.
    pub read_bytes: usize,
}

impl Login {
    /// The website.
    pub fn website() -> Login {
        let name = "website".to_owned();
        Login { number: 0, client_id: name.clone(), user: name, clean: true, read_bytes: 64 << 10 }
    }

    /// An edge of a location, whose client id is its number.
    pub fn edge(location: &str, number: usize) -> Login {
        let (client_id, user) = (format!("e{number}"), location.to_owned());
        Login { number, client_id, user, clean: true, read_bytes: 64 << 10 }
    }
}

/// A client that has been let in.
pub struct Client {
    stream: Stream,
    /// What has been read.
    pub input: Input,
    /// What is to be written at the next `flush`.
    pub out: Vec<u8>,
}

impl Client {
    /// Connects and waits for the CONNACK.
    pub async fn connect(road: &Road, login: &Login) -> Result<Client> {
        let stream = road.connect(login.number).await?;
        let mut client = Client { stream, input: Input::new(login.read_bytes), out: Vec::new() };
        encode::connect(&mut client.out, &login.client_id, &login.user, login.clean, KEEP_ALIVE_S);
        client.flush().await?;
        loop {
            if let Some(packet) = client.input.next()? {
                ensure!(packet == Packet::Connected(0), "not let in as {}: {packet:?}", login.client_id);
                return Ok(client);
            }
            client.read().await?;
        }
    }

    /// Asks for a filter with QoS 1; the answer comes among the packets.
    pub async fn ask(&mut self, filter: &str) -> Result<()> {
        encode::subscribe(&mut self.out, 1, filter);
        self.flush().await
    }

    /// Subscribes to a filter that has no retained messages.
    pub async fn subscribe(&mut self, filter: &str) -> Result<()> {
        self.ask(filter).await?;
        loop {
            match self.input.next()? {
                Some(Packet::Subscribed(1)) => return Ok(()),
                Some(other) => bail!("the subscription to {filter} was answered by {other:?}"),
                None => self.read().await?,
            }
        }
    }

    /// Reads what there is, at least one byte.
    pub async fn read(&mut self) -> Result<()> {
        let bytes = self.stream.read(self.input.room()).await?;
        ensure!(bytes > 0, "the broker closed a connection");
        self.input.filled(bytes);
        Ok(())
    }

    /// Writes what there is to be written.
    pub async fn flush(&mut self) -> Result<()> {
        if !self.out.is_empty() {
            self.stream.write_all(&self.out).await?;
            self.stream.flush().await?;
            self.out.clear();
        }
        Ok(())
    }

    /// Takes leave, and waits until the broker has closed the connection.
    pub async fn leave(mut self) -> Result<()> {
        encode::disconnect(&mut self.out);
        self.flush().await?;
        let mut rest = [0; 1024];
        // A reset is as good as an end.
        while self.stream.read(&mut rest).await.is_ok_and(|bytes| bytes > 0) {}
        Ok(())
    }

    /// The next message, acknowledged at the next flush; its payload is handed to `look`.
    pub async fn message<T>(&mut self, look: impl FnOnce(&[u8]) -> T) -> Result<T> {
        loop {
            match self.input.next()? {
                Some(Packet::Message { id, payload }) => {
                    let seen = look(payload);
                    id.into_iter().for_each(|id| encode::puback(&mut self.out, id));
                    return Ok(seen);
                }
                Some(_) => {}
                None => self.read().await?,
            }
        }
    }
}
