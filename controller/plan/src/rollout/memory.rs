//! What one run of a controller remembers between two decisions. One that begins anew remembers nothing, which is safe: a
//! snapshot is taken again, and a soak begins again. Where nodes stand is never remembered, it is seen.

use std::collections::BTreeSet;

use hactl_proto::name::NodeName;
use hactl_proto::version::KubernetesVersion;

use super::PhaseKind;

/// The canaries of a hop's phase, which are looked at for a while before others follow.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Soak {
    /// Where the hop leads.
    pub to: KubernetesVersion,
    /// What was done to the canaries.
    pub kind: PhaseKind,
    /// The canaries.
    pub nodes: Vec<NodeName>,
}

/// What a run remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Memory {
    snapshots: BTreeSet<(KubernetesVersion, NodeName)>,
    under_way: Option<(Soak, u32)>,
    through: BTreeSet<Soak>,
}

impl Memory {
    /// This control plane took a verified snapshot for the hop that leads there.
    pub fn took_snapshot(&mut self, to: KubernetesVersion, node: NodeName) {
        self.snapshots.insert((to, node));
    }

    /// One more look found all gates open; `of` in a row are wanted.
    pub fn passed(&mut self, soak: Soak, of: u32) {
        let before = match self.under_way.take() {
            Some((known, passes)) if known == soak => passes,
            _ => 0,
        };
        if before + 1 >= of {
            self.through.insert(soak);
        } else {
            self.under_way = Some((soak, before + 1));
        }
    }

    /// Something was not well, or something else was done: the soak under way begins anew.
    pub fn interrupted(&mut self) {
        self.under_way = None;
    }

    /// Whether this control plane has its snapshot of before the hop that leads there.
    pub(super) fn has_snapshot(&self, to: &KubernetesVersion, node: &NodeName) -> bool {
        let mut taken = self.snapshots.iter();
        taken.any(|(for_hop, on)| for_hop == to && on == node)
    }

    /// Whether a soak has come to its end.
    pub(super) fn soaked(&self, soak: &Soak) -> bool {
        self.through.contains(soak)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_passes_in_a_row_count() {
        let soak = |kind| Soak {
            to: KubernetesVersion::new(1, 36, 3),
            kind,
            nodes: Vec::new(),
        };
        let (first, other) = (soak(PhaseKind::ControlPlanes), soak(PhaseKind::Etcd));
        let mut memory = Memory::default();
        memory.passed(first.clone(), 3);
        memory.passed(first.clone(), 3);
        memory.interrupted();
        memory.passed(first.clone(), 3);
        memory.passed(first.clone(), 3);
        assert!(!memory.soaked(&first));
        memory.passed(other.clone(), 1);
        assert!(memory.soaked(&other) && !memory.soaked(&first));
        for _ in 0..3 {
            memory.passed(first.clone(), 3);
        }
        memory.interrupted();
        assert!(memory.soaked(&first));
    }
}
