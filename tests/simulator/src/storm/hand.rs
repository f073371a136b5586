//! What people do, and what is done to whole machines: orders, budgets, members by hand, disks that are replaced.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use hactl_proto::instruction::{Instruction, OperationId, Order};
use hactl_proto::name::NodeName;
use hactl_simulation::{Machine, Member};
use serde_json::json;
use tokio::time::sleep;

use super::Storm;
use crate::invariant::{PROGRESS, under_way};

/// Where nobody is.
const STRANGER: IpAddr = IpAddr::V4(Ipv4Addr::new(10, 99, 0, 99));
/// Ids of members that were added by hand begin here.
const LEARNER: u64 = 1 << 40;

/// So often, and for so long, it is looked whether a node's upgrade has begun.
const BEGUN_LOOK: Duration = Duration::from_secs(1);
const BEGUN_LOOKS: u32 = 1_200;
/// So often, and for so long, it is looked whether somebody has promised.
const PROMISE_LOOK: Duration = Duration::from_millis(100);
const PROMISE_LOOKS: u32 = 3_000;

impl Storm {
    /// Two operators, two orders, one node, at once; and one of them again.
    pub(super) fn two_orders(&mut self) {
        let node = self.node();
        let number = self.chance.below(1_000_000);
        self.say(|| format!("{node} is given two orders at once"));
        for (who, after) in [("x", 0), ("y", 0), ("x", 50)] {
            let Ok(id) = OperationId::new(format!("hand-{number}-{who}")) else {
                return;
            };
            let (town, node) = (self.town.clone(), node.clone());
            tokio::spawn(async move {
                sleep(Duration::from_millis(after)).await;
                let Some(agent) = town.agent(&node) else {
                    return;
                };
                let order = Instruction {
                    id,
                    generation: 1,
                    fence: None,
                    order: Order::Prepare,
                };
                if let Err(error) = agent.operations.submit(order).await {
                    town.log.event(|| format!("{node} refuses to {error}"));
                }
            });
        }
    }

    /// Somebody adds an etcd member by hand, as a learner, and takes it away again later.
    pub(super) fn learner(&mut self) {
        if self.chance.per_mille(500) {
            return self.demoted();
        }
        let address = STRANGER;
        let id = LEARNER + self.chance.below(1 << 20);
        self.say(|| "an operator adds a learner to etcd by hand".to_owned());
        for cluster in self.town.world.state().clusters.values_mut() {
            if cluster.member_at(address).is_none() {
                cluster.members.push(Member {
                    id,
                    name: String::new(),
                    address,
                    learner: true,
                });
            }
        }
        self.later(30_000, 300_000, move |town| {
            for cluster in town.world.state().clusters.values_mut() {
                cluster.members.retain(|member| member.id != id);
            }
        });
    }

    /// Somebody takes a member out by hand and puts it in again: it runs and follows, and gets its vote later.
    fn demoted(&mut self) {
        let mut demoted = Vec::new();
        let pick = self.chance.draw();
        for (id, cluster) in &mut self.town.world.state().clusters {
            let leader = cluster.leading();
            let alone = cluster.members.iter().any(|member| member.learner);
            let mut followers: Vec<&mut Member> = cluster
                .members
                .iter_mut()
                .filter(|member| Some(member.id) != leader && !alone)
                .collect();
            let at = pick.checked_rem(followers.len() as u64).unwrap_or(0);
            let at = usize::try_from(at).unwrap_or(0);
            if let Some(member) = followers.get_mut(at) {
                member.learner = true;
                demoted.push((*id, member.id));
            }
        }
        self.say(|| "an operator adds a member of etcd anew, as a learner".to_owned());
        self.later(30_000, 300_000, move |town| {
            for (cluster, id) in demoted {
                let mut state = town.world.state();
                let cluster = state.clusters.get_mut(&cluster);
                let mut members = cluster.into_iter().flat_map(|found| &mut found.members);
                if let Some(member) = members.find(|member| member.id == id) {
                    member.learner = false;
                }
            }
        });
    }

    /// The same right where it hurts: some have promised, and nobody has begun.
    pub(super) async fn replace_once_promised(mut self) {
        let wanted = usize::try_from(self.chance.between(1, 3)).unwrap_or(1);
        for _ in 0..PROMISE_LOOKS {
            sleep(PROMISE_LOOK).await;
            let (promised, begun) = {
                let state = self.town.world.state();
                let standing = |machine: &&Machine| {
                    let text = machine.tree.text("/var/lib/hactl/standing.json");
                    text.contains("\"granted\"")
                };
                let promised = state.machines.values().filter(standing).count();
                (promised, !state.inits.is_empty())
            };
            if begun {
                return;
            }
            if promised >= wanted {
                let after = self.chance.millis(0, 1_500);
                sleep(after).await;
                self.replace();
                return;
            }
        }
    }

    /// Once a node's upgrade has begun, somebody stops the agent of another control plane, and starts it minutes later. All else of that
    /// machine is well.
    pub(super) async fn stop_an_agent(mut self) {
        for _ in 0..BEGUN_LOOKS {
            sleep(BEGUN_LOOK).await;
            let Some(begun) = self.begun() else {
                continue;
            };
            let mut others = self.control_planes();
            others.retain(|other| *other != begun);
            let Some(node) = self.chance.pick(&others).cloned() else {
                return;
            };
            self.say(|| format!("somebody stops {node}'s agent"));
            self.town.stop(&node);
            let after = self.chance.millis(60_000, 900_000);
            self.town.start_after(&node, after, false);
            return;
        }
    }

    /// A node in the middle of its upgrade.
    fn begun(&self) -> Option<NodeName> {
        let state = self.town.world.state();
        let mut machines = state.machines.iter();
        let found = machines.find(|(_, machine)| under_way(&machine.tree.text(PROGRESS)));
        found.map(|(node, _)| node.clone())
    }

    pub(super) fn control_planes(&self) -> Vec<NodeName> {
        let nodes = self.spec.control_planes.iter();
        nodes.map(|node| node.name.clone()).collect()
    }

    /// A control plane loses its disk while no cluster was begun. Its promise is lost with it: only an operator's override goes on.
    pub(super) fn replace(&mut self) {
        let begun = {
            let state = self.town.world.state();
            !state.inits.is_empty() || !state.clusters.is_empty()
        };
        let controls = self.control_planes();
        let node = self.chance.pick(&controls).cloned();
        if let Some(node) = node.filter(|_| !begun && controls.len() > 1) {
            self.town.wipe(&node);
            self.town.replaced(&node);
        }
    }

    /// A budget forbids the eviction of a pod on a node.
    pub(super) fn budget(&mut self) {
        let worker = self.node();
        self.say(|| format!("a budget keeps a pod on {worker}"));
        let budget = json!({ "metadata": { "namespace": "shop", "name": "web" },
            "spec": { "selector": { "matchLabels": { "app": "web" } } }, "status": { "disruptionsAllowed": 0 } });
        let pod = json!({ "metadata": { "namespace": "shop", "name": "web-1", "labels": { "app": "web" },
                "ownerReferences": [{ "kind": "ReplicaSet", "name": "web-5d", "controller": true }] },
            "spec": { "nodeName": worker.as_str() }, "status": { "phase": "Running" } });
        for cluster in self.town.world.state().clusters.values_mut() {
            cluster
                .objects
                .insert("poddisruptionbudget/shop/web".to_owned(), budget.clone());
            cluster
                .objects
                .insert("pod/shop/web-1".to_owned(), pod.clone());
        }
        self.later(30_000, 600_000, |town| {
            for cluster in town.world.state().clusters.values_mut() {
                cluster.objects.remove("poddisruptionbudget/shop/web");
            }
        });
    }

    /// A control plane of a whole cluster loses its disk; or etcd's data first, and the rest when somebody has looked.
    pub(super) fn wipe(&mut self) {
        let settled = self
            .town
            .progress()
            .values()
            .filter(|one| one.settled)
            .count();
        let controls = self.control_planes();
        let whole = settled == self.town.nodes().len() && {
            let state = self.town.world.state();
            let members = state
                .clusters
                .values()
                .map(|cluster| cluster.members.len())
                .max();
            let all = state
                .machines
                .values()
                .filter(|one| one.etcd_data().is_some())
                .count();
            members == Some(controls.len()) && all == controls.len()
        };
        let Some(node) = self
            .chance
            .pick(&controls)
            .cloned()
            .filter(|_| whole && controls.len() > 2)
        else {
            return;
        };
        let reboots = self.chance.per_mille(500);
        if self.chance.per_mille(400) {
            self.say(|| format!("{node} loses etcd's data"));
            if let Some(machine) = self.town.world.state().machines.get_mut(&node) {
                machine.tree.remove_durably("/var/lib/etcd/member");
            }
            if reboots {
                self.town.stop(&node);
                self.town.world.power_off(&node);
                let after = self.chance.millis(5_000, 60_000);
                self.town.start_after(&node, after, false);
            }
            self.later(60_000, 240_000, move |town| town.wipe(&node));
            return;
        }
        self.town.wipe(&node);
    }
}
