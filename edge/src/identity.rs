//! Who this edge is: one file of mode 0600 in its state folder, written when it joins.

use crate::encryption::Encryption;
use anyhow::{Context, Result, bail};
use protocol::{DigestKey, EdgeId, LocationId, PublicKey, SigningKey};
use serde::{Deserialize, Serialize};
use std::{fmt, fs, io::Write, path::Path};

const FILE: &str = "identity.json";

/// What joining gave.
#[derive(Clone)]
pub struct Identity {
    /// The edge.
    pub edge: EdgeId,
    /// Its location.
    pub location: LocationId,
    /// The location's name for people.
    pub location_name: String,
    /// The broker's host name or address.
    pub host: String,
    /// The broker's port.
    pub port: u16,
    /// How it is spoken to.
    pub encryption: Encryption,
    /// The password at the broker.
    pub token: String,
    /// Signs what the edge reports.
    pub key: SigningKey,
    /// Checks what the website says.
    pub site_key: PublicKey,
    /// The location's digest key.
    pub digest_key: DigestKey,
}

#[derive(Serialize, Deserialize)]
struct Stored {
    edge: EdgeId,
    location: LocationId,
    location_name: String,
    host: String,
    port: u16,
    #[serde(default)]
    encryption: Encryption,
    token: String,
    seed: String,
    site_key: String,
    digest_key: String,
}

impl Identity {
    /// Reads the identity of a state folder.
    ///
    /// # Errors
    /// When the edge has not joined, or the file is damaged.
    pub fn load(folder: &Path) -> Result<Self> {
        let file = folder.join(FILE);
        if !file.exists() {
            bail!("{} holds no identity: run `edge join URL CODE` first", folder.display());
        }
        let text = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        let parsed = serde_json::from_slice::<Stored>(&text).ok().and_then(Stored::parse);
        parsed.with_context(|| format!("{} is damaged: join this edge again", file.display()))
    }

    /// Whether a state folder has an identity.
    pub fn exists(folder: &Path) -> bool {
        folder.join(FILE).exists()
    }

    /// Writes the identity into a state folder, all or nothing, readable by its owner alone.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn store(&self, folder: &Path) -> Result<()> {
        let stored = Stored {
            edge: self.edge.clone(),
            location: self.location.clone(),
            location_name: self.location_name.clone(),
            host: self.host.clone(),
            port: self.port,
            encryption: self.encryption.clone(),
            token: self.token.clone(),
            seed: hex::encode(self.key.seed()),
            site_key: self.site_key.to_string(),
            digest_key: hex::encode(self.digest_key.as_bytes()),
        };
        let text = serde_json::to_vec_pretty(&stored)?;
        let new = folder.join("identity.new");
        let written = secret_file(&new).and_then(|mut file| {
            file.write_all(&text)?;
            file.sync_all()?;
            fs::rename(&new, folder.join(FILE))
        });
        written.with_context(|| format!("the identity cannot be written into {}", folder.display()))
    }
}

impl Stored {
    fn parse(self) -> Option<Identity> {
        let Stored {
            edge,
            location,
            location_name,
            host,
            port,
            encryption,
            token,
            seed,
            site_key,
            digest_key,
        } = self;
        let bytes = |text: &str| <[u8; 32]>::try_from(hex::decode(text).ok()?).ok();
        Some(Identity {
            key: SigningKey::from_seed(bytes(&seed)?),
            site_key: site_key.parse().ok()?,
            digest_key: DigestKey::from_bytes(bytes(&digest_key)?),
            edge,
            location,
            location_name,
            host,
            port,
            encryption,
            token,
        })
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity({} of {} at {}:{})", self.edge, self.location, self.host, self.port)
    }
}

#[cfg(unix)]
fn secret_file(file: &Path) -> std::io::Result<fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    // One that was left half-written may have other permissions.
    match fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(file)
}

#[cfg(not(unix))]
fn secret_file(file: &Path) -> std::io::Result<fs::File> {
    fs::File::create(file)
}
