//! `spec.networks`: pods, services, nodes, and the cluster's DNS domain.

use std::net::IpAddr;

use hactl_proto::name::NodeName;
use hactl_proto::spec::{Cidr, Networks};

use super::document::Content;
use super::field::{Fields, Value};
use super::position::Located;
use super::problem::Problems;

/// Fields of `spec.networks`.
pub(crate) const FIELDS: &[&str] = &["pods", "services", "nodes", "dnsDomain"];

/// The pod network when the spec names none.
pub(crate) const DEFAULT_PODS: &str = "10.244.0.0/16";
/// The service network when the spec names none: kubeadm's own default.
pub(crate) const DEFAULT_SERVICES: &str = "10.96.0.0/12";
/// The DNS domain when the spec names none: kubeadm's own default.
pub(crate) const DEFAULT_DNS_DOMAIN: &str = "cluster.local";

/// The section with positions. What could not be read is left out: it was reported.
#[derive(Debug)]
pub(crate) struct DraftNetworks {
    pub(crate) pods: Vec<Located<Cidr>>,
    pub(crate) services: Vec<Located<Cidr>>,
    pub(crate) nodes: Vec<Located<Cidr>>,
    dns_domain: String,
}

impl DraftNetworks {
    pub(crate) fn finish(self) -> Networks {
        let plain = |networks: Vec<Located<Cidr>>| {
            networks.into_iter().map(|network| network.value).collect()
        };
        Networks {
            pods: plain(self.pods),
            services: plain(self.services),
            nodes: plain(self.nodes),
            dns_domain: self.dns_domain,
        }
    }
}

pub(crate) fn read(body: &Fields<'_>, problems: &mut Problems) -> DraftNetworks {
    let section = body.get("networks");
    let fields = section
        .as_ref()
        .and_then(|section| Fields::open(section, FIELDS, problems));
    let mut list = |name: &str, default: Option<&str>| match fields
        .as_ref()
        .and_then(|fields| fields.get(name))
    {
        Some(value) => networks(&value, problems),
        None => default_network(body, name, default),
    };
    let (pods, services) = (
        list("pods", Some(DEFAULT_PODS)),
        list("services", Some(DEFAULT_SERVICES)),
    );
    let nodes = list("nodes", None);
    let domain = fields.as_ref().and_then(|fields| fields.get("dnsDomain"));
    let dns_domain = domain.and_then(|value| dns_domain(&value, problems));
    DraftNetworks {
        pods,
        services,
        nodes,
        dns_domain: dns_domain.unwrap_or_else(|| DEFAULT_DNS_DOMAIN.to_owned()),
    }
}

fn default_network(body: &Fields<'_>, name: &str, default: Option<&str>) -> Vec<Located<Cidr>> {
    let path = format!("{}.networks.{name} (default)", body.path());
    let network = default.and_then(|text| text.parse().ok());
    network
        .into_iter()
        .map(|value| Located {
            at: body.at(),
            path: path.clone(),
            value,
        })
        .collect()
}

fn networks(value: &Value<'_>, problems: &mut Problems) -> Vec<Located<Cidr>> {
    let items = value
        .one_or_more(
            "a network such as 10.244.0.0/16, or a list of them",
            problems,
        )
        .unwrap_or_default();
    if items.is_empty() && matches!(value.content(), Content::List(_)) {
        value.error(
            "is an empty list",
            "a cluster has at least one",
            "name a network, or remove the field",
            problems,
        );
    }
    items
        .iter()
        .filter_map(|item| network(item, problems))
        .collect()
}

fn network(value: &Value<'_>, problems: &mut Problems) -> Option<Located<Cidr>> {
    let cidr: Cidr = value.parse(
        "a network in CIDR notation, such as 10.244.0.0/16",
        problems,
    )?;
    let base = base(cidr);
    if base != cidr.address() {
        let what = format!("{cidr} has bits set behind its prefix");
        let why = "it names an address inside a network instead of the network, which is often a slip in the prefix";
        value.error(
            what,
            why,
            format!("write {base}/{}, or correct the prefix", cidr.prefix()),
            problems,
        );
        return None;
    }
    Some(value.locate(cidr))
}

/// The network's first address.
fn base(cidr: Cidr) -> IpAddr {
    let prefix = u32::from(cidr.prefix());
    match cidr.address() {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - prefix).unwrap_or(0);
            IpAddr::V4((u32::from(address) & mask).into())
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - prefix).unwrap_or(0);
            IpAddr::V6((u128::from(address) & mask).into())
        }
    }
}

fn dns_domain(value: &Value<'_>, problems: &mut Problems) -> Option<String> {
    // A node name is an RFC 1123 subdomain, and so is a domain.
    let name: NodeName = value.parse("a DNS domain such as cluster.local", problems)?;
    Some(name.into())
}
