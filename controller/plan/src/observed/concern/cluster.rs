//! Concerns of the cluster as a whole.

use hactl_proto::finding::{Finding, Severity};
use hactl_proto::health::ComponentHealth;
use hactl_proto::name::NodeName;
use hactl_proto::spec::EtcdTopology;

use super::finding;
use crate::observed::{FirstBoot, Observed, ObservedNode, first_boot};

const START_OR_OVERRIDE: &str = "start the missing machines; for one that is lost for good see \
                                 `hactl-controller grant override --help`";

pub(super) fn findings(observed: &Observed) -> Vec<Finding> {
    let mut findings = Vec::new();
    let standing = first_boot(observed);
    findings.extend(standing_concern(&standing));
    if matches!(standing, FirstBoot::Cluster { .. }) {
        findings.extend(etcd(observed));
        findings.extend(api_servers(observed));
    }
    findings
}

fn standing_concern(standing: &FirstBoot) -> Option<Finding> {
    match standing {
        FirstBoot::Unknown => Some(finding(
            Severity::Refusal,
            "control-planes",
            "no declared control plane says what it is",
            "an answer of each",
            "see why the nodes below do not answer",
        )),
        FirstBoot::Divided { clusters } => {
            let parts: Vec<String> = clusters
                .iter()
                .map(|(identity, members)| {
                    format!("{} in {}", names(members), identity.ca_fingerprint)
                })
                .collect();
            Some(finding(
                Severity::Refusal,
                "one-cluster",
                format!(
                    "the control planes belong to {} clusters: {}",
                    clusters.len(),
                    parts.join("; ")
                ),
                "one cluster",
                "decide which one is to live; wipe the other's nodes and give them new bundles",
            ))
        }
        FirstBoot::NotBegun { missing, .. } if !missing.is_empty() => Some(finding(
            Severity::Warning,
            "first-boot",
            format!(
                "who was heard has neither granted nor joined; not heard: {}",
                names(missing)
            ),
            "the grant of every declared control plane",
            START_OR_OVERRIDE,
        )),
        FirstBoot::UnderWay { missing, .. } if !missing.is_empty() => Some(finding(
            Severity::Warning,
            "first-boot",
            format!("waits for {}", names(missing)),
            "the grant of every declared control plane",
            START_OR_OVERRIDE,
        )),
        FirstBoot::Cluster { missing, .. } if !missing.is_empty() => Some(finding(
            Severity::Warning,
            "control-planes",
            format!(
                "{} did not say that they belong to the cluster",
                names(missing)
            ),
            "every declared control plane in the cluster",
            "wait for their join, or see below why they do not answer",
        )),
        _ => None,
    }
}

fn etcd(observed: &Observed) -> Option<Finding> {
    if !matches!(observed.spec.etcd, EtcdTopology::Stacked { .. }) {
        return None;
    }
    let total = observed.spec.control_planes.len();
    let healthy = healthy(observed, |node| {
        node.status.said().map(|status| status.health.etcd)
    });
    let majority = total / 2 + 1;
    let observed = format!("{healthy} of {total} etcd members are known to be healthy");
    if healthy < majority {
        let wanted = format!("at least {majority}, a majority");
        let remedy = "start the missing members; whoever is not heard counts as unhealthy";
        return Some(finding(
            Severity::Refusal,
            "etcd-quorum",
            observed,
            wanted,
            remedy,
        ));
    }
    let spare = healthy - majority;
    (healthy < total).then(|| {
        let wanted = format!("all {total}; {spare} more can be lost");
        finding(
            Severity::Warning,
            "etcd-quorum",
            observed,
            wanted,
            "bring the others back before any other work",
        )
    })
}

fn api_servers(observed: &Observed) -> Option<Finding> {
    let healthy = healthy(observed, |node| {
        node.status.said().map(|status| status.health.api_server)
    });
    (healthy == 0).then(|| {
        let what = "no API server is known to be healthy";
        finding(
            Severity::Refusal,
            "api-server",
            what,
            "at least one",
            "see the control planes below",
        )
    })
}

fn healthy(
    observed: &Observed,
    health: impl Fn(&ObservedNode) -> Option<ComponentHealth>,
) -> usize {
    let declared = observed.spec.control_planes.iter();
    declared
        .filter_map(|declared| observed.node(&declared.name))
        .filter(|node| health(node) == Some(ComponentHealth::Healthy))
        .count()
}

fn names(nodes: &[NodeName]) -> String {
    nodes
        .iter()
        .map(NodeName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}
