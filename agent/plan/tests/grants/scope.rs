//! How far an exploration goes.

use hactl_proto::spec::GrantPolicy;

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
    /// Names (from 1) that an override may call lost or make the candidate: the others are alike.
    pub(crate) spoken_of: Vec<u8>,
    /// Whether the operator of an override may not know of machines that run on under a name that is not said to be lost.
    pub(crate) unaware: bool,
    /// Whether machines join clusters. Where there is no override a joined machine only refuses more.
    pub(crate) joins: bool,
    /// Whether a way out is looked for from every state.
    pub(crate) recovery: bool,
    pub(crate) mutant: Mutant,
}

impl Scope {
    pub(crate) fn new(nodes: u8, policy: GrantPolicy) -> Self {
        Self {
            nodes,
            policy,
            replace: Vec::new(),
            overrides: 0,
            spoken_of: (1..=nodes).collect(),
            unaware: false,
            joins: true,
            recovery: false,
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

    pub(crate) fn speaking_of(mut self, names: &[u8]) -> Self {
        self.spoken_of = names.to_vec();
        self
    }

    pub(crate) fn without_joins(mut self) -> Self {
        self.joins = false;
        self
    }

    pub(crate) fn with_recovery(mut self) -> Self {
        self.recovery = true;
        self
    }

    pub(crate) fn unaware(mut self) -> Self {
        self.unaware = true;
        self
    }
}
