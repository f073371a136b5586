//! Succession of what agents know each other by: gossip keys, and the roots of hactl's own CA. What nodes say becomes the next orders.
//!
//! The same two rules as in [`crate::authority`] hold after every single order: what anybody uses, everybody believes; and what nobody may use
//! any more is given up only where nobody uses it. Nothing restarts for it and each order is one file on one node, so all that are left in a
//! stage have their orders at once. Turning back is the same succession with the two exchanged.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use hactl_proto::finding::Finding;
use hactl_proto::name::NodeName;
use hactl_proto::rotation::Fingerprint;

use crate::observed::Answer;

/// What is wanted: `to` in the place of all others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Succession {
    /// What takes their place.
    pub to: Fingerprint,
    /// Whether the operator has said to give the others up: until then it stops before the last stage.
    pub finish: bool,
    /// Nodes that the operator says are gone, or have never been on: they hold up nobody while they do not answer.
    pub without: BTreeSet<NodeName>,
}

/// What is done to a node. Each may be repeated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// It believes the successor beside what it believes.
    Install,
    /// It uses the successor.
    Use,
    /// It believes the successor alone.
    Remove,
}

/// One node.
#[derive(Debug, Clone, PartialEq)]
pub struct SeenNode {
    /// Its name.
    pub name: NodeName,
    /// What its agent says.
    pub part: Answer<Part>,
}

/// A node's part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Part {
    /// What it takes from others.
    pub believes: BTreeSet<Fingerprint>,
    /// What it shows to others.
    pub uses: BTreeSet<Fingerprint>,
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Nothing of any other is left.
    Done,
    /// Everybody uses the successor alone; to give the others up is for the operator to say.
    Confirm,
    /// Who answers is through with this stage; who does not holds up the next one.
    Blocked(Stage, Vec<NodeName>),
    /// Orders for these nodes.
    Order(Stage, Vec<NodeName>),
}

impl Stage {
    /// In their order.
    pub const ALL: [Self; 3] = [Self::Install, Self::Use, Self::Remove];

    /// Its word.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Install => "install",
            Self::Use => "use",
            Self::Remove => "remove",
        }
    }
}

/// Decides. Who does not say is one of whom it is not known that it is through (I2).
pub fn decide(succession: &Succession, seen: &[SeenNode]) -> Decision {
    for stage in Stage::ALL {
        let left: Vec<&SeenNode> = seen
            .iter()
            .filter(|node| !excused(succession, node) && !through(stage, succession, node))
            .collect();
        if left.is_empty() {
            continue;
        }
        if stage == Stage::Remove && !succession.finish {
            return Decision::Confirm;
        }
        let (said, silent): (Vec<&SeenNode>, Vec<&SeenNode>) =
            left.iter().partition(|node| node.part.said().is_some());
        let named = |nodes: Vec<&SeenNode>| nodes.iter().map(|node| node.name.clone()).collect();
        return if said.is_empty() {
            Decision::Blocked(stage, named(silent))
        } else {
            Decision::Order(stage, named(said))
        };
    }
    Decision::Done
}

fn excused(succession: &Succession, node: &SeenNode) -> bool {
    node.part.said().is_none() && succession.without.contains(&node.name)
}

fn through(stage: Stage, succession: &Succession, node: &SeenNode) -> bool {
    let (to, Some(part)) = (&succession.to, node.part.said()) else {
        return false;
    };
    match stage {
        Stage::Install => part.believes.contains(to),
        // Who shows nothing that anybody believes has to be given something too.
        Stage::Use => !part.uses.is_empty() && part.uses.iter().all(|one| one == to),
        Stage::Remove => part.believes.iter().all(|one| one == to),
    }
}

/// Who would hold it up, each by name: looked at before a successor is made, and told of where it is held up.
pub fn held_up(succession: &Succession, seen: &[SeenNode]) -> Vec<Finding> {
    seen.iter()
        .filter(|node| !excused(succession, node))
        .filter_map(|node| match &node.part {
            Answer::Said(_) => None,
            Answer::Silent(silence) => Some(Finding::refusal(
                "rotation-nodes-known",
                format!("{} does not answer: {}", node.name, silence.reason),
                "every node on: one that comes back later would understand nobody",
                format!(
                    "Bring it up. If it was never on, or is gone for good, say so with --without {}; should it come up after all, it needs a \
                     bundle made anew.",
                    node.name
                ),
            )),
        })
        .collect()
}

/// What a node believes after its order, what it uses first. `other` is what may be in use elsewhere still; absent where nothing is.
pub fn ordered(stage: Stage, to: &Fingerprint, other: Option<&Fingerprint>) -> Vec<Fingerprint> {
    let both = match stage {
        Stage::Install => [other, Some(to)],
        Stage::Use => [Some(to), other],
        Stage::Remove => [Some(to), None],
    };
    both.into_iter().flatten().cloned().collect()
}
