//! What is left of a packet's body, read field by field.

use super::error::Malformed;
use std::num::NonZeroU16;

/// A client's packet id: never zero.
pub type PacketId = NonZeroU16;

/// What is left of a packet's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Fields<'a> {
    /// So many bytes.
    pub fn take(&mut self, bytes: usize) -> Result<&'a [u8], Malformed> {
        let (field, rest) = self.0.split_at_checked(bytes).ok_or(Malformed::Fields)?;
        self.0 = rest;
        Ok(field)
    }

    /// All that is left.
    pub fn rest(&mut self) -> &'a [u8] {
        std::mem::take(&mut self.0)
    }

    /// One byte.
    pub fn byte(&mut self) -> Result<u8, Malformed> {
        Ok(self.take(1)?[0])
    }

    /// Two bytes.
    pub fn number(&mut self) -> Result<u16, Malformed> {
        let field = self.take(2)?;
        Ok(u16::from_be_bytes([field[0], field[1]]))
    }

    /// Four bytes.
    pub fn long(&mut self) -> Result<u32, Malformed> {
        let field = self.take(4)?;
        Ok(u32::from_be_bytes([field[0], field[1], field[2], field[3]]))
    }

    /// A number of one to four bytes, seven bits in each, written as shortly as it can be.
    pub fn variable(&mut self) -> Result<u32, Malformed> {
        let mut number = 0;
        for at in 0..4 {
            let byte = self.byte()?;
            number |= u32::from(byte & 0x7f) << (7 * at);
            if byte & 0x80 == 0 {
                return if byte == 0 && at > 0 { Err(Malformed::Length) } else { Ok(number) };
            }
        }
        Err(Malformed::Length)
    }

    /// A packet id.
    pub fn id(&mut self) -> Result<PacketId, Malformed> {
        PacketId::new(self.number()?).ok_or(Malformed::Value)
    }

    /// Bytes behind their length.
    pub fn binary(&mut self) -> Result<&'a [u8], Malformed> {
        let bytes = self.number()?;
        self.take(usize::from(bytes))
    }

    /// A text behind its length.
    pub fn text(&mut self) -> Result<&'a str, Malformed> {
        let text = std::str::from_utf8(self.binary()?).map_err(|_| Malformed::Text)?;
        if text.contains('\0') { Err(Malformed::Text) } else { Ok(text) }
    }

    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Nothing must be left.
    pub fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed::Fields) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variable_numbers_are_as_short_as_they_can_be() {
        for (bytes, expected) in [
            (&b"\x00"[..], Ok(0)),
            (b"\x7f", Ok(127)),
            (b"\x80\x01", Ok(128)),
            (b"\xff\xff\xff\x7f", Ok(268_435_455)),
            (b"\x80\x00", Err(Malformed::Length)),
            (b"\xff\xff\xff\xff\x01", Err(Malformed::Length)),
            (b"\x80", Err(Malformed::Fields)),
            (b"", Err(Malformed::Fields)),
        ] {
            assert_eq!(Fields(bytes).variable(), expected, "{bytes:?}");
        }
    }
}
