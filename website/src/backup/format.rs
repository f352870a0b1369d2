//! A backup's lines. Every line is JSON:
//!
//! 1. `{"regulars_backup":1,"begun_at":MS,"schema":N,"site_key":HEX}`
//! 2. for each table `{"table":NAME,"columns":[[NAME,KIND],...]}`, then a line for each row: an array with a value for
//!    each column. A kind is `int` (a signed 64-bit number), `text`, or `bytes` (hexadecimal digits); any may be null.
//! 3. `{"end":{"rows":N,"sha256":HEX,"signature":HEX}}`: the hash of every byte before this line, and the website's
//!    Ed25519 signature over `regulars backup v1`, a zero byte, and the 32 bytes of that hash.

use crate::tables::export::{Column, Kind, Value};
use anyhow::{Context, bail};
use protocol::{PublicKey, Signature, SigningKey, UnixMs};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::io::{BufRead, Write};

const CONTEXT: &str = "regulars backup v1";
/// A row with the longest vector and a page of receipts fits many times.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// What a backup says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// When it was begun: everything dated earlier is in it.
    pub begun_at: UnixMs,
    /// The newest migration of the database it was made of.
    pub schema: i64,
    /// Whose it is.
    pub site_key: PublicKey,
}

#[derive(Serialize, Deserialize)]
struct First {
    regulars_backup: u32,
    begun_at: UnixMs,
    schema: i64,
    site_key: String,
}

#[derive(Serialize, Deserialize)]
struct TableLine {
    table: String,
    columns: Vec<Column>,
}

#[derive(Serialize, Deserialize)]
struct EndLine {
    end: End,
}

#[derive(Serialize, Deserialize)]
struct End {
    rows: u64,
    sha256: String,
    signature: String,
}

/// Writes a backup.
pub struct Writer<W> {
    to: W,
    hash: Sha256,
    rows: u64,
}

impl<W: Write> Writer<W> {
    /// Begins with the header.
    pub fn new(to: W, header: &Header) -> anyhow::Result<Writer<W>> {
        let mut writer = Writer { to, hash: Sha256::new(), rows: 0 };
        let Header { begun_at, schema, site_key } = header;
        let site_key = site_key.to_string();
        writer.line(&First { regulars_backup: 1, begun_at: *begun_at, schema: *schema, site_key })?;
        Ok(writer)
    }

    /// The rows of this table follow.
    pub fn table(&mut self, table: &str, columns: &[Column]) -> anyhow::Result<()> {
        self.line(&TableLine { table: table.to_owned(), columns: columns.to_vec() })
    }

    /// One row.
    pub fn row(&mut self, row: &[Value]) -> anyhow::Result<()> {
        self.rows += 1;
        let json = |value: &Value| match value {
            Value::Null => serde_json::Value::Null,
            Value::Int(number) => (*number).into(),
            Value::Text(text) => text.as_str().into(),
            Value::Bytes(bytes) => hex::encode(bytes).into(),
        };
        self.line(&row.iter().map(json).collect::<Vec<_>>())
    }

    /// Signs what was written, and tells how many rows it was.
    pub fn end(mut self, key: &SigningKey) -> anyhow::Result<(W, u64)> {
        let hash: [u8; 32] = self.hash.clone().finalize().into();
        let signature = hex::encode(key.sign(CONTEXT, &hash).to_bytes());
        let rows = self.rows;
        self.line(&EndLine { end: End { rows, sha256: hex::encode(hash), signature } })?;
        Ok((self.to, rows))
    }

    fn line(&mut self, line: &impl Serialize) -> anyhow::Result<()> {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        self.hash.update(&text);
        self.to.write_all(&text).context("the backup cannot be written")
    }
}

/// One thing a backup holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Item {
    /// The rows of this table follow.
    Table(String, Vec<Column>),
    /// One row of the last table.
    Row(Vec<Value>),
    /// The end; hash, number of rows and signature are right.
    End,
}

/// Reads a backup. What it has handed out is to be believed only once [`Item::End`] has come.
pub struct Reader<R> {
    from: R,
    hash: Sha256,
    rows: u64,
    key: PublicKey,
    columns: Vec<Column>,
    buffer: Vec<u8>,
}

impl<R: BufRead> Reader<R> {
    /// Reads the header.
    pub fn new(mut from: R) -> anyhow::Result<(Reader<R>, Header)> {
        let mut buffer = Vec::new();
        read_line(&mut from, &mut buffer)?;
        let first: First = serde_json::from_slice(&buffer).map_err(|_| not_one())?;
        if first.regulars_backup != 1 {
            bail!("it is of a newer kind: restore it with the program that made it");
        }
        let site_key: PublicKey = first.site_key.parse().map_err(|_| not_one())?;
        let mut hash = Sha256::new();
        hash.update(&buffer);
        let header = Header { begun_at: first.begun_at, schema: first.schema, site_key };
        Ok((Reader { from, hash, rows: 0, key: site_key, columns: Vec::new(), buffer }, header))
    }

    /// The next item.
    pub fn next(&mut self) -> anyhow::Result<Item> {
        read_line(&mut self.from, &mut self.buffer)?;
        let line: serde_json::Value = serde_json::from_slice(&self.buffer).map_err(|_| damaged())?;
        if line.get("end").is_some() {
            let EndLine { end } = serde_json::from_value(line).map_err(|_| damaged())?;
            return self.ended(&end).map(|()| Item::End);
        }
        self.hash.update(&self.buffer);
        if let serde_json::Value::Array(values) = line {
            self.rows += 1;
            return self.row(values).map(Item::Row);
        }
        let TableLine { table, columns } = serde_json::from_value(line).map_err(|_| damaged())?;
        self.columns.clone_from(&columns);
        Ok(Item::Table(table, columns))
    }

    fn row(&self, values: Vec<serde_json::Value>) -> anyhow::Result<Vec<Value>> {
        if values.len() != self.columns.len() {
            return Err(damaged());
        }
        let value = |(value, (_, kind)): (serde_json::Value, &Column)| {
            Ok(match (kind, value) {
                (_, serde_json::Value::Null) => Value::Null,
                (Kind::Int, value) => Value::Int(value.as_i64().ok_or_else(damaged)?),
                (Kind::Text, serde_json::Value::String(text)) => Value::Text(text),
                (Kind::Bytes, serde_json::Value::String(text)) => {
                    Value::Bytes(hex::decode(text).map_err(|_| damaged())?)
                }
                _ => return Err(damaged()),
            })
        };
        values.into_iter().zip(&self.columns).map(value).collect()
    }

    fn ended(&self, end: &End) -> anyhow::Result<()> {
        let hash: [u8; 32] = self.hash.clone().finalize().into();
        if end.rows != self.rows || end.sha256 != hex::encode(hash) {
            return Err(damaged());
        }
        let signature = hex::decode(&end.signature).ok().and_then(|bytes| bytes.try_into().ok());
        let signature = Signature::from_bytes(signature.ok_or_else(damaged)?);
        let signed = self.key.verify(CONTEXT, &hash, &signature);
        signed.map_err(|_| anyhow::anyhow!("it was changed since the website signed it"))
    }
}

fn read_line(from: &mut impl BufRead, buffer: &mut Vec<u8>) -> anyhow::Result<()> {
    buffer.clear();
    let mut limited = std::io::Read::take(from, LINE_BYTES_MAX as u64);
    limited.read_until(b'\n', buffer).context("it cannot be read")?;
    if buffer.last() == Some(&b'\n') { Ok(()) } else { Err(damaged()) }
}

fn not_one() -> anyhow::Error {
    anyhow::anyhow!("it is no backup of a website")
}

fn damaged() -> anyhow::Error {
    anyhow::anyhow!("it is damaged or incomplete: take another backup")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup() -> Vec<u8> {
        let key = SigningKey::from_seed([7; 32]);
        let header = Header { begun_at: UnixMs(5), schema: 3, site_key: key.public() };
        let mut writer = Writer::new(Vec::new(), &header).unwrap();
        let column = |name: &str, kind| (name.to_owned(), kind);
        let columns = [column("a", Kind::Int), column("b", Kind::Text), column("c", Kind::Bytes)];
        writer.table("things", &columns).unwrap();
        writer.row(&row()).unwrap();
        writer.row(&[Value::Null, Value::Null, Value::Null]).unwrap();
        writer.end(&key).unwrap().0
    }

    fn row() -> Vec<Value> {
        vec![Value::Int(i64::MIN), Value::Text("x\ny".into()), Value::Bytes(vec![0, 255])]
    }

    fn read(bytes: &[u8]) -> anyhow::Result<Vec<Item>> {
        let (mut reader, _) = Reader::new(bytes)?;
        let mut items = Vec::new();
        loop {
            items.push(reader.next()?);
            if items.last() == Some(&Item::End) {
                return Ok(items);
            }
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let items = read(&backup()).unwrap();
        assert_eq!(items.len(), 4);
        assert!(matches!(&items[0], Item::Table(name, columns) if name == "things" && columns.len() == 3));
        assert_eq!(items[1], Item::Row(row()));
    }

    #[test]
    fn no_byte_can_change_and_no_end_be_cut_off() {
        let backup = backup();
        for at in 0..backup.len() {
            let mut changed = backup.clone();
            changed[at] ^= 1;
            assert!(read(&changed).is_err(), "byte {at}");
            assert!(read(&backup[..at]).is_err(), "cut at {at}");
        }
    }
}
