//! The website's signing key: its private half a file in the data folder, its public half in the database. The
//! two must belong together, or every edge would refuse the heads of this website.

use crate::{clock, db::Db, random, tables::site};
use anyhow::{Context, bail};
use protocol::SigningKey;
use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::OpenOptionsExt,
    path::Path,
};

/// The key in `data/signing.key`, made at the first start.
///
/// # Errors
/// When the file and the database do not belong together, or one of the two is missing.
pub async fn open(db: &Db, data: &Path) -> anyhow::Result<SigningKey> {
    let path = data.join("signing.key");
    let mut tx = db.write().await?;
    let known = site::public_key(&mut tx).await?;
    let key = match (read(&path)?, known) {
        (Some(key), Some(public)) if key.public() == public => key,
        (Some(_), Some(_)) => bail!(
            "{} does not belong to this database: start with the data folder and the database of one website",
            path.display()
        ),
        (None, Some(_)) => bail!(
            "{} is missing, and the edges trust no other key: put it back from the backup of the data folder",
            path.display()
        ),
        (Some(key), None) => {
            site::insert(&mut tx, &key.public(), clock::now()).await?;
            key
        }
        (None, None) => {
            let key = SigningKey::from_seed(random::bytes());
            write(&path, &key).with_context(|| format!("{} cannot be written", path.display()))?;
            site::insert(&mut tx, &key.public(), clock::now()).await?;
            key
        }
    };
    tx.commit().await?;
    Ok(key)
}

/// The key in `data`, if there is one.
///
/// # Errors
/// When it cannot be read.
pub fn present(data: &Path) -> anyhow::Result<Option<SigningKey>> {
    read(&data.join("signing.key"))
}

fn read(path: &Path) -> anyhow::Result<Option<SigningKey>> {
    match fs::read(path) {
        Ok(bytes) => {
            let seed = <[u8; 32]>::try_from(bytes.as_slice());
            let seed = seed.map_err(|_| anyhow::anyhow!("{} is damaged: it is 32 bytes", path.display()))?;
            Ok(Some(SigningKey::from_seed(seed)))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", path.display())),
    }
}

fn write(path: &Path, key: &SigningKey) -> std::io::Result<()> {
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(&key.seed())?;
    file.sync_all()?;
    // The folder's entry must be as durable as the database that will refer to it.
    fs::File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}
