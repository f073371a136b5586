//! Whether a private key belongs to a certificate: their public halves are the same.
//!
//! Only what is written beside the private half is read (RFC 8017 A.1.2, RFC 5915, RFC 5958); nothing is computed with it.

use hactl_proto::certificate::KeySeen;

use super::pem::Block;
use super::x509::Certificate;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
/// `[1]`, constructed: the public key in RFC 5915.
const TAGGED_1: u8 = 0xa1;
/// `[1]`, primitive: the public key in RFC 5958.
const IMPLICIT_1: u8 = 0x81;
const BITS: u8 = 0x03;
/// 1.2.840.113549.1.1.1
const RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// The public half as it is written beside a private one.
#[derive(PartialEq, Eq)]
enum Public<'a> {
    /// Modulus and exponent.
    Rsa(&'a [u8], &'a [u8]),
    /// A point, or Ed25519's bytes.
    Bits(&'a [u8]),
    /// It is not written.
    Unsaid,
}

/// Compares.
pub fn belongs(key: &Block, certificate: &Certificate) -> KeySeen {
    belongs_to(key, &certificate.public_key)
}

/// Compares with the bits of a `SubjectPublicKeyInfo`.
pub fn belongs_to(key: &Block, public: &[u8]) -> KeySeen {
    let Some(found) = public_half(&key.label, &key.der) else {
        return KeySeen::Unreadable;
    };
    let same = match found {
        Public::Unsaid => return KeySeen::Unchecked,
        Public::Bits(bits) => bits == public,
        Public::Rsa(modulus, exponent) => rsa_public(public) == Some((modulus, exponent)),
    };
    if same {
        KeySeen::Belongs
    } else {
        KeySeen::Differs
    }
}

/// The bits of a `PUBLIC KEY` block, as `sa.pub` is one.
pub fn public_bits(block: &Block) -> Option<Vec<u8>> {
    if block.label != "PUBLIC KEY" {
        return None;
    }
    let (whole, _) = element(&block.der, SEQUENCE)?;
    let (_, rest) = element(whole, SEQUENCE)?;
    let (bits, _) = element(rest, BITS)?;
    bits.split_first().map(|(_, bits)| bits.to_vec())
}

fn public_half<'a>(label: &str, der: &'a [u8]) -> Option<Public<'a>> {
    match label {
        "RSA PRIVATE KEY" => rsa_private(der),
        "EC PRIVATE KEY" => elliptic(der),
        "PRIVATE KEY" => wrapped(der),
        _ => None,
    }
}

fn rsa_private(der: &[u8]) -> Option<Public<'_>> {
    let (whole, _) = element(der, SEQUENCE)?;
    let (_, rest) = element(whole, INTEGER)?;
    let (modulus, rest) = element(rest, INTEGER)?;
    let (exponent, _) = element(rest, INTEGER)?;
    Some(Public::Rsa(modulus, exponent))
}

fn rsa_public(bits: &[u8]) -> Option<(&[u8], &[u8])> {
    let (whole, _) = element(bits, SEQUENCE)?;
    let (modulus, rest) = element(whole, INTEGER)?;
    let (exponent, _) = element(rest, INTEGER)?;
    Some((modulus, exponent))
}

fn elliptic(der: &[u8]) -> Option<Public<'_>> {
    let (whole, _) = element(der, SEQUENCE)?;
    let (_, rest) = element(whole, INTEGER)?;
    let (_, mut rest) = element(rest, OCTETS)?;
    while !rest.is_empty() {
        let (tag, content, after) = any(rest)?;
        if tag == TAGGED_1 {
            let (bits, _) = element(content, BITS)?;
            return Some(Public::Bits(bits.get(1..)?));
        }
        rest = after;
    }
    Some(Public::Unsaid)
}

fn wrapped(der: &[u8]) -> Option<Public<'_>> {
    let (whole, _) = element(der, SEQUENCE)?;
    let (_, rest) = element(whole, INTEGER)?;
    let (algorithm, rest) = element(rest, SEQUENCE)?;
    let (kind, _) = element(algorithm, 0x06)?;
    let (inner, mut rest) = element(rest, OCTETS)?;
    if kind == RSA {
        return rsa_private(inner);
    }
    if kind == ELLIPTIC
        && let Some(Public::Bits(bits)) = elliptic(inner)
    {
        return Some(Public::Bits(bits));
    }
    while !rest.is_empty() {
        let (tag, content, after) = any(rest)?;
        if tag == IMPLICIT_1 {
            return Some(Public::Bits(content.get(1..)?));
        }
        rest = after;
    }
    Some(Public::Unsaid)
}

/// An element of that tag: its content and what follows.
fn element(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (found, content, rest) = any(der)?;
    (found == tag).then_some((content, rest))
}

/// The next element in DER: tag, content, what follows. Lengths over 64 KiB are no key's.
fn any(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
        0x82 => {
            let two = [*rest.first()?, *rest.get(1)?];
            (usize::from(u16::from_be_bytes(two)), rest.get(2..)?)
        }
        _ => return None,
    };
    (length <= rest.len()).then(|| {
        let (content, after) = rest.split_at(length);
        (tag, content, after)
    })
}

#[cfg(test)]
mod tests {
    use data_encoding::BASE64;

    use super::*;
    use crate::certificate::pem::blocks;

    /// A key as RFC 8410 has it; `public`: what is written beside it.
    fn ed25519(public: &[u8]) -> Block {
        let mut der = vec![0x02, 0x01, 0x01, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70];
        der.extend([0x04, 0x22, 0x04, 0x20]);
        der.extend([7; 32]);
        der.extend(public);
        let length = u8::try_from(der.len()).unwrap();
        let whole = [&[SEQUENCE, length], der.as_slice()].concat();
        let text = BASE64.encode(&whole);
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
        blocks(pem.as_bytes()).ok().unwrap().remove(0)
    }

    #[test]
    fn a_public_half_that_is_written_beside_an_ed25519_key_is_compared_and_none_is_not_guessed() {
        let beside = [&[IMPLICIT_1, 33, 0], [9; 32].as_slice()].concat();
        assert_eq!(belongs_to(&ed25519(&beside), &[9; 32]), KeySeen::Belongs);
        assert_eq!(belongs_to(&ed25519(&beside), &[8; 32]), KeySeen::Differs);
        assert_eq!(belongs_to(&ed25519(&[]), &[9; 32]), KeySeen::Unchecked);
        // Attributes come before it.
        let attributes = [&[0xa0, 0], beside.as_slice()].concat();
        assert_eq!(
            belongs_to(&ed25519(&attributes), &[9; 32]),
            KeySeen::Belongs
        );
    }
}
