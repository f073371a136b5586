//! A state of the whole: machines, what is under way between them, what the operator said.

use std::collections::{BTreeMap, BTreeSet};

use hactl_node_plan::bootstrap::record::Record;
use hactl_proto::standing::Override;

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

/// A request under way, for good: it may arrive at any time, again and again, or never.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    pub(crate) from: u8,
    pub(crate) epoch: u64,
    /// Machine by name.
    pub(crate) roster: BTreeMap<u8, u8>,
}

/// A state of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) machines: Vec<Machine>,
    pub(crate) requests: BTreeSet<Request>,
    /// Candidate, voter and epoch of each grant ever answered.
    pub(crate) grants: BTreeSet<(u8, u8, u64)>,
    pub(crate) words: Vec<Override>,
    pub(crate) replaced: Vec<u8>,
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
