//! MXNet's list of named arrays, as it lies in a `.params` file: little-endian, the arrays first and their names after.
//!
//! ```text
//! u64 0x112, u64 0, u64 n, n arrays, u64 n, n names
//! array: u32 0xF993FAC9, i32 storage 0, u32 d, d times u64 size, i32 device, i32 number, i32 type 0 (f32), values
//! name:  u64 length, text that begins with `arg:` or `aux:`
//! ```
//!
//! The file comes from elsewhere: nothing in it is believed before it is compared with what is left of the file.

use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeMap;

const LIST: u64 = 0x112;
const ARRAY: u32 = 0xF993_FAC9;
const DENSE: u32 = 0;
const F32: u32 = 0;
const ARRAYS_MAX: u64 = 4_096;
const DIMENSIONS_MAX: u32 = 4;
const NAME_BYTES_MAX: u64 = 256;

/// An array of f32 in row-major order.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// The size in each dimension, one to four of them, none zero.
    pub shape: Vec<usize>,
    /// As many finite values as the shape says.
    pub values: Vec<f32>,
}

/// Reads a list. The kind (`arg:`, `aux:`) is left out of the names.
///
/// # Errors
/// One sentence with the place, when the bytes are not exactly such a list.
pub fn parse(bytes: &[u8]) -> Result<BTreeMap<String, Array>> {
    let mut rest = Rest { bytes, at: 0 };
    ensure!(rest.u64()? == LIST && rest.u64()? == 0, "the parameters do not begin as an MXNet list does");
    let count = rest.u64()?;
    ensure!(
        (1..=ARRAYS_MAX).contains(&count),
        "the parameters name {count} arrays, 1 to {ARRAYS_MAX} are read"
    );
    let arrays: Vec<Array> = (0..count)
        .map(|n| array(&mut rest).with_context(|| format!("array {n} of the parameters")))
        .collect::<Result<_>>()?;
    ensure!(rest.u64()? == count, "the parameters hold another number of names than of arrays");
    let mut named = BTreeMap::new();
    for array in arrays {
        let name = name(&mut rest)?;
        ensure!(!named.contains_key(&name), "the parameters hold two arrays called {name}");
        named.insert(name, array);
    }
    ensure!(rest.bytes.is_empty(), "bytes follow the parameters");
    Ok(named)
}

fn array(rest: &mut Rest<'_>) -> Result<Array> {
    ensure!(rest.u32()? == ARRAY, "is of a version that is not read, at byte {}", rest.at);
    ensure!(rest.u32()? == DENSE, "is sparse, at byte {}", rest.at);
    let dimensions = rest.u32()?;
    ensure!((1..=DIMENSIONS_MAX).contains(&dimensions), "has {dimensions} dimensions, at byte {}", rest.at);
    let sizes: Vec<u64> = (0..dimensions).map(|_| rest.u64()).collect::<Result<_>>()?;
    let (_device, _number) = (rest.u32()?, rest.u32()?);
    ensure!(rest.u32()? == F32, "is not of 32-bit floats, at byte {}", rest.at);
    let length = sizes.iter().try_fold(4u64, |bytes, size| bytes.checked_mul(*size));
    let length = length.filter(|bytes| *bytes > 0 && *bytes <= rest.bytes.len() as u64);
    let Some(length) = length else {
        bail!("is larger than its file, or empty: {sizes:?}, at byte {}", rest.at)
    };
    let values: Vec<f32> =
        rest.take(length)?.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    ensure!(
        values.iter().all(|v| v.is_finite()),
        "holds values that are no numbers, before byte {}",
        rest.at
    );
    // Every size divides a length that fits into memory already.
    let shape = sizes.into_iter().map(|size| Ok(usize::try_from(size)?)).collect::<Result<_>>()?;
    Ok(Array { shape, values })
}

fn name(rest: &mut Rest<'_>) -> Result<String> {
    let length = rest.u64()?;
    ensure!(length <= NAME_BYTES_MAX, "a name of the parameters has {length} bytes");
    let text = std::str::from_utf8(rest.take(length)?).context("a name of the parameters is no text")?;
    let name = text.strip_prefix("arg:").or_else(|| text.strip_prefix("aux:"));
    match name {
        Some(name) if !name.is_empty() => Ok(name.to_owned()),
        _ => bail!("the parameters call something {text:?}, neither arg: nor aux:"),
    }
}

/// What has not been read yet.
struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let taken = usize::try_from(length).ok().and_then(|length| self.bytes.split_at_checked(length));
        let Some((taken, rest)) = taken else { bail!("the parameters end too early, at byte {}", self.at) };
        self.bytes = rest;
        self.at += taken.len();
        Ok(taken)
    }

    fn u32(&mut self) -> Result<u32> {
        let bytes = self.take(4)?;
        Ok(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    fn u64(&mut self) -> Result<u64> {
        Ok(u64::from(self.u32()?) | u64::from(self.u32()?) << 32)
    }
}
