//! Addresses and routes: certificates, etcd's peer URLs and the API server's advertised address hold the node's address.

use std::net::IpAddr;

use super::{Deviation, Situation};
use crate::facts::Known;

/// The advertised address is on an interface.
pub(super) fn address(situation: Situation<'_>) -> Vec<Deviation> {
    let Some(address) = situation.wanted.address else {
        return vec![];
    };
    match &situation.machine.network.addresses {
        Known::Is(present) if present.contains(&address) => vec![],
        Known::Is(present) => {
            let shown: Vec<String> = present
                .iter()
                .filter(|address| !address.is_loopback())
                .map(IpAddr::to_string)
                .collect();
            vec![Deviation::refusal(
                format!("this machine has {}", shown.join(", ")),
                format!("{address}, the address in the spec"),
                "Give the interface that address, or correct the spec.",
            )]
        }
        Known::Unknown(why) => vec![Deviation::unknown("this machine's addresses", why)],
    }
}

/// Towards the other control planes the kernel uses the advertised address: etcd and gossip take a node for who its address is.
pub(super) fn route_source(situation: Situation<'_>) -> Vec<Deviation> {
    let Some(address) = situation.wanted.address else {
        return vec![];
    };
    let sources = match &situation.machine.network.route_sources {
        Known::Is(sources) => sources,
        Known::Unknown(why) => return vec![Deviation::unknown("the routes to peers", why)],
    };
    sources
        .iter()
        .filter(|(peer, _)| peer.is_ipv4() == address.is_ipv4())
        .filter_map(|(peer, source)| match source {
            Some(source) if *source == address => None,
            Some(source) => Some(Deviation::warning(
                format!("packets to {peer} leave from {source}"),
                format!("from {address}, the address in the spec"),
                format!("Set the source of the route (`ip route replace … src {address}`), or correct the spec."),
            )),
            None => Some(Deviation::refusal(
                format!("no route to {peer}"),
                "a route to every control plane",
                "Add the missing route or the default gateway.",
            )),
        })
        .collect()
}

/// The endpoint's name resolves, since every kubeconfig holds it.
pub(super) fn endpoint_name(situation: Situation<'_>) -> Vec<Deviation> {
    let Some(endpoint) = &situation.wanted.endpoint else {
        return vec![];
    };
    if endpoint.host.parse::<IpAddr>().is_ok() {
        return vec![];
    }
    let observed = match &situation.machine.network.endpoint {
        Known::Is(addresses) if !addresses.is_empty() => return vec![],
        Known::Is(_) => format!("{} does not resolve", endpoint.host),
        Known::Unknown(why) => format!("unknown: {why}"),
    };
    vec![Deviation::refusal(
        observed,
        format!("{} resolves to the endpoint's address", endpoint.host),
        format!(
            "Add {} to the DNS, or to /etc/hosts of every node.",
            endpoint.host
        ),
    )]
}
