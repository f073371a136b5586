//! What only shows when sections are compared: duplicates, overlaps, quorum, zones, ports.
//!
//! Each check runs on whatever could be read, so that one mistake does not hide the next.

mod endpoint;
mod networks;
mod nodes;
mod policies;
mod upgrade;
mod zones;

use hactl_proto::spec::EtcdTopology;

use super::endpoint::DraftEndpoint;
use super::networks::DraftNetworks;
use super::nodes::{DraftNode, DraftNodes, DraftZones};
use super::policies::DraftPolicies;
use super::position::Located;
use super::problem::Problems;
use super::upgrade::DraftUpgrade;

/// All sections as far as they could be read.
#[derive(Debug)]
pub(super) struct Draft<'a> {
    pub(super) networks: &'a DraftNetworks,
    pub(super) endpoint: Option<&'a DraftEndpoint>,
    pub(super) etcd: Option<&'a Located<EtcdTopology>>,
    pub(super) zones: &'a DraftZones,
    pub(super) control_planes: &'a DraftNodes,
    pub(super) workers: &'a DraftNodes,
    pub(super) policies: &'a DraftPolicies,
    pub(super) upgrade: &'a DraftUpgrade,
}

impl Draft<'_> {
    fn nodes(&self) -> impl Iterator<Item = &DraftNode> {
        self.control_planes.nodes.iter().chain(&self.workers.nodes)
    }

    fn stacked(&self) -> bool {
        // Stacked is the stricter of the two, and the default.
        !matches!(
            self.etcd.map(|etcd| &etcd.value),
            Some(EtcdTopology::External { .. })
        )
    }
}

/// Runs every check.
pub(super) fn all(draft: &Draft<'_>, problems: &mut Problems) {
    nodes::unique(draft, problems);
    nodes::count(draft, problems);
    nodes::addresses(draft, problems);
    networks::overlaps(draft.networks, problems);
    networks::families(draft.networks, problems);
    networks::room(draft, problems);
    endpoint::port(draft, problems);
    endpoint::address(draft, problems);
    policies::init_node(draft, problems);
    policies::agent_port(draft, problems);
    upgrade::canaries(draft, problems);
    zones::used(draft, problems);
    zones::accepted(draft, problems);
    zones::survivable(draft, problems);
}
