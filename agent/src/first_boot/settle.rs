//! The end of a first boot: the record says that the node is settled in its cluster, and the others hear of it.

use std::time::Duration;

use hactl_node_plan::bootstrap::record::Record;
use hactl_node_plan::plan::plan;
use hactl_proto::instruction::Order;
use hactl_proto::report::Outcome;
use hactl_proto::role::NodeRole;
use hactl_proto::standing::{ClusterIdentity, GrantRefusal, MemberAnnouncement};

use super::peers::Peers;
use super::{AT_ONCE, FirstBoot, ROUND};
use crate::host::Host;
use crate::inspect::inspect;
use crate::standing::StandingError;

impl<H: Host, P: Peers> FirstBoot<H, P> {
    /// Writes that the node is settled, then tells the others; whoever misses it hears it when it asks.
    pub(super) async fn settle(
        &mut self,
        identity: ClusterIdentity,
    ) -> Result<Duration, StandingError> {
        let before = self.standing.record().await;
        let known = before
            .identity()
            .and_then(|known| known.etcd_cluster_id.clone());
        let identity = ClusterIdentity {
            etcd_cluster_id: identity.etcd_cluster_id.or(known),
            ..identity
        };
        let rule = |record: &Record| {
            let settled = record.settled(identity.clone());
            Ok::<_, GrantRefusal>((settled.clone(), settled))
        };
        let Ok(settled) = self.standing.change(rule).await? else {
            return Ok(ROUND);
        };
        tracing::info!(
            ca = identity.ca_fingerprint,
            "this node is settled in its cluster"
        );
        let node = self.operations.node();
        if node.role == NodeRole::ControlPlane {
            let announcement = MemberAnnouncement {
                node: settled.node.clone(),
                instance: settled.instance,
                cluster: settled.cluster,
                epoch: settled.epoch,
                identity,
            };
            self.announce(&announcement).await;
        }
        Ok(AT_ONCE)
    }

    async fn announce(&self, announcement: &MemberAnnouncement) {
        for peer in &self.operations.node().spec.control_planes {
            if peer.name == announcement.node {
                continue;
            }
            let told = self.peers.announce(peer, announcement.clone());
            let told = tokio::time::timeout(Duration::from_secs(3), told).await;
            if !matches!(told, Ok(Ok(()))) {
                tracing::debug!(peer = %peer.name, "did not take the announcement; it will ask");
            }
        }
    }

    /// A settled node. Once in each life it is prepared anew: the spec may have changed, and with it the node's part of the endpoint.
    pub(super) async fn stay(&mut self) -> Duration {
        let rest = self.done();
        if self.tended {
            return rest;
        }
        let node = self.operations.node();
        let facts = inspect(&*self.host, &node, &self.paths, self.operations.machine()).await;
        let order = self.instruction(Order::Prepare);
        let wanted = plan(&order, &node, &facts).is_ok_and(|plan| !plan.steps.is_empty());
        self.tended = !wanted || self.outcome(order).await == Outcome::Succeeded;
        rest
    }
}
