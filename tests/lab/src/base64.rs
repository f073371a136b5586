//! Standard base64, as kubeconfigs and PEM hold bytes.

use anyhow::{Result, bail};

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Reads it; ends of lines are none of it and don't matter.
pub(crate) fn decode(text: &str) -> Result<Vec<u8>> {
    let (mut bytes, mut buffer, mut bits) = (Vec::new(), 0_u32, 0);
    let letters = text.bytes().filter(|letter| !b"\r\n=".contains(letter));
    for letter in letters {
        let Some(value) = LETTERS.iter().position(|known| *known == letter) else {
            bail!("{:?} is no letter of base64", char::from(letter));
        };
        buffer = (buffer << 6) | u32::try_from(value)?;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff)?);
        }
    }
    Ok(bytes)
}

/// Writes it, in one line.
pub(crate) fn encode(bytes: &[u8]) -> String {
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = (bits >> (18 - 6 * at)) & 0x3f;
            text.push(if at > group.len() {
                '='
            } else {
                char::from(LETTERS[letter as usize])
            });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_garbage_is_not() {
        for (bytes, text) in [
            (&b"hactl lab"[..], "aGFjdGwgbGFi"),
            (b"hactl", "aGFjdGw="),
            (b"hact", "aGFjdA=="),
            (b"", ""),
        ] {
            assert_eq!(encode(bytes), text);
            assert_eq!(decode(text).unwrap(), bytes);
        }
        assert_eq!(decode("aGFj\ndGw=\n").unwrap(), b"hactl");
        assert!(decode("a b").is_err());
    }
}
