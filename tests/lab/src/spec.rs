//! The spec of the cluster that a lab's nodes are to become, where the caller brings none.

use std::fmt::Write as _;

use crate::component;
use crate::lab::{
    ENDPOINT_ADDRESS, ENDPOINT_PORT, Lab, NODE_NETWORK, POD_NETWORK, Role, SERVICE_NETWORK,
};

/// The spec as YAML.
pub(crate) fn cluster(lab: &Lab) -> String {
    with_kubelet(lab, &component::kubelet(lab.version))
}

/// The same for kubelets that ask the cluster for their serving certificates.
pub(crate) fn with_serving_certificates(lab: &Lab) -> String {
    let mut kubelet = component::kubelet(lab.version);
    kubelet["serverTLSBootstrap"] = true.into();
    with_kubelet(lab, &kubelet)
}

fn with_kubelet(lab: &Lab, kubelet: &serde_json::Value) -> String {
    let zones = zones(lab);
    let mut spec = format!(
        "apiVersion: hactl.io/v1alpha1\n\
         kind: Cluster\n\
         metadata:\n  name: lab\n\
         spec:\n  \
         kubernetes:\n    version: {}\n    kubelet: {}\n    kubeProxy: {}\n    ignorePreflightErrors: [{}]\n",
        lab.version,
        kubelet,
        component::kube_proxy(),
        component::ignored_preflight_errors(lab.version).join(", ")
    );
    write!(
        spec,
        "  networks:\n    pods: {POD_NETWORK}\n    services: {SERVICE_NETWORK}\n    nodes: {NODE_NETWORK}\n  \
         endpoint:\n    host: {ENDPOINT_ADDRESS}\n    port: {ENDPOINT_PORT}\n    mode: managed\n  \
         zones: [{}]\n",
        zones.join(", ")
    )
    .ok();
    for (key, role) in [
        ("controlPlanes", Role::ControlPlane),
        ("workers", Role::Worker),
    ] {
        if lab.of_role(role).next().is_some() {
            writeln!(spec, "  {key}:").ok();
        }
        for node in lab.of_role(role) {
            writeln!(
                spec,
                "    - {{name: {}, address: {}, zone: {}}}",
                node.name,
                node.address(),
                node.zone
            )
            .ok();
        }
    }
    let fatal = fatal_zones(lab, &zones);
    // All nodes' etcd lies on the host's one disk: what else the host does may slow it beyond what a first boot accepts.
    spec.push_str("  policies:\n    prerequisites: {etcd-disk: report}\n");
    if !fatal.is_empty() {
        writeln!(spec, "    acceptZoneLoss: [{}]", fatal.join(", ")).ok();
    }
    spec
}

fn zones(lab: &Lab) -> Vec<&str> {
    let mut zones: Vec<&str> = lab.nodes.iter().map(|node| node.zone.as_str()).collect();
    zones.sort_unstable();
    zones.dedup();
    zones
}

/// The zones whose loss takes etcd's majority, where there is more than one: a lab may be laid out so on purpose.
fn fatal_zones<'a>(lab: &Lab, zones: &[&'a str]) -> Vec<&'a str> {
    let total = lab.of_role(Role::ControlPlane).count();
    let held = |zone: &str| {
        lab.of_role(Role::ControlPlane)
            .filter(|node| node.zone == zone)
            .count()
    };
    let fatal = |zone: &&&str| zones.len() > 1 && total > 1 && total - held(zone) < total / 2 + 1;
    zones.iter().filter(fatal).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kubernetes::Version;
    use crate::lab::Place;

    fn words(text: &str) -> Vec<String> {
        text.split(' ').map(str::to_owned).collect()
    }

    #[test]
    fn every_layout_of_a_lab_is_a_spec_that_the_controller_takes() {
        for (minor, nodes, zones) in [
            (20, "cp1 cp2 cp3 w1", "zone-a zone-b zone-c"),
            (36, "cp1 cp2 cp3", "a"),
            (20, "cp1 cp2 cp3 cp4 cp5", "a b"),
            (20, "cp1", "a b c"),
        ] {
            let version = Version {
                major: 1,
                minor,
                patch: 2,
            };
            let lab = Lab::plan(
                Place::default(),
                version,
                false,
                &words(nodes),
                &words(zones),
            );
            let text = cluster(&lab.unwrap());
            let read = hactl_cluster_plan::spec::read(text.as_bytes(), &mut |_| Err(String::new()));
            let spec = read
                .unwrap_or_else(|refused| panic!("{text}\n{:#?}", refused.problems))
                .spec;
            assert_eq!(spec.kubernetes.version.to_string(), format!("v1.{minor}.2"));
            assert_eq!(
                spec.control_planes.len() + spec.workers.len(),
                words(nodes).len()
            );
        }
    }
}
