//! The states and moves of a first boot, as stateright wants them.

use std::collections::{BTreeMap, BTreeSet};

use hactl_node_plan::bootstrap::candidate::{self, Heard, Verdict};
use hactl_node_plan::bootstrap::record::{Record, Stage};
use hactl_node_plan::bootstrap::voter::{self, Caller};
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::role::CallerRole;
use hactl_proto::spec::{ClusterSpec, GrantPolicy, SpecHash};
use hactl_proto::standing::{
    ClusterIdentity, Grant, GrantRequest, InstanceId, MemberAnnouncement, Override, Roster,
    Standing, StandingAnswer,
};
use stateright::{Model, Property};

use super::mutant::Mutant;

/// How far the exploration goes.
#[derive(Debug, Clone)]
pub(crate) struct Scope {
    pub(crate) nodes: u8,
    pub(crate) policy: GrantPolicy,
    /// Names (from 1) of which a new machine may appear, once an entry.
    pub(crate) replace: Vec<u8>,
    /// How many overrides an operator may give.
    pub(crate) overrides: usize,
    /// Whether the operator of an override may not know of machines that run on under a name that is not said to be lost.
    pub(crate) unaware: bool,
    pub(crate) mutant: Mutant,
}

impl Scope {
    pub(crate) fn new(nodes: u8, policy: GrantPolicy) -> Self {
        Self {
            nodes,
            policy,
            replace: Vec::new(),
            overrides: 0,
            unaware: false,
            mutant: Mutant::None,
        }
    }

    pub(crate) fn replace(mut self, names: &[u8]) -> Self {
        self.replace = names.to_vec();
        self
    }

    pub(crate) fn overrides(mut self, most: usize) -> Self {
        self.overrides = most;
        self
    }

    pub(crate) fn unaware(mut self) -> Self {
        self.unaware = true;
        self
    }
}

/// One machine: there may be several of a name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Machine {
    pub(crate) name: u8,
    /// What a power cut leaves.
    pub(crate) disk: Record,
    /// What it goes by.
    pub(crate) memory: Record,
    /// Never runs again with its disk: an operator said so.
    pub(crate) gone: bool,
    /// The cluster whose etcd it is a member of, by the machine that made it.
    pub(crate) cluster: Option<u8>,
}

/// Machines that an override calls lost.
type Lost = BTreeMap<NodeName, BTreeSet<InstanceId>>;

/// A request under way, for good: it may arrive at any time, again and again, or never.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    from: u8,
    epoch: u64,
    /// Machine by name.
    roster: BTreeMap<u8, u8>,
}

/// A state of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) machines: Vec<Machine>,
    requests: BTreeSet<Request>,
    /// Candidate, voter and epoch of each grant ever answered.
    grants: BTreeSet<(u8, u8, u64)>,
    pub(crate) words: Vec<Override>,
    replaced: Vec<u8>,
}

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

fn cluster() -> ClusterId {
    ClusterId::from_bytes([1; 16])
}

pub(crate) fn operator() -> Caller {
    Caller {
        node: None,
        role: CallerRole::Operator,
    }
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

    fn machine(&self, name_of: u8, number: usize) -> Machine {
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

    fn request(&self, state: &State, request: &Request) -> GrantRequest {
        let from = &state.machines[usize::from(request.from)];
        let instance = |of: &u8| state.machines[usize::from(*of)].memory.instance;
        GrantRequest {
            candidate: name(from.name),
            instance: from.memory.instance,
            cluster: cluster(),
            spec: self.hash,
            epoch: request.epoch,
            roster: request
                .roster
                .iter()
                .map(|(node, of)| (name(*node), instance(of)))
                .collect(),
        }
    }

    /// What the candidate hears: of each node that it knows an instance of, the answer that it would like best, and every
    /// grant that was ever answered to it.
    fn heard(&self, state: &State, of: u8) -> BTreeMap<NodeName, Heard> {
        let record = &state.machines[usize::from(of)].memory;
        let mut heard = BTreeMap::new();
        for (node, instance) in &record.roster {
            let answer = StandingAnswer {
                node: node.clone(),
                instance: *instance,
                cluster: cluster(),
                spec: self.hash,
                epoch: record.epoch,
                standing: Standing::Virgin,
                roster: Roster::new(),
                serving: false,
            };
            let own = &state.machines[usize::from(of)];
            let grant = state.grants.iter().find_map(|(to, by, epoch)| {
                let voter = &state.machines[usize::from(*by)];
                let fits = *to == of
                    && *epoch == record.epoch
                    && name(voter.name) == *node
                    && voter.memory.instance == *instance;
                fits.then(|| (*instance, self.grant(own, *epoch)))
            });
            let answer = Some(answer);
            heard.insert(
                node.clone(),
                Heard {
                    answer,
                    grant,
                    refusal: None,
                },
            );
        }
        heard
    }

    /// The machine once it has met those that it will count on, promised to itself, and sends that request.
    fn ask(&self, state: &State, of: u8, chosen: &BTreeMap<u8, u8>) -> Option<State> {
        let mut next = state.clone();
        let own = &state.machines[usize::from(of)];
        let mut record = own.memory.clone();
        for other in chosen.values() {
            let other = &state.machines[usize::from(*other)];
            let answer = other.memory.answer(&self.spec, &[], false);
            record = voter::meet(&record, &self.spec, &answer).ok()?;
        }
        let mut roster = chosen.clone();
        roster.insert(own.name, of);
        let request = Request {
            from: of,
            epoch: record.epoch,
            roster,
        };
        let said = self.request(state, &request);
        let caller = Caller::control_plane(name(own.name));
        let (record, _) = voter::grant(&record, &self.spec, &[], &caller, &said).ok()?;
        let own = &mut next.machines[usize::from(of)];
        own.disk = record.clone();
        own.memory = record;
        next.requests.insert(request);
        Some(next)
    }

    fn deliver(&self, state: &State, request: &Request, to: u8) -> Option<State> {
        let mut next = state.clone();
        let said = self.request(state, request);
        let caller = Caller::control_plane(said.candidate.clone());
        let voter = &mut next.machines[usize::from(to)];
        let granted = self
            .scope
            .mutant
            .grant(&voter.memory, &self.spec, &caller, &said);
        let (record, _) = granted.ok()?;
        voter.memory = record;
        if self.scope.mutant != Mutant::AnswersBeforeDisk {
            voter.disk = voter.memory.clone();
        }
        next.grants.insert((request.from, to, request.epoch));
        Some(next)
    }

    fn begin(&self, state: &State, of: u8) -> Option<State> {
        let own = &state.machines[usize::from(of)];
        let record = match &own.memory.stage {
            Stage::Granted(own_grant) if self.scope.mutant == Mutant::BareMajority => {
                let grants = state.grants.iter().filter(|(to, ..)| *to == of).count();
                let record = Record {
                    stage: Stage::Initialising(own_grant.clone()),
                    ..own.memory.clone()
                };
                (grants >= usize::from(self.scope.nodes / 2)).then_some(record)
            }
            Stage::Virgin | Stage::Granted(_) => {
                match candidate::decide(&own.memory, &self.spec, &self.heard(state, of)) {
                    Verdict::Begin(record) => Some(record),
                    _ => None,
                }
            }
            Stage::Initialising(_) | Stage::Member { .. } => None,
        }?;
        let mut next = state.clone();
        let own = &mut next.machines[usize::from(of)];
        own.disk = record.clone();
        own.memory = record;
        own.cluster = Some(of);
        Some(next)
    }

    fn join(&self, state: &State, of: u8, via: u8) -> Option<State> {
        let member = &state.machines[usize::from(via)];
        let made_by = member.cluster?;
        let announcement = MemberAnnouncement {
            node: name(member.name),
            instance: member.memory.instance,
            cluster: cluster(),
            epoch: member.memory.epoch,
            identity: ClusterIdentity {
                ca_fingerprint: made_by.to_string(),
                etcd_cluster_id: None,
            },
        };
        let caller = Caller::control_plane(name(member.name));
        let own = &state.machines[usize::from(of)];
        let record = voter::learn(&own.memory, &self.spec, &caller, &announcement).ok()?;
        let mut next = state.clone();
        let own = &mut next.machines[usize::from(of)];
        own.disk = record.clone();
        own.memory = record;
        own.cluster = Some(made_by);
        Some(next)
    }

    /// The operator gives the word, and what it asserts is so.
    fn overrule(&self, state: &State, word: &Override) -> State {
        let mut next = state.clone();
        for machine in &mut next.machines {
            let instance = &machine.memory.instance;
            let listed = |lost: &BTreeSet<InstanceId>| lost.contains(instance);
            let counts = word.roster.get(&name(machine.name)) == Some(instance);
            machine.gone |= word.lost.values().any(listed) || (!counts && !self.scope.unaware);
        }
        next.words.push(word.clone());
        next
    }

    /// Every override that an operator may give: for each name one machine that counts, with the others lost or not spoken
    /// of, or none and all lost; and any candidate.
    fn words(&self, state: &State) -> Vec<Override> {
        let mut choices: Vec<(Roster, Lost)> = vec![Default::default()];
        for node in 1..=self.scope.nodes {
            let machines: Vec<_> = state
                .machines
                .iter()
                .filter(|machine| machine.name == node && !machine.gone)
                .collect();
            let known: BTreeSet<_> = machines
                .iter()
                .map(|machine| machine.memory.instance)
                .collect();
            let mut more = Vec::new();
            for (roster, lost) in &choices {
                let mut nobody = lost.clone();
                nobody.insert(name(node), known.clone());
                more.push((roster.clone(), nobody));
                for counts in &known {
                    let mut with = roster.clone();
                    with.insert(name(node), *counts);
                    more.push((with.clone(), lost.clone()));
                    if known.len() > 1 {
                        let mut others = lost.clone();
                        let rest = known.iter().filter(|known| *known != counts);
                        others.insert(name(node), rest.copied().collect());
                        more.push((with, others));
                    }
                }
            }
            choices = more;
        }
        let last = state.words.last().map_or(0, |word| word.epoch);
        let epochs = last.max(1)..=last + 1;
        let mut words = Vec::new();
        for epoch in epochs {
            for (roster, lost) in &choices {
                if self.scope.unaware
                    && roster
                        .keys()
                        .filter(|node| !lost.contains_key(*node))
                        .count()
                        < 2
                {
                    continue;
                }
                words.extend(roster.keys().map(|candidate| Override {
                    cluster: cluster(),
                    spec: self.hash,
                    epoch,
                    candidate: candidate.clone(),
                    roster: roster.clone(),
                    lost: lost.clone(),
                    reason: "lost".to_owned(),
                }));
            }
        }
        words
    }

    /// The choices of machines that a candidate may count on: for each other name that is not lost one machine, or, where
    /// a majority is enough, none.
    fn rosters(&self, state: &State, of: u8) -> Vec<BTreeMap<u8, u8>> {
        let own = &state.machines[usize::from(of)];
        let wanted = candidate::wanted(&own.memory, &self.spec);
        let wanted = if self.scope.mutant == Mutant::BareMajority {
            usize::from(self.scope.nodes / 2)
        } else {
            wanted
        };
        let mut rosters = vec![BTreeMap::new()];
        for node in 1..=self.scope.nodes {
            if node == own.name || own.memory.is_lost(&name(node)) {
                continue;
            }
            let pinned = own.memory.roster.get(&name(node));
            let mut more = Vec::new();
            for (at, machine) in (0..).zip(&state.machines) {
                let fits = pinned.is_none_or(|pinned| *pinned == machine.memory.instance);
                if machine.name == node && fits {
                    more.extend(rosters.iter().map(|roster| {
                        let mut with: BTreeMap<u8, u8> = roster.clone();
                        with.insert(node, at);
                        with
                    }));
                }
            }
            rosters.extend(more);
        }
        rosters.retain(|roster| roster.len() == wanted);
        rosters
    }
}

impl State {
    /// Whether the cluster made by that machine has more than half of its members left.
    pub(crate) fn could_serve(&self, made_by: u8) -> bool {
        let members = self
            .machines
            .iter()
            .filter(|machine| machine.cluster == Some(made_by));
        let left = members.clone().filter(|machine| !machine.gone).count();
        2 * left > members.count()
    }

    /// The clusters that could serve now.
    pub(crate) fn serving(&self) -> usize {
        let made: BTreeSet<u8> = self
            .machines
            .iter()
            .filter_map(|machine| machine.cluster)
            .collect();
        made.into_iter()
            .filter(|made_by| self.could_serve(*made_by))
            .count()
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
            for (via, member) in (0..).zip(&state.machines) {
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
            Property::sometimes("a cluster of two", |_, state: &State| {
                let joined = |machine: &&Machine| machine.cluster.is_some();
                state.machines.iter().filter(joined).count() > 1
            }),
        ];
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
