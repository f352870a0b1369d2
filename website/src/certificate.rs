//! The website's own authority, and the certificate it gives itself: files of mode 0600, each written at once or
//! not at all. Whoever trusts the authority goes on doing so when the certificate is renewed.

use anyhow::{Context, bail};
use protocol::UnixMs;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, date_time_ymd,
};
use std::{
    fs,
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    time::Duration,
};

const DAY_MS: i64 = 24 * 3_600_000;
/// As long as anybody keeps a box: an authority that ends must be told to every edge anew.
const AUTHORITY_DAYS: i64 = 30 * 365;
/// Browsers accept no certificate that holds much longer.
const SERVER_DAYS: i64 = 397;
const RENEW_BEFORE_DAYS: i64 = 60;

/// A certificate as it is to be shown.
pub(crate) struct Own {
    /// The file it is in.
    pub file: PathBuf,
    /// The key, the certificate, and the authority that vouches for it.
    pub pem: String,
    /// The authority alone.
    pub authority: String,
}

/// The certificate for these names in `folder`: the one that is there while it is good, or a new one.
///
/// # Errors
/// When the folder is not usable, or what is in it is damaged.
pub(crate) fn own(folder: &Path, names: &[String], now: UnixMs) -> anyhow::Result<Own> {
    let make = fs::DirBuilder::new().recursive(true).mode(0o700).create(folder);
    make.with_context(|| format!("the folder {} cannot be made", folder.display()))?;
    let (key, authority) = authority(&folder.join("authority.pem"), now)?;
    let file = folder.join("server.pem");
    let names_line = format!("names {}", names.join(" "));
    let pem = match read(&file)? {
        Some(pem) if is_good(&pem, &names_line, &authority, now) => pem,
        _ => {
            let until = now.plus_ms(SERVER_DAYS * DAY_MS);
            let made = server(names, key, now, until).context("a certificate could not be made")?;
            let pem = format!("{names_line}\nuntil_ms {}\n{made}{authority}", until.0);
            write(&file, &pem)?;
            pem
        }
    };
    Ok(Own { file, pem, authority })
}

/// Whether the file is for these names, of this authority, and holds for long enough.
fn is_good(pem: &str, names_line: &str, authority: &str, now: UnixMs) -> bool {
    let mut lines = pem.lines();
    let named = lines.next() == Some(names_line);
    let until = lines.next().and_then(|line| line.strip_prefix("until_ms ")?.parse().ok()).map(UnixMs);
    named
        && pem.ends_with(authority)
        && until.is_some_and(|until| until.since(now) > RENEW_BEFORE_DAYS * DAY_MS)
}

fn server(names: &[String], authority: KeyPair, now: UnixMs, until: UnixMs) -> Result<String, rcgen::Error> {
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, "Regulars website");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.use_authority_key_identifier_extension = true;
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970(now.plus_ms(-DAY_MS));
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970(until);
    let key = KeyPair::generate()?;
    let issuer = Issuer::new(authority_params(&authority, now), authority);
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(format!("{}{}", key.serialize_pem(), certificate.pem()))
}

/// The authority's key and certificate, made at the first start.
fn authority(file: &Path, now: UnixMs) -> anyhow::Result<(KeyPair, String)> {
    if let Some(pem) = read(file)? {
        let at = pem.find("-----BEGIN CERTIFICATE-----");
        let parts = at.map(|at| pem.split_at(at));
        let key = parts.and_then(|(key, certificate)| Some((KeyPair::from_pem(key).ok()?, certificate)));
        let Some((key, certificate)) = key else {
            bail!(
                "{} is damaged, and the edges trust no other authority: put it back from the backup of the data folder",
                file.display()
            );
        };
        return Ok((key, certificate.to_owned()));
    }
    let key = KeyPair::generate().context("a key could not be made")?;
    let made = authority_params(&key, now).self_signed(&key).context("an authority could not be made")?.pem();
    write(file, &format!("{}{made}", key.serialize_pem()))?;
    Ok((key, made))
}

/// The same name at every start, with the key's beginning in it, so that two websites' authorities differ.
fn authority_params(key: &KeyPair, now: UnixMs) -> CertificateParams {
    let mut params = CertificateParams::default();
    let public = key.public_key_raw();
    let mark = hex::encode(&public[public.len().saturating_sub(4)..]);
    params.distinguished_name.push(DnType::CommonName, format!("Regulars authority {mark}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.not_before = date_time_ymd(1970, 1, 1) + since_1970(now.plus_ms(-DAY_MS));
    params.not_after = date_time_ymd(1970, 1, 1) + since_1970(now.plus_ms(AUTHORITY_DAYS * DAY_MS));
    params
}

/// For dates, which count from the beginning of 1970.
fn since_1970(at: UnixMs) -> Duration {
    Duration::from_millis(u64::try_from(at.0).unwrap_or_default())
}

fn read(file: &Path) -> anyhow::Result<Option<String>> {
    match fs::read_to_string(file) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", file.display())),
    }
}

/// Writes a secret, all or nothing.
fn write(file: &Path, text: &str) -> anyhow::Result<()> {
    let new = file.with_extension("new");
    let written = || {
        match fs::remove_file(&new) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut opened = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
        opened.write_all(text.as_bytes())?;
        opened.sync_all()?;
        fs::rename(&new, file)?;
        fs::File::open(file.parent().unwrap_or(Path::new(".")))?.sync_all()
    };
    written().with_context(|| format!("{} cannot be written", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_certificate_is_kept_while_it_is_good_and_renewed_from_the_same_authority() {
        let folder = tempfile::tempdir().unwrap();
        let names = |all: &[&str]| all.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        let start = UnixMs(1_800_000_000_000);
        let (few, more) = (names(&["localhost", "127.0.0.1"]), names(&["localhost", "shop.example"]));
        let first = own(folder.path(), &few, start).unwrap();
        let day = |n: i64| start.plus_ms(n * DAY_MS);
        for (case, names, now, kept) in [
            ("the next start", &few, day(1), true),
            ("long before its end", &few, day(SERVER_DAYS - RENEW_BEFORE_DAYS - 1), true),
            ("another name", &more, day(1), false),
            ("back to the old names", &few, day(1), false),
            ("near its end", &few, day(SERVER_DAYS), false),
        ] {
            let before = fs::read_to_string(&first.file).unwrap();
            let next = own(folder.path(), names, now).unwrap();
            assert_eq!(next.pem == before, kept, "{case}");
            assert_eq!(next.authority, first.authority, "{case}");
            broker::Tls::from_pem(&next.file, next.pem.as_bytes()).unwrap();
        }
        for entry in fs::read_dir(folder.path()).unwrap() {
            let mode = entry.unwrap().metadata().unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
        fs::write(folder.path().join("authority.pem"), "torn").unwrap();
        let refused = own(folder.path(), &few, start).err().unwrap().to_string();
        assert!(refused.contains("authority.pem is damaged"), "{refused}");
    }
}
