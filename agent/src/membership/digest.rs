//! The health digest in few bytes, and how urgent a change of it is.

use hactl_proto::Timestamp;
use hactl_proto::health::{ComponentHealth, HealthDigest};
use hactl_proto::identity::{IdentityFingerprint, MACS_TOLD};

use super::wire::{Malformed, Reader, put_text};

const FORMAT: u8 = 1;
/// Bytes that the names of findings may take; what is left out is counted in a last entry.
const FINDINGS_LIMIT: usize = 600;

/// How a digest differs from the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// In nothing that matters.
    None,
    /// A measurement moved: the next state exchange carries it.
    Quiet,
    /// A transition: broadcast.
    Loud,
}

/// Compares two digests of one node.
pub fn change(old: &HealthDigest, new: &HealthDigest) -> Change {
    let states = |digest: &HealthDigest| {
        (
            components(digest),
            digest.findings.clone(),
            digest.kubelet_version.clone(),
            digest.agent_version.clone(),
            digest.identity.clone(),
        )
    };
    if states(old) != states(new) {
        return Change::Loud;
    }
    let far = |old: Option<i64>, new: Option<i64>, least: i64| match (old, new) {
        (Some(old), Some(new)) => (old - new).abs() >= least.max(old.abs() / 4),
        (old, new) => old != new,
    };
    let seconds = |at: Option<Timestamp>| at.map(Timestamp::as_second);
    let moved = far(
        old.clock_offset_ms.map(i64::from),
        new.clock_offset_ms.map(i64::from),
        20,
    ) || far(
        old.fsync_p99_us.map(i64::from),
        new.fsync_p99_us.map(i64::from),
        1000,
    ) || far(
        old.disk_used_percent.map(i64::from),
        new.disk_used_percent.map(i64::from),
        1,
    ) || seconds(old.certificate_expiry) != seconds(new.certificate_expiry);
    if moved { Change::Quiet } else { Change::None }
}

const fn components(digest: &HealthDigest) -> [ComponentHealth; 5] {
    [
        digest.containerd,
        digest.kubelet,
        digest.api_server,
        digest.etcd,
        digest.endpoint,
    ]
}

/// Format, time, components at two bits each, which options are there, the options, versions, findings.
pub fn encode(digest: &HealthDigest) -> Vec<u8> {
    let mut out = vec![FORMAT];
    let at = digest.at.as_millisecond().max(0).to_be_bytes();
    out.extend_from_slice(&at[2..]);
    let bits = components(digest).iter().fold(0_u16, |bits, component| {
        let two = match component {
            ComponentHealth::Unknown => 0,
            ComponentHealth::Absent => 1,
            ComponentHealth::Healthy => 2,
            ComponentHealth::Unhealthy => 3,
        };
        (bits << 2) | two
    });
    out.extend_from_slice(&bits.to_be_bytes());
    let expiry = digest
        .certificate_expiry
        .map(|at| u32::try_from(at.as_second().max(0)).unwrap_or(u32::MAX));
    let flags = u8::from(expiry.is_some())
        | u8::from(digest.clock_offset_ms.is_some()) << 1
        | u8::from(digest.fsync_p99_us.is_some()) << 2
        | u8::from(digest.disk_used_percent.is_some()) << 3
        | u8::from(digest.kubelet_version.is_some()) << 4
        | u8::from(digest.identity.is_some()) << 5;
    out.push(flags);
    expiry.inspect(|value| out.extend_from_slice(&value.to_be_bytes()));
    digest
        .clock_offset_ms
        .inspect(|value| out.extend_from_slice(&value.to_be_bytes()));
    digest
        .fsync_p99_us
        .inspect(|value| out.extend_from_slice(&value.to_be_bytes()));
    digest.disk_used_percent.inspect(|value| out.push(*value));
    if let Some(version) = &digest.kubelet_version {
        put_text(&mut out, &version.to_string(), 40);
    }
    if let Some(identity) = &digest.identity {
        put_identity(&mut out, identity);
    }
    put_text(&mut out, &digest.agent_version, 40);
    put_findings(&mut out, &digest.findings);
    out
}

/// Which of host name, machine-id and product_uuid are there (bits 0 to 2), how many MACs (bits 3 to 5), then each.
fn put_identity(out: &mut Vec<u8>, identity: &IdentityFingerprint) {
    let single = [
        identity.host_name,
        identity.machine_id,
        identity.product_uuid,
    ];
    let macs = &identity.macs[..identity.macs.len().min(MACS_TOLD)];
    let there = (0_u8..)
        .zip(single)
        .fold(0, |bits, (at, hash)| bits | u8::from(hash.is_some()) << at);
    out.push(there | u8::try_from(macs.len()).unwrap_or(0) << 3);
    for hash in single.iter().flatten().chain(macs) {
        out.extend_from_slice(&hash.to_be_bytes());
    }
}

fn take_identity(from: &mut Reader<'_>) -> Result<IdentityFingerprint, Malformed> {
    let there = from.u8("identity")?;
    let count = usize::from(there >> 3);
    if count > MACS_TOLD {
        return Err(Malformed::Range("identity"));
    }
    let mut single = |at: u8| {
        let has = there & (1 << at) != 0;
        has.then(|| from.u64("identity")).transpose()
    };
    let (host_name, machine_id, product_uuid) = (single(0)?, single(1)?, single(2)?);
    let macs = (0..count)
        .map(|_| from.u64("identity"))
        .collect::<Result<_, _>>()?;
    Ok(IdentityFingerprint {
        host_name,
        machine_id,
        product_uuid,
        macs,
    })
}

fn put_findings(out: &mut Vec<u8>, findings: &[String]) {
    let mut room = FINDINGS_LIMIT;
    let fitting = findings
        .iter()
        .take(254)
        .take_while(|name| match room.checked_sub(name.len().min(64) + 1) {
            Some(left) => {
                room = left;
                true
            }
            None => false,
        })
        .count();
    let left_out = findings.len() - fitting;
    let count = fitting + usize::from(left_out > 0);
    out.push(u8::try_from(count).unwrap_or(u8::MAX));
    for name in &findings[..fitting] {
        put_text(out, name, 64);
    }
    if left_out > 0 {
        put_text(out, &format!("and-{left_out}-more"), 64);
    }
}

/// Reads what [`encode`] wrote. Bytes behind are a later version's and are left alone.
pub fn decode(body: &[u8], version: u32) -> Result<HealthDigest, Malformed> {
    let mut from = Reader::new(body);
    if from.u8("format")? != FORMAT {
        return Err(Malformed::Range("format"));
    }
    let at_ms = from
        .array::<6>("time")?
        .iter()
        .fold(0_i64, |sum, byte| (sum << 8) | i64::from(*byte));
    let at = Timestamp::from_millisecond(at_ms).map_err(|_| Malformed::Range("time"))?;
    let bits = from.u16("components")?;
    let component = |place: u16| match (bits >> (2 * place)) & 3 {
        1 => ComponentHealth::Absent,
        2 => ComponentHealth::Healthy,
        3 => ComponentHealth::Unhealthy,
        _ => ComponentHealth::Unknown,
    };
    let flags = from.u8("options")?;
    let has = |bit: u8| flags & (1 << bit) != 0;
    let mut digest = HealthDigest {
        version,
        at,
        containerd: component(4),
        kubelet: component(3),
        api_server: component(2),
        etcd: component(1),
        endpoint: component(0),
        ..HealthDigest::default()
    };
    if has(0) {
        let expiry = Timestamp::from_second(i64::from(from.u32("expiry")?));
        digest.certificate_expiry = Some(expiry.map_err(|_| Malformed::Range("expiry"))?);
    }
    if has(1) {
        digest.clock_offset_ms = Some(i32::from_be_bytes(from.array("clock offset")?));
    }
    if has(2) {
        digest.fsync_p99_us = Some(from.u32("fsync")?);
    }
    if has(3) {
        digest.disk_used_percent = Some(from.u8("disk")?);
    }
    if has(4) {
        let text = from.text("kubelet version")?;
        let version = text.parse().map_err(|_| Malformed::Range("version"))?;
        digest.kubelet_version = Some(version);
    }
    if has(5) {
        digest.identity = Some(take_identity(&mut from)?);
    }
    from.text("agent version")?
        .clone_into(&mut digest.agent_version);
    for _ in 0..from.u8("finding count")? {
        digest.findings.push(from.text("finding")?.to_owned());
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn full() -> HealthDigest {
        HealthDigest {
            version: 3,
            at: Timestamp::from_millisecond(1_790_000_000_123).unwrap(),
            findings: vec!["swap-off".into(), "clock".into()],
            containerd: ComponentHealth::Healthy,
            kubelet: ComponentHealth::Unhealthy,
            api_server: ComponentHealth::Absent,
            etcd: ComponentHealth::Unknown,
            endpoint: ComponentHealth::Healthy,
            kubelet_version: Some("v1.36.2".parse().unwrap()),
            agent_version: "0.1.0".into(),
            certificate_expiry: Some(Timestamp::from_second(1_800_000_000).unwrap()),
            clock_offset_ms: Some(-12),
            fsync_p99_us: Some(1900),
            disk_used_percent: Some(41),
            identity: Some(IdentityFingerprint {
                host_name: Some(1),
                product_uuid: Some(2),
                macs: vec![3, 4],
                ..IdentityFingerprint::default()
            }),
        }
    }

    #[test]
    fn a_digest_reads_back_in_few_bytes() {
        let body = encode(&full());
        assert!(body.len() < 100, "{} bytes", body.len());
        assert_eq!(decode(&body, 3), Ok(full()));
        assert_eq!(
            decode(&encode(&HealthDigest::default()), 0),
            Ok(HealthDigest::default())
        );
        for cut in 0..body.len() {
            assert!(decode(&body[..cut], 3).is_err(), "cut at {cut}");
        }
    }

    #[test]
    fn too_many_findings_are_counted_rather_than_sent() {
        let digest = HealthDigest {
            findings: (0..100).map(|n| format!("check-number-{n:03}")).collect(),
            ..full()
        };
        let body = encode(&digest);
        assert!(body.len() < 800, "{} bytes", body.len());
        let last = decode(&body, 1).unwrap().findings.pop();
        assert_eq!(last.as_deref(), Some("and-65-more"));
    }

    #[test]
    fn only_transitions_are_loud() {
        let old = full();
        assert_eq!(change(&old, &old), Change::None);
        let later = HealthDigest {
            version: 9,
            at: Timestamp::now(),
            clock_offset_ms: Some(-14),
            ..full()
        };
        assert_eq!(change(&old, &later), Change::None);
        let fuller = HealthDigest {
            disk_used_percent: Some(60),
            ..full()
        };
        assert_eq!(change(&old, &fuller), Change::Quiet);
        let drifted = HealthDigest {
            findings: vec![],
            ..full()
        };
        assert_eq!(change(&old, &drifted), Change::Loud);
    }

    proptest! {
        #[test]
        fn decoding_never_panics(body in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&body, 0);
            let _ = decode(&[&[FORMAT][..], &body].concat(), 0);
        }
    }
}
