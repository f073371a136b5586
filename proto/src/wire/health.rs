//! Health digests over the wire.

use super::{WireError, instant, known, moment, text, v1};
use crate::health::{ComponentHealth, HealthDigest};
use crate::identity::IdentityFingerprint;

const fn component(health: ComponentHealth) -> i32 {
    (match health {
        ComponentHealth::Unknown => v1::ComponentHealth::Unspecified,
        ComponentHealth::Absent => v1::ComponentHealth::Absent,
        ComponentHealth::Healthy => v1::ComponentHealth::Healthy,
        ComponentHealth::Unhealthy => v1::ComponentHealth::Unhealthy,
    }) as i32
}

fn read_component(field: &str, number: i32) -> Result<ComponentHealth, WireError> {
    Ok(match known(field, number)? {
        v1::ComponentHealth::Unspecified => ComponentHealth::Unknown,
        v1::ComponentHealth::Absent => ComponentHealth::Absent,
        v1::ComponentHealth::Healthy => ComponentHealth::Healthy,
        v1::ComponentHealth::Unhealthy => ComponentHealth::Unhealthy,
    })
}

impl From<HealthDigest> for v1::HealthDigest {
    fn from(digest: HealthDigest) -> Self {
        Self {
            version: digest.version,
            at: Some(instant(digest.at)),
            findings: digest.findings,
            containerd: component(digest.containerd),
            kubelet: component(digest.kubelet),
            api_server: component(digest.api_server),
            etcd: component(digest.etcd),
            endpoint: component(digest.endpoint),
            kubelet_version: digest.kubelet_version.map(String::from),
            agent_version: digest.agent_version,
            certificate_expiry: digest.certificate_expiry.map(instant),
            clock_offset_ms: digest.clock_offset_ms,
            fsync_p99_us: digest.fsync_p99_us,
            disk_used_percent: digest.disk_used_percent.map(u32::from),
            identity: digest.identity.map(Into::into),
        }
    }
}

impl TryFrom<v1::HealthDigest> for HealthDigest {
    type Error = WireError;
    fn try_from(digest: v1::HealthDigest) -> Result<Self, WireError> {
        let percent = |used: u32| {
            u8::try_from(used).map_err(|error| WireError::wrong("disk_used_percent", error))
        };
        Ok(Self {
            version: digest.version,
            at: moment("at", digest.at)?,
            findings: digest.findings,
            containerd: read_component("containerd", digest.containerd)?,
            kubelet: read_component("kubelet", digest.kubelet)?,
            api_server: read_component("api_server", digest.api_server)?,
            etcd: read_component("etcd", digest.etcd)?,
            endpoint: read_component("endpoint", digest.endpoint)?,
            kubelet_version: digest
                .kubelet_version
                .map(|version| text("kubelet_version", &version))
                .transpose()?,
            agent_version: digest.agent_version,
            certificate_expiry: digest
                .certificate_expiry
                .map(|at| moment("certificate_expiry", Some(at)))
                .transpose()?,
            clock_offset_ms: digest.clock_offset_ms,
            fsync_p99_us: digest.fsync_p99_us,
            disk_used_percent: digest.disk_used_percent.map(percent).transpose()?,
            identity: digest.identity.map(Into::into),
        })
    }
}

impl From<IdentityFingerprint> for v1::IdentityFingerprint {
    fn from(identity: IdentityFingerprint) -> Self {
        Self {
            host_name: identity.host_name,
            machine_id: identity.machine_id,
            product_uuid: identity.product_uuid,
            macs: identity.macs,
        }
    }
}

impl From<v1::IdentityFingerprint> for IdentityFingerprint {
    fn from(identity: v1::IdentityFingerprint) -> Self {
        Self {
            host_name: identity.host_name,
            machine_id: identity.machine_id,
            product_uuid: identity.product_uuid,
            macs: identity.macs,
        }
    }
}
