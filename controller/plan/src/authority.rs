//! Rotation of a CA, the cluster's side: what is seen becomes the next thing to do.
//!
//! Two rules carry it, and they hold after every single effect, not only between stages: whatever a node presents, every process and every pod
//! that may be shown it believes the CA that signed it; and a CA is given up only where nobody presents anything of it. So any two still
//! understand each other wherever it is cut off. Where nodes stand is never remembered: whoever resumes decides the same, and turning back is
//! the same rotation with the two CAs exchanged. `authority/tests.rs` walks through every state that can be reached.
//!
//! How a node does its step is its agent's; no key is here, and none passes through the controller.

mod against;
mod course;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rotation::TrustSeen;
pub use hactl_proto::rotation::{Authority, Fingerprint, Stage};

use crate::observed::Answer;

pub use against::{Successor, against, not_well};
pub use course::{Course, course};

/// What is wanted: `to` in the place of all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rotation {
    /// Of which CA.
    pub authority: Authority,
    /// The CA that is in force when it begins.
    pub from: Fingerprint,
    /// Its successor.
    pub to: Fingerprint,
    /// Whether the operator has said that whoever asks from outside of the cluster believes the new CA: until then nothing of it is
    /// presented. Asked for [`Authority::Kubernetes`] alone: of the others' nobody outside knows.
    pub reissue: bool,
    /// Whether the operator has said to give the old one up: until then it stops before the last stage.
    pub finish: bool,
    /// So many workers have their turn at once; control planes go one by one.
    pub workers_at_once: usize,
}

impl Rotation {
    /// The way back, from wherever it is.
    #[must_use]
    pub fn back(self) -> Self {
        Self {
            from: self.to,
            to: self.from,
            finish: false,
            ..self
        }
    }
}

/// The cluster at one moment.
#[derive(Debug, Clone, PartialEq)]
pub struct Seen {
    /// Every node, control planes first: a worker that is declared and away may come back and has to be understood.
    pub nodes: Vec<SeenNode>,
    /// Owners of pods that may have begun before pods were given the CA [`Rotation::to`]; why that is unknown. Asked for
    /// [`Authority::Kubernetes`] alone.
    pub pods: Result<BTreeSet<String>, String>,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenNode {
    /// Its name.
    pub name: NodeName,
    /// What it is.
    pub role: NodeRole,
    /// What its agent says.
    pub trust: Answer<Trust>,
}

/// A node's part in one CA.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Trust {
    /// CAs whose pairs lie on this control plane, whether or not something reads them.
    pub holds: BTreeSet<Fingerprint>,
    /// What each process took up when it began, by its name: a file that it has not read again does not count.
    pub believes: BTreeMap<String, BTreeSet<Fingerprint>>,
    /// Who signed what is presented, by the certificate's name: files, kubeconfigs, and what ports serve. With it goes what signs more: the
    /// controller manager, as `signer`.
    pub presents: BTreeMap<String, Fingerprint>,
    /// Processes whose files were changed since they began: what they believe and present is known in part.
    pub pending: BTreeSet<String>,
    /// Why the node is not well; absent: it is.
    pub complaint: Option<String>,
}

impl From<TrustSeen> for Trust {
    fn from(seen: TrustSeen) -> Self {
        Self {
            holds: seen.holds,
            believes: seen.believes,
            presents: seen.presents,
            pending: seen.pending,
            complaint: seen.complaint,
        }
    }
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing of any other CA is left.
    Done,
    /// All before this stage is through. To begin it is what the operator has to ask for.
    Confirm(Stage),
    /// Not now: what is not well, each in a line.
    Wait(Vec<String>),
    /// Have these begun anew, under their disruption budgets: they may not believe the new CA.
    RestartPods(BTreeSet<String>),
    /// These nodes' turn, all at once.
    Turn(Stage, Vec<NodeName>),
}

/// Decides. Unknown counts as unhealthy (I2).
pub fn decide(rotation: &Rotation, seen: &Seen) -> Decision {
    for stage in Stage::ALL {
        if stage == Stage::Pods {
            match pods(rotation, seen) {
                Some(decision) => return decision,
                None => continue,
            }
        }
        // Who does not say is one of whom it is not known that it is through.
        let left: Vec<&SeenNode> = seen
            .nodes
            .iter()
            .filter(|node| !through(stage, rotation, node))
            .collect();
        if left.is_empty() {
            continue;
        }
        if (stage == Stage::Distrust && !rotation.finish)
            || (stage == Stage::Reissue && !announced(rotation))
        {
            return Decision::Confirm(stage);
        }
        return turn(stage, rotation, seen, &left);
    }
    Decision::Done
}

fn announced(rotation: &Rotation) -> bool {
    rotation.authority != Authority::Kubernetes || rotation.reissue
}

/// Pods have to believe the new CA before anybody presents it. Once somebody does they were seen to, and what begins then is given both.
fn pods(rotation: &Rotation, seen: &Seen) -> Option<Decision> {
    let said = seen.nodes.iter().filter_map(|node| node.trust.said());
    let presented = said
        .flat_map(|trust| trust.presents.values())
        .any(|one| *one == rotation.to);
    if rotation.authority != Authority::Kubernetes || presented {
        return None;
    }
    match &seen.pods {
        Ok(owners) if owners.is_empty() => None,
        Ok(owners) => Some(Decision::RestartPods(owners.clone())),
        Err(reason) => Some(Decision::Wait(vec![format!(
            "which pods believe the new CA is unknown: {reason}"
        )])),
    }
}

fn through(stage: Stage, rotation: &Rotation, node: &SeenNode) -> bool {
    let (to, Some(trust)) = (&rotation.to, node.trust.said()) else {
        return false;
    };
    let mut believes = trust.believes.values();
    match stage {
        Stage::Prepare => node.role == NodeRole::Worker || trust.holds.contains(to),
        // Whoever has to begin anew does so in this stage, whose files are understood by all.
        Stage::Trust => believes.all(|one| one.contains(to)) && trust.pending.is_empty(),
        // No node's: it is the cluster's.
        Stage::Pods => true,
        Stage::Reissue => trust.presents.values().all(|one| one == to),
        Stage::Distrust => {
            believes.all(|one| one.iter().all(|one| one == to))
                && trust.holds.iter().all(|one| one == to)
        }
    }
}

/// Whose turn it is of those that are left: whoever is not well goes on first, and only while all others are well.
fn turn(stage: Stage, rotation: &Rotation, seen: &Seen, left: &[&SeenNode]) -> Decision {
    let unwell: Vec<(&NodeName, String)> = seen.nodes.iter().filter_map(unwell).collect();
    let lines = || {
        let lines = unwell.iter().map(|(name, why)| format!("{name}: {why}"));
        Decision::Wait(lines.collect())
    };
    let alone = |node: &SeenNode| Decision::Turn(stage, vec![node.name.clone()]);
    match unwell.as_slice() {
        [] => {}
        [(name, _)] => {
            let own = left.iter().find(|node| node.name == **name);
            return own
                .filter(|node| node.trust.said().is_some())
                .map_or_else(lines, |node| alone(node));
        }
        _ => return lines(),
    }
    match left.iter().find(|node| node.role == NodeRole::ControlPlane) {
        Some(node) => alone(node),
        None => Decision::Turn(
            stage,
            left.iter()
                .take(rotation.workers_at_once.max(1))
                .map(|node| node.name.clone())
                .collect(),
        ),
    }
}

fn unwell(node: &SeenNode) -> Option<(&NodeName, String)> {
    let why = match &node.trust {
        Answer::Silent(silence) => format!("does not answer: {}", silence.reason),
        Answer::Said(trust) => trust.complaint.clone()?,
    };
    Some((&node.name, why))
}
