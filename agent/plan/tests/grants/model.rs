//! The states and moves of a first boot, as stateright wants them.

use std::collections::{BTreeMap, BTreeSet};

use hactl_node_plan::bootstrap::record::{Record, Stage};
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::spec::{ClusterSpec, SpecHash};
use hactl_proto::standing::{Grant, InstanceId, Override};
use stateright::{Model, Property};

use super::mutant::Mutant;
use super::operator::operator;
use super::recovery;
use super::scope::Scope;
use super::state::{Machine, Request, State};

/// A move.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Move {
    Replace(u8),
    Ask(u8, BTreeMap<u8, u8>),
    Deliver(Request, u8),
    Begin(u8),
    Join(u8, u8),
    Overrule(Override),
    Take(u8, usize),
    Crash(u8),
    Expire(u8),
}

/// The model.
pub(crate) struct Grants {
    pub(crate) scope: Scope,
    pub(crate) spec: ClusterSpec,
    pub(crate) hash: SpecHash,
}

pub(crate) fn name(of: u8) -> NodeName {
    NodeName::new(format!("cp{of}")).unwrap()
}

pub(crate) fn cluster() -> ClusterId {
    ClusterId::from_bytes([1; 16])
}

impl Grants {
    pub(crate) fn new(scope: Scope) -> Self {
        let nodes: Vec<_> = (1..=scope.nodes)
            .map(|n| serde_json::json!({"name": name(n), "address": format!("10.0.0.{n}"), "zone": "a"}))
            .collect();
        let spec = serde_json::json!({
            "name": "demo",
            "kubernetes": {"version": "v1.36.2", "image_repository": null, "api_server_args": {},
                "api_server_sans": [], "kubelet": {}, "kube_proxy": {}, "ignore_preflight_errors": []},
            "networks": {"pods": [], "services": [], "nodes": [], "dns_domain": "cluster.local"},
            "endpoint": {"host": "10.0.0.100", "port": 8443, "mode": {"kind": "external"}},
            "etcd": {"kind": "stacked", "data_dir": "/var/lib/etcd", "own_mount": false},
            "zones": ["a"], "control_planes": nodes, "workers": [], "pod_network": null,
            "policies": {"grants": scope.policy, "init_node": null, "prerequisites": {}, "agent_port": 7470,
                "worker_enrolment": false},
        });
        let spec: ClusterSpec = serde_json::from_value(spec).unwrap();
        let hash = spec.bootstrap_hash();
        Self { scope, spec, hash }
    }

    pub(crate) fn machine(&self, name_of: u8, number: usize) -> Machine {
        let bits = if self.scope.mutant == Mutant::InstanceReused {
            name_of
        } else {
            u8::try_from(number).unwrap() + 1
        };
        let record = Record::new(cluster(), name(name_of), InstanceId::from_bytes([bits; 16]));
        Machine {
            name: name_of,
            disk: record.clone(),
            memory: record,
            gone: false,
            cluster: None,
        }
    }

    pub(crate) fn grant(&self, candidate: &Machine, epoch: u64) -> Grant {
        Grant {
            candidate: name(candidate.name),
            instance: candidate.memory.instance,
            epoch,
            spec: self.hash,
        }
    }
}

impl Model for Grants {
    type State = State;
    type Action = Move;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            machines: (1..=self.scope.nodes)
                .map(|node| self.machine(node, usize::from(node) - 1))
                .collect(),
            requests: BTreeSet::new(),
            grants: BTreeSet::new(),
            words: Vec::new(),
            replaced: Vec::new(),
        }]
    }

    fn actions(&self, state: &State, moves: &mut Vec<Move>) {
        let mut open = self.scope.replace.clone();
        for done in &state.replaced {
            if let Some(at) = open.iter().position(|node| node == done) {
                open.remove(at);
            }
        }
        moves.extend(open.into_iter().map(Move::Replace));
        if state.words.len() < self.scope.overrides {
            moves.extend(self.words(state).into_iter().map(Move::Overrule));
        }
        for (at, machine) in (0..).zip(&state.machines) {
            if machine.gone {
                continue;
            }
            let is_candidate = machine.memory.candidate(&self.spec) == Some(&name(machine.name));
            if is_candidate && matches!(machine.memory.stage, Stage::Virgin | Stage::Granted(_)) {
                let rosters = self.rosters(state, at);
                moves.extend(rosters.into_iter().map(|roster| Move::Ask(at, roster)));
                moves.push(Move::Begin(at));
            }
            for request in &state.requests {
                let from = &state.machines[usize::from(request.from)];
                if from.name != machine.name {
                    moves.push(Move::Deliver(request.clone(), at));
                }
            }
            for (via, member) in (0..).zip(&state.machines).filter(|_| self.scope.joins) {
                let served = member
                    .cluster
                    .is_some_and(|made_by| state.could_serve(made_by));
                if machine.cluster.is_none() && served && !member.gone {
                    moves.push(Move::Join(at, via));
                }
            }
            moves.extend((0..state.words.len()).map(|word| Move::Take(at, word)));
            if machine.memory != machine.disk {
                moves.push(Move::Crash(at));
            }
            if self.scope.mutant == Mutant::GrantExpires {
                moves.push(Move::Expire(at));
            }
        }
    }

    fn next_state(&self, state: &State, action: Move) -> Option<State> {
        match action {
            Move::Replace(node) => {
                let mut next = state.clone();
                next.machines.push(self.machine(node, state.machines.len()));
                next.replaced.push(node);
                next.replaced.sort_unstable();
                Some(next)
            }
            Move::Ask(of, roster) => self.ask(state, of, &roster),
            Move::Deliver(request, to) => self.deliver(state, &request, to),
            Move::Begin(of) => self.begin(state, of),
            Move::Join(of, via) => self.join(state, of, via),
            Move::Overrule(word) => Some(self.overrule(state, &word)),
            Move::Take(of, word) => {
                let mut next = state.clone();
                let own = &mut next.machines[usize::from(of)];
                let word = &state.words[word];
                let taken = self
                    .scope
                    .mutant
                    .overrule(&own.memory, &self.spec, &operator(), word);
                own.memory = taken.ok()?;
                own.disk = own.memory.clone();
                Some(next)
            }
            Move::Crash(of) => {
                let mut next = state.clone();
                let own = &mut next.machines[usize::from(of)];
                own.memory = own.disk.clone();
                Some(next)
            }
            Move::Expire(of) => {
                let mut next = state.clone();
                let own = &mut next.machines[usize::from(of)];
                let Stage::Granted(grant) = &own.memory.stage else {
                    return None;
                };
                own.memory.roster.remove(&grant.candidate);
                own.memory.stage = Stage::Virgin;
                own.disk = own.memory.clone();
                Some(next)
            }
        }
    }

    fn properties(&self) -> Vec<Property<Self>> {
        let mut properties = vec![
            Property::always("one cluster", |_, state: &State| state.serving() <= 1),
            Property::sometimes("a cluster", |_, state: &State| state.serving() == 1),
        ];
        if self.scope.joins {
            properties.push(Property::sometimes(
                "a cluster of two",
                |_, state: &State| {
                    let joined = |machine: &&Machine| machine.cluster.is_some();
                    state.machines.iter().filter(joined).count() > 1
                },
            ));
        }
        if self.scope.recovery {
            properties.push(Property::always("a way out", recovery::exists));
        }
        if self.scope.overrides > 0 {
            properties.push(Property::sometimes(
                "a cluster after an override",
                |_, state: &State| {
                    let later =
                        |machine: &Machine| machine.memory.epoch > 0 && machine.cluster.is_some();
                    state.machines.iter().any(later)
                },
            ));
        }
        properties
    }
}
