//! Snapshots of etcd: the bytes that a member sends, whole or torn, and the product's own check of them.

use hactl_agent::etcd::snapshot::Check;
use ring::digest::{SHA256, digest};

/// A database of two pages with its checksum, as `etcdctl snapshot save` receives it; torn: the stream broke in its middle.
pub(crate) fn sent(torn: bool) -> Vec<u8> {
    let mut bytes = vec![7_u8; 1024];
    // bbolt's meta page: 16 bytes of header, then the magic number.
    bytes[16..20].copy_from_slice(&0xED0C_DAED_u32.to_le_bytes());
    let sum = digest(&SHA256, &bytes);
    bytes.extend_from_slice(sum.as_ref());
    if torn {
        bytes.truncate(700);
    }
    bytes
}

/// Passes it by the product's check.
pub(crate) fn checked(bytes: &[u8]) -> Result<u64, String> {
    let mut check = Check::new();
    bytes.chunks(512).for_each(|chunk| check.take(chunk));
    check.finish().map_err(|error| error.to_string())
}
