//! The endpoint against the nodes and their ports.

use std::net::IpAddr;

use hactl_proto::spec::API_SERVER_PORT;

use super::Draft;
use crate::spec::endpoint::DraftEndpoint;
use crate::spec::nodes::DraftNode;
use crate::spec::position::Located;
use crate::spec::problem::Problems;

/// Ports that Kubernetes binds on a control plane (kubernetes.io, "Ports and Protocols").
pub(super) const TAKEN: &[(u16, &str)] = &[
    (API_SERVER_PORT, "the API server"),
    (2379, "etcd"),
    (2380, "etcd"),
    (10_248, "the kubelet"),
    (10_249, "kube-proxy"),
    (10_250, "the kubelet"),
    (10_256, "kube-proxy"),
    (10_257, "the controller manager"),
    (10_259, "the scheduler"),
];

/// In the managed mode HAProxy binds the port beside everything that runs on a control plane.
pub(super) fn port(draft: &Draft<'_>, problems: &mut Problems) {
    let Some(endpoint) = draft.endpoint.filter(|endpoint| endpoint.managed) else {
        return;
    };
    let Some(port) = &endpoint.port else { return };
    if let Some((_, owner)) = TAKEN.iter().find(|(taken, _)| *taken == port.value) {
        let what = format!("port {} is taken on every control plane", port.value);
        let why = format!(
            "{owner} binds it there, on all addresses; HAProxy runs beside it and could not"
        );
        problems.error(
            port.at,
            &port.path,
            what,
            why,
            "choose another port, such as 8443",
        );
    }
}

/// The endpoint's address is nobody's own.
pub(super) fn address(draft: &Draft<'_>, problems: &mut Problems) {
    let Some(endpoint) = draft.endpoint else {
        return;
    };
    if let Some(address) = &endpoint.address {
        managed(draft, address, problems);
    } else if !endpoint.managed {
        external(draft, endpoint, problems);
    }
}

fn managed(draft: &Draft<'_>, address: &Located<IpAddr>, problems: &mut Problems) {
    if let Some(label) = owner(draft, address.value) {
        let what = format!("{} is the address of {label}", address.value);
        let why = "it must move to another control plane when that node is lost";
        problems.error(
            address.at,
            &address.path,
            what,
            why,
            "choose an address of the segment that no machine has",
        );
    }
    for (kind, networks) in [
        ("pod", &draft.networks.pods),
        ("service", &draft.networks.services),
    ] {
        if let Some(network) = networks
            .iter()
            .find(|network| network.value.contains(address.value))
        {
            let what = format!(
                "{} lies in the {kind} network {}",
                address.value, network.value
            );
            let why = "nodes and clients outside would not reach it";
            problems.error(
                address.at,
                &address.path,
                what,
                why,
                "choose an address of the nodes' network",
            );
        }
    }
    let nodes = &draft.networks.nodes;
    if !nodes.is_empty()
        && !nodes
            .iter()
            .any(|network| network.value.contains(address.value))
    {
        let what = format!("{} lies in no node network", address.value);
        let why = "keepalived can move it only within the layer 2 segment of the control planes";
        problems.error(
            address.at,
            &address.path,
            what,
            why,
            "choose an address of the nodes' network",
        );
    }
}

fn external(draft: &Draft<'_>, endpoint: &DraftEndpoint, problems: &mut Problems) {
    let Some(host) = &endpoint.host else { return };
    let Some(label) = host
        .value
        .parse()
        .ok()
        .and_then(|address| owner(draft, address))
    else {
        return;
    };
    let what = format!("{} is the address of {label}", host.value);
    let why = "the API is lost to all with that one node";
    problems.warn(
        host.at,
        &host.path,
        what,
        why,
        "name a load balancer in front of all control planes",
    );
}

fn owner<'a>(draft: &'a Draft<'_>, address: IpAddr) -> Option<&'a str> {
    let holds = |owned: &Located<IpAddr>| owned.value.to_canonical() == address.to_canonical();
    draft
        .nodes()
        .find(|node| node.address.as_ref().is_some_and(holds))
        .map(DraftNode::label)
}
