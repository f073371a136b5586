//! The moves of the machines, through the product's own functions.

use std::collections::BTreeMap;

use hactl_node_plan::bootstrap::candidate::{self, Heard, Verdict};
use hactl_node_plan::bootstrap::record::{Record, Stage};
use hactl_node_plan::bootstrap::voter::{self, Caller};
use hactl_proto::name::NodeName;
use hactl_proto::standing::{
    ClusterIdentity, GrantRequest, MemberAnnouncement, Roster, Standing, StandingAnswer,
};

use super::model::{Grants, cluster, name};
use super::mutant::Mutant;
use super::state::{Request, State};

impl Grants {
    pub(crate) fn request(&self, state: &State, request: &Request) -> GrantRequest {
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
    pub(crate) fn heard(&self, state: &State, of: u8) -> BTreeMap<NodeName, Heard> {
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
    pub(crate) fn ask(&self, state: &State, of: u8, chosen: &BTreeMap<u8, u8>) -> Option<State> {
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

    pub(crate) fn deliver(&self, state: &State, request: &Request, to: u8) -> Option<State> {
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

    pub(crate) fn begin(&self, state: &State, of: u8) -> Option<State> {
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
                    Verdict::Begin(record) => Some(*record),
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

    pub(crate) fn join(&self, state: &State, of: u8, via: u8) -> Option<State> {
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
                beside: Vec::new(),
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

    /// The choices of machines that a candidate may count on: one machine for each of as many other names as it needs. What it
    /// chose once it keeps for the epoch.
    pub(crate) fn rosters(&self, state: &State, of: u8) -> Vec<BTreeMap<u8, u8>> {
        let own = &state.machines[usize::from(of)];
        let wanted = match self.scope.mutant {
            Mutant::BareMajority => usize::from(self.scope.nodes / 2),
            _ => candidate::wanted(&own.memory, &self.spec),
        };
        let chosen = own.memory.roster.len() >= wanted;
        let mut rosters = vec![BTreeMap::new()];
        for node in 1..=self.scope.nodes {
            let pinned = own.memory.roster.get(&name(node));
            let out = own.memory.is_lost(&name(node)) || (chosen && pinned.is_none());
            if node == own.name || out {
                continue;
            }
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
