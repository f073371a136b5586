//! Nodes against each other and against the networks.

use std::collections::BTreeMap;
use std::net::IpAddr;

use hactl_proto::spec::Cidr;

use super::Draft;
use crate::spec::position::Located;
use crate::spec::problem::Problems;

/// No two nodes share a name or an address.
pub(super) fn unique(draft: &Draft<'_>, problems: &mut Problems) {
    let mut names = BTreeMap::new();
    let mut addresses = BTreeMap::new();
    for node in draft.nodes() {
        if let Some(name) = &node.name
            && let Some(first) = names.insert(&name.value, name.at)
        {
            let why = format!(
                "the node at line {} has it already, and a name is what a node is known by",
                first.line
            );
            problems.error(
                name.at,
                &name.path,
                format!("name {} is given twice", name.value),
                why,
                "rename one of them",
            );
        }
        if let Some(address) = &node.address
            && let Some((first, label)) =
                addresses.insert(canonical(address.value), (address.at, node.label()))
        {
            let what = format!("address {} is given twice", address.value);
            let why = format!("{label} at line {} has it already", first.line);
            problems.error(address.at, &address.path, what, why, "correct one of them");
        }
    }
}

/// An IPv4 address written as an IPv6 one is the same address.
fn canonical(address: IpAddr) -> IpAddr {
    address.to_canonical()
}

/// An odd number of etcd members, and not too many.
pub(super) fn count(draft: &Draft<'_>, problems: &mut Problems) {
    let list = draft.control_planes;
    let count = list.nodes.len();
    if !list.whole || count == 0 || !draft.stacked() {
        return;
    }
    if count.is_multiple_of(2) {
        let fewer = (count - 1) / 2;
        let why = format!(
            "etcd needs a majority: {count} members outlive the loss of {fewer}, as {} do, with one more that can fail",
            count - 1
        );
        let remedy = format!("declare {} or {} control planes", count - 1, count + 1);
        problems.error(
            list.at,
            &list.path,
            format!("{count} control planes are an even number"),
            why,
            remedy,
        );
    } else if count == 1 {
        let why = "its loss, or its restart, is the loss of the API";
        problems.warn(
            list.at,
            &list.path,
            "one control plane is not highly available",
            why,
            "declare three",
        );
    } else if count > 7 {
        let why = "each write waits for a majority of etcd's members; beyond seven etcd's makers advise against it";
        problems.warn(
            list.at,
            &list.path,
            format!("{count} control planes are many"),
            why,
            "declare three, five or seven",
        );
    }
}

/// Each address can be a node's, and lies where the spec says that nodes are.
pub(super) fn addresses(draft: &Draft<'_>, problems: &mut Problems) {
    for node in draft.nodes() {
        let Some(address) = &node.address else {
            continue;
        };
        if special(address, problems) {
            continue;
        }
        within(address, &draft.networks.nodes, problems);
        let nodes = &draft.networks.nodes;
        for (what, networks) in [
            ("pod", &draft.networks.pods),
            ("service", &draft.networks.services),
        ] {
            outside(address, what, (networks, nodes), problems);
        }
    }
}

fn special(address: &Located<IpAddr>, problems: &mut Problems) -> bool {
    let ip = address.value;
    if ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(std::net::Ipv4Addr::BROADCAST) {
        let why = "no other machine can reach a single node by it";
        problems.error(
            address.at,
            &address.path,
            format!("{ip} is no node's address"),
            why,
            "give the node's own address",
        );
        return true;
    }
    if ip.is_loopback() {
        let why = "each machine reaches only itself by it";
        let remedy = "give the node's own address; loopback serves simulations on one machine";
        problems.warn(
            address.at,
            &address.path,
            format!("{ip} is a loopback address"),
            why,
            remedy,
        );
    }
    ip.is_loopback()
}

fn within(address: &Located<IpAddr>, networks: &[Located<Cidr>], problems: &mut Problems) {
    if networks.is_empty()
        || networks
            .iter()
            .any(|network| network.value.contains(address.value))
    {
        return;
    }
    let named = networks
        .iter()
        .map(|network| network.value.to_string())
        .collect::<Vec<_>>()
        .join(", ");
    let what = format!("{} lies in no node network", address.value);
    let why = format!("spec.networks.nodes names {named}");
    problems.error(
        address.at,
        &address.path,
        what,
        why,
        "correct the address, or add its network to spec.networks.nodes",
    );
}

fn outside(
    address: &Located<IpAddr>,
    kind: &str,
    (networks, nodes): (&[Located<Cidr>], &[Located<Cidr>]),
    problems: &mut Problems,
) {
    let overlaps = |network: &Cidr| nodes.iter().any(|node| node.value.overlaps(network));
    for network in networks
        .iter()
        .map(|network| &network.value)
        // One that overlaps the nodes' own network was reported for all of them.
        .filter(|network| network.contains(address.value) && !overlaps(network))
    {
        let what = format!("{} lies in the {kind} network {network}", address.value);
        let why = "the cluster would take the node's traffic for its own";
        let remedy = format!("choose another {kind} network, or correct the address");
        problems.error(address.at, &address.path, what, why, remedy);
    }
}
