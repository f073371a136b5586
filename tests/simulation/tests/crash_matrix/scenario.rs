//! Which plan is cut, and what was there before it.

use hactl_agent::operation::Operations;
use hactl_proto::instruction::{Fence, Order};
use hactl_proto::report::Outcome;
use hactl_proto::rollout::{Drain, RolloutOrder, Upgrade, UpgradePart};
use hactl_simulation::{SimulatedHost, World};

use crate::support::fleet::TARGET;
use crate::support::{admit, id, instruction, name};

/// A plan to cut: on which node, what was there before, and which order it is.
pub(crate) struct Scenario {
    pub(crate) node: &'static str,
    pub(crate) before: &'static [(&'static str, Kind)],
    pub(crate) order: Kind,
}

/// A cluster of three and one with all that v1.36.3 wants brought to the node.
pub(crate) const JOINED: [(&str, Kind); 4] = [
    ("cp1", Kind::Init),
    ("cp2", Kind::JoinControlPlane),
    ("cp3", Kind::JoinControlPlane),
    ("w1", Kind::JoinWorker),
];

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Kind {
    Prepare,
    Init,
    JoinControlPlane,
    JoinWorker,
    Clean,
    Stage,
    UpgradeFirst,
    UpgradeNode,
    Drain,
    Renew,
}

impl Kind {
    pub(crate) const fn upgrades(self) -> bool {
        matches!(
            self,
            Self::Stage | Self::UpgradeFirst | Self::UpgradeNode | Self::Renew
        )
    }

    pub(crate) async fn order(self, world: &World, node: &str) -> Order {
        match self {
            Self::Prepare => Order::Prepare,
            Self::Init => Order::Init,
            Self::JoinControlPlane => Order::JoinControlPlane(admit(world, node).await),
            Self::JoinWorker => Order::JoinWorker(admit(world, node).await),
            Self::Clean => {
                let mut state = world.state();
                let address = state.machines[&name(node)].address;
                for cluster in state.clusters.values_mut() {
                    cluster.members.retain(|member| member.address != address);
                }
                Order::Clean
            }
            Self::Stage => rollout(RolloutOrder::Stage { target: TARGET }),
            Self::UpgradeFirst | Self::UpgradeNode => rollout(RolloutOrder::Upgrade(Upgrade {
                target: TARGET,
                first: self == Self::UpgradeFirst,
                part: UpgradePart::Whole,
                keep_etcd: true,
            })),
            Self::Renew => rollout(RolloutOrder::RenewCertificates {
                renewal: id("renewal-1"),
                without_api: false,
            }),
            Self::Drain => rollout(RolloutOrder::Drain(Drain {
                node: name("w1"),
                limit_seconds: 60,
                unmanaged: false,
                local_data: true,
            })),
        }
    }
}

fn rollout(order: RolloutOrder) -> Order {
    Order::Rollout(order)
}

/// Submits under the lease's number, where the order wants one, and waits for the end.
pub(crate) async fn carry_out(
    engine: &Operations<SimulatedHost>,
    text: &str,
    order: Order,
) -> Outcome {
    let mut one = instruction(text, order);
    one.fence = matches!(one.order, Order::Rollout(_)).then_some(Fence(1));
    engine.submit(one).await.unwrap().outcome().await.unwrap()
}

/// v1.36.3 can be had, and a controller holds the lease for as long as it takes.
pub(crate) fn may_upgrade(world: &World) {
    let mut state = world.state();
    for machine in state.machines.values_mut() {
        machine.offered = vec!["v1.36.2".to_owned(), TARGET.to_string()];
    }
    for cluster in state.clusters.values_mut() {
        let lease = serde_json::json!({
            "kind": "Lease", "metadata": { "name": "hactl", "namespace": "kube-system", "resourceVersion": "1" },
            "spec": { "holderIdentity": "rollout/ann", "leaseTransitions": 1, "leaseDurationSeconds": 999_999,
                "renewTime": "2026-11-22T17:00:00.000000Z" },
        });
        cluster
            .objects
            .insert("lease/kube-system/hactl".to_owned(), lease);
    }
}
