//! PEM files: blocks of base64 between two lines. A file is read whole or not at all.

use x509_parser::pem::Pem;
use zeroize::Zeroizing;

/// The label of a certificate.
pub const CERTIFICATE: &str = "CERTIFICATE";
/// Larger files are not what they are thought to be: kubeadm's are below 10 KiB.
pub const LIMIT_BYTES: usize = 1 << 20;

/// A block. It may hold a private key: it has no `Debug`, and is wiped when dropped.
pub struct Block {
    /// What it says it is.
    pub label: String,
    /// Its contents.
    pub der: Zeroizing<Vec<u8>>,
}

/// Why a file is no PEM file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PemFault {
    /// It holds nothing.
    #[error("it is empty")]
    Empty,
    /// It holds no block.
    #[error("it holds no PEM block")]
    NoBlock,
    /// A block is cut off or is no base64.
    #[error("its block {0} is cut off or damaged")]
    Broken(usize),
    /// It is too large to be one.
    #[error("it has {0} bytes")]
    TooLarge(usize),
}

impl Block {
    /// Whether it is a private key of some form.
    pub fn is_private_key(&self) -> bool {
        self.label.ends_with("PRIVATE KEY")
    }
}

/// All blocks of a file, in order.
pub fn blocks(bytes: &[u8]) -> Result<Vec<Block>, PemFault> {
    if bytes.len() > LIMIT_BYTES {
        return Err(PemFault::TooLarge(bytes.len()));
    }
    if bytes.iter().all(u8::is_ascii_whitespace) {
        return Err(PemFault::Empty);
    }
    let mut blocks = Vec::new();
    for (number, block) in (1..).zip(Pem::iter_from_buffer(bytes)) {
        let block = block.map_err(|_| PemFault::Broken(number))?;
        blocks.push(Block {
            label: block.label,
            der: Zeroizing::new(block.contents),
        });
    }
    // What begins a block and was not read as one would otherwise be passed over.
    let begun = bytes
        .windows(BEGIN.len())
        .filter(|window| *window == BEGIN)
        .count();
    match blocks.len() {
        read if read < begun => Err(PemFault::Broken(read + 1)),
        0 => Err(PemFault::NoBlock),
        _ => Ok(blocks),
    }
}

/// A certificate as a PEM block.
pub fn written_as(der: &[u8]) -> String {
    let mut text = format!("-----BEGIN {CERTIFICATE}-----\n");
    for line in data_encoding::BASE64.encode(der).as_bytes().chunks(64) {
        text.push_str(&String::from_utf8_lossy(line));
        text.push('\n');
    }
    text.push_str("-----END CERTIFICATE-----\n");
    text
}

const BEGIN: &[u8] = b"-----BEGIN ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_again() {
        let der: Vec<u8> = (0..200).collect();
        let text = written_as(&der);
        assert!(text.lines().all(|line| line.len() <= 64));
        let read = blocks(text.as_bytes()).ok().unwrap();
        assert_eq!((read.len(), read[0].label.as_str()), (1, CERTIFICATE));
        assert_eq!(*read[0].der, der);
    }

    #[test]
    fn garbage_cut_and_empty_files_are_told_apart() {
        let fault = |bytes: &[u8]| blocks(bytes).err();
        assert_eq!(fault(b""), Some(PemFault::Empty));
        assert_eq!(fault(b" \n\n"), Some(PemFault::Empty));
        assert_eq!(fault(b"garbage"), Some(PemFault::NoBlock));
        let key = rcgen::KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(
            fault(&key.as_bytes()[..key.len() / 2]),
            Some(PemFault::Broken(1))
        );
        let cut = format!("{key}{}", &key[..key.len() - 30]);
        assert_eq!(fault(cut.as_bytes()), Some(PemFault::Broken(2)));
        assert_eq!(
            fault(&vec![b'a'; LIMIT_BYTES + 1]),
            Some(PemFault::TooLarge(LIMIT_BYTES + 1))
        );
        assert_eq!(blocks(key.as_bytes()).ok().map(|all| all.len()), Some(1));
    }
}
