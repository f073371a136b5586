//! Reading and writing bounded bytes: every multi-byte number is big endian, every text has a length and a limit.

/// The bytes are not what the format says. Nothing was taken from them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// They end too early.
    #[error("decode: the bytes end before {0}")]
    Short(&'static str),
    /// A field holds what the format does not allow.
    #[error("decode: {0} is out of its range")]
    Range(&'static str),
    /// Bytes are left over.
    #[error("decode: bytes are left over")]
    Trailing,
}

/// Takes fields off the front of a slice.
#[derive(Debug, Clone, Copy)]
pub struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Reads from the start of `bytes`.
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Exactly `count` bytes.
    pub fn take(&mut self, count: usize, what: &'static str) -> Result<&'a [u8], Malformed> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Malformed::Short(what))?;
        self.0 = rest;
        Ok(taken)
    }

    /// A fixed array.
    pub fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Malformed> {
        let taken = self.take(N, what)?;
        taken.try_into().map_err(|_| Malformed::Short(what))
    }

    /// One byte.
    pub fn u8(&mut self, what: &'static str) -> Result<u8, Malformed> {
        Ok(self.array::<1>(what)?[0])
    }

    /// Two bytes.
    pub fn u16(&mut self, what: &'static str) -> Result<u16, Malformed> {
        Ok(u16::from_be_bytes(self.array(what)?))
    }

    /// Four bytes.
    pub fn u32(&mut self, what: &'static str) -> Result<u32, Malformed> {
        Ok(u32::from_be_bytes(self.array(what)?))
    }

    /// Eight bytes.
    pub fn u64(&mut self, what: &'static str) -> Result<u64, Malformed> {
        Ok(u64::from_be_bytes(self.array(what)?))
    }

    /// A text with a length byte in front.
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, Malformed> {
        let length = usize::from(self.u8(what)?);
        std::str::from_utf8(self.take(length, what)?).map_err(|_| Malformed::Range(what))
    }

    /// What is left.
    pub const fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// Nothing may be left.
    pub const fn end(&self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed::Trailing)
        }
    }
}

/// Appends a text with a length byte in front; what does not fit into `limit` (at most 255) bytes is cut at a character.
pub fn put_text(out: &mut Vec<u8>, text: &str, limit: u8) {
    let mut end = text.len().min(usize::from(limit));
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    out.push(u8::try_from(end).unwrap_or(limit));
    out.extend_from_slice(&text.as_bytes()[..end]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_text_and_trailing_bytes_are_told_apart() {
        let mut out = Vec::new();
        put_text(&mut out, "zoné", 4);
        assert_eq!(out, b"\x03zon", "cut at a character");
        let mut reader = Reader::new(&out);
        assert_eq!(reader.text("zone"), Ok("zon"));
        assert_eq!(reader.end(), Ok(()));
        assert_eq!(reader.u16("port"), Err(Malformed::Short("port")));
        assert_eq!(
            Reader::new(b"\x09zon").text("zone"),
            Err(Malformed::Short("zone"))
        );
        assert_eq!(
            Reader::new(b"\x01\xff").text("zone"),
            Err(Malformed::Range("zone"))
        );
        assert_eq!(Reader::new(b"x").end(), Err(Malformed::Trailing));
    }
}
