//! Networks against each other.

use hactl_proto::spec::Cidr;

use super::Draft;
use crate::spec::networks::DraftNetworks;
use crate::spec::position::Located;
use crate::spec::problem::Problems;

/// What the controller manager gives each node of an IPv4 pod network by default.
const NODE_PREFIX_V4: u8 = 24;
/// The same of an IPv6 one.
const NODE_PREFIX_V6: u8 = 64;

/// Pods, services and nodes share no address.
pub(super) fn overlaps(networks: &DraftNetworks, problems: &mut Problems) {
    let kinds = [
        ("pod", &networks.pods),
        ("service", &networks.services),
        ("node", &networks.nodes),
    ];
    for (at, (kind, list)) in kinds.iter().enumerate() {
        for (other_kind, others) in &kinds[at + 1..] {
            for (a, b) in list.iter().flat_map(|a| others.iter().map(move |b| (a, b))) {
                overlap((kind, a), (other_kind, b), problems);
            }
        }
    }
}

fn overlap(a: (&str, &Located<Cidr>), b: (&str, &Located<Cidr>), problems: &mut Problems) {
    if !a.1.value.overlaps(&b.1.value) {
        return;
    }
    // Told where the later of the two stands: the earlier one was fine by itself.
    let ((kind, network), (other_kind, other)) = if a.1.at > b.1.at { (a, b) } else { (b, a) };
    let what = format!(
        "{kind} network {} overlaps {other_kind} network {}",
        network.value, other.value
    );
    let why = format!(
        "an address in both would mean two things (the other: {}, line {})",
        other.path, other.at.line
    );
    problems.error(
        network.at,
        &network.path,
        what,
        why,
        "choose networks that share no address",
    );
}

/// At most one network of each family, the same families for pods and services.
pub(super) fn families(networks: &DraftNetworks, problems: &mut Problems) {
    for list in [&networks.pods, &networks.services] {
        for v4 in [true, false] {
            if let Some(second) = list
                .iter()
                .filter(|network| network.value.address().is_ipv4() == v4)
                .nth(1)
            {
                let what = format!("{} is a second network of its family", second.value);
                let why = "Kubernetes takes one IPv4 network and one IPv6 network (dual stack)";
                problems.error(second.at, &second.path, what, why, "remove one");
            }
        }
    }
    let families = |list: &[Located<Cidr>]| {
        let has = |v4| {
            list.iter()
                .any(|network| network.value.address().is_ipv4() == v4)
        };
        (has(true), has(false))
    };
    let (pods, services) = (families(&networks.pods), families(&networks.services));
    let known = !networks.pods.is_empty() && !networks.services.is_empty();
    if let Some(first) = networks
        .services
        .first()
        .filter(|_| known && pods != services)
    {
        let why = "a service could then not lead to its pods over every family";
        let remedy = "give both the same families";
        problems.error(
            first.at,
            &first.path,
            "pods and services differ in their address families",
            why,
            remedy,
        );
    }
}

/// Every declared node gets its share of the pod network.
pub(super) fn room(draft: &Draft<'_>, problems: &mut Problems) {
    let nodes = draft.nodes().count() as u128;
    for network in &draft.networks.pods {
        let share = if network.value.address().is_ipv4() {
            NODE_PREFIX_V4
        } else {
            NODE_PREFIX_V6
        };
        let bits = u32::from(share).checked_sub(network.value.prefix().into());
        let shares = bits.map_or(0, |bits| 1_u128.checked_shl(bits).unwrap_or(u128::MAX));
        if shares < nodes.max(1) {
            let what = format!("{} has room for {shares} nodes of {nodes}", network.value);
            let why = format!("the controller manager gives each node a /{share} of it");
            let remedy = "choose a larger network: it cannot be changed later";
            problems.error(network.at, &network.path, what, why, remedy);
        }
    }
}
