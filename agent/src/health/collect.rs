//! The loop that makes digests: components asked, prerequisites checked, certificates looked at.

use std::sync::Arc;
use std::time::Duration;

use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::machine::MachineFacts;
use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::prerequisite::{Requirements, check_all, median_offset_ms};
use hactl_proto::Timestamp;
use hactl_proto::finding::Finding;
use hactl_proto::health::HealthDigest;
use hactl_proto::name::ClusterName;
use hactl_proto::status::InstalledVersions;
use hactl_proto::version::KubernetesVersion;

use super::components::{self, Components};
use super::{Health, certificates};
use crate::host::Host;
use crate::paths::Paths;

/// Between two looks. Drift is to be seen by the others within 30 seconds.
pub const EVERY: Duration = Duration::from_secs(10);
/// Certificates end rarely: looked at every so many looks.
const CERTIFICATES_EVERY: u32 = 60;

/// What the digest is made of besides the components.
#[derive(Debug)]
pub struct Collector<H> {
    host: Arc<H>,
    paths: Paths,
    looks: u32,
    certificate_expiry: Option<Timestamp>,
    last: Health,
}

impl<H: Host> Collector<H> {
    /// A collector that has seen nothing yet.
    pub fn new(host: Arc<H>, paths: Paths) -> Self {
        Self {
            host,
            paths,
            looks: 0,
            certificate_expiry: None,
            last: Health::default(),
        }
    }

    /// Looks once. The digest's version is raised when anything but its time changed.
    pub async fn look(&mut self, node: &NodeContext, machine: &MachineFacts) -> Health {
        if self.looks.is_multiple_of(CERTIFICATES_EVERY) {
            self.certificate_expiry =
                certificates::soonest_end(&*self.host, node, &self.paths).await;
        }
        self.looks = self.looks.wrapping_add(1);
        let components = components::ask(&*self.host, node).await;
        let findings = check_all(machine, &Requirements::of(node), &machine.peers);
        let mut digest = self.digest(&node.spec.name, components, machine, &findings);
        let before = &self.last.digest;
        digest.version = before.version;
        digest.at = before.at;
        if digest != *before {
            digest.version = before.version.wrapping_add(1);
            digest.at = self.host.now();
        }
        self.last = Health {
            digest,
            findings,
            versions: versions(machine),
        };
        self.last.clone()
    }

    fn digest(
        &self,
        cluster: &ClusterName,
        components: Components,
        machine: &MachineFacts,
        findings: &[Finding],
    ) -> HealthDigest {
        HealthDigest {
            findings: names(findings),
            containerd: components.containerd,
            kubelet: components.kubelet,
            api_server: components.api_server,
            etcd: components.etcd,
            endpoint: components.endpoint,
            kubelet_version: versions(machine).kubelet,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            certificate_expiry: self.certificate_expiry,
            clock_offset_ms: median_offset_ms(&machine.peers.clock_offsets)
                .and_then(|offset| i32::try_from(offset).ok()),
            fsync_p99_us: fsync_p99(machine),
            disk_used_percent: fullest(machine),
            identity: Some(machine.identity.fingerprint(cluster)),
            ..HealthDigest::default()
        }
    }
}

/// Each check's name once, however many findings it has: a datagram is small.
fn names(findings: &[Finding]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    for finding in findings {
        if names.last() != Some(&finding.check) {
            names.push(finding.check.clone());
        }
    }
    names
}

fn versions(machine: &MachineFacts) -> InstalledVersions {
    let installed = |fact: &Known<Option<KubernetesVersion>>| fact.known().cloned().flatten();
    InstalledVersions {
        kubeadm: installed(&machine.packages.kubeadm),
        kubelet: installed(&machine.packages.kubelet),
        kubectl: installed(&machine.packages.kubectl),
    }
}

fn fsync_p99(machine: &MachineFacts) -> Option<u32> {
    let times = machine.disk.fsync.known().copied().flatten()?;
    Some(times.p99_us)
}

/// Per cent in use of the fullest file system that Kubernetes fills.
fn fullest(machine: &MachineFacts) -> Option<u8> {
    let used = machine.disk.rooms.iter().filter_map(|room| {
        let (total, free) = room.bytes.known()?;
        let used = total.saturating_sub(*free).checked_mul(100)?;
        u8::try_from(used.checked_div(*total)?).ok()
    });
    used.max()
}
