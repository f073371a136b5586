//! Succession of gossip keys and of hactl's own roots, driven: what all nodes say is decided upon and becomes orders, until the end or until the
//! operator is asked. What is kept is the secrets alone, in the operator's folder: interrupted anywhere, the next run goes on from what nodes say.

use std::collections::BTreeSet;
use std::future::Future;

use hactl_cluster_plan::succession::{Decision, SeenNode, Stage, Succession, decide, held_up};
use hactl_proto::finding::Finding;
use hactl_proto::name::NodeName;
use hactl_proto::rotation::Fingerprint;

use crate::exit::Failure;
use crate::rotation::Wish;

/// What the operator's folder holds the secrets of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Held {
    /// One, in force.
    One(Fingerprint),
    /// Two, while one succeeds the other.
    Two {
        /// The one that was in force.
        older: Fingerprint,
        /// Its successor.
        newer: Fingerprint,
    },
}

/// What a stage is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// What shall be in force.
    pub to: Fingerprint,
    /// What may be in use elsewhere still.
    pub other: Option<Fingerprint>,
}

/// What is rotated: secrets in the operator's folder, and nodes that have them.
pub trait Trusted: Send {
    /// What the folder holds.
    fn held(&self) -> Held;
    /// What every node says.
    fn look(&self) -> impl Future<Output = Vec<SeenNode>> + Send;
    /// Makes a successor, durably. No node knows of it yet.
    fn begin(&mut self) -> Result<(), Failure>;
    /// What has to be durable before the orders of a stage.
    fn enter(&mut self, step: &Step) -> Result<(), Failure>;
    /// One node's order. An error: it may have been carried out.
    fn order(
        &self,
        node: &NodeName,
        step: &Step,
    ) -> impl Future<Output = Result<(), String>> + Send;
    /// The one in force is the only one: the others' secrets go.
    fn settle(&mut self, only: &Fingerprint) -> Result<(), Failure>;
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// No node has to do with any other than this.
    Done(Fingerprint),
    /// Every node uses the successor; to give the other up is the operator's to say.
    Confirm {
        /// What is believed still.
        from: Fingerprint,
        /// What is used.
        to: Fingerprint,
    },
    /// Nodes that do not answer hold up what comes next. Who answers has had its orders.
    HeldUp {
        /// Whether this run changed something.
        begun: bool,
        /// Each of them.
        findings: Vec<Finding>,
    },
    /// Orders whose end is not known, each with its node.
    Lost(Vec<String>),
}

/// Drives it. `tell` hears of each order before it is given.
pub async fn succeed<T: Trusted>(
    trusted: &mut T,
    wish: Wish,
    without: &BTreeSet<NodeName>,
    tell: impl Fn(&NodeName, Stage),
) -> Result<End, Failure> {
    let mut begun = false;
    let mut last: Option<Decision> = None;
    loop {
        let seen = trusted.look().await;
        let (to, other) = match (trusted.held(), wish) {
            (Held::One(only), _) => (only, None),
            (Held::Two { older, newer }, Wish::Back) => (older, Some(newer)),
            (Held::Two { older, newer }, _) => (newer, Some(older)),
        };
        let succession = Succession {
            to: to.clone(),
            // Where the folder has no other, what a node has of others is left over.
            finish: wish != Wish::Forward || other.is_none(),
            without: without.clone(),
        };
        let decision = decide(&succession, &seen);
        if matches!(decision, Decision::Order(..)) && last.as_ref() == Some(&decision) {
            return Ok(End::Lost(vec![format!(
                "{} say that they did as they were told, and nothing changed",
                ordered(&decision)
            )]));
        }
        last = Some(decision.clone());
        match (decision, other) {
            (Decision::Order(stage, nodes), other) => {
                begun = true;
                let step = Step { stage, to, other };
                trusted.enter(&step)?;
                let mut unanswered = Vec::new();
                for node in &nodes {
                    tell(node, stage);
                    if let Err(reason) = trusted.order(node, &step).await {
                        unanswered.push(format!("{node}: {}: {reason}", stage.word()));
                    }
                }
                if !unanswered.is_empty() {
                    return Ok(End::Lost(unanswered));
                }
            }
            (Decision::Blocked(..), _) => {
                return Ok(End::HeldUp {
                    begun,
                    findings: held_up(&succession, &seen),
                });
            }
            (Decision::Confirm, Some(from)) => return Ok(End::Confirm { from, to }),
            (Decision::Done, None) if wish == Wish::Forward && !begun => {
                trusted.begin()?;
                begun = true;
            }
            (Decision::Done | Decision::Confirm, _) => {
                trusted.settle(&to)?;
                return Ok(End::Done(to));
            }
        }
    }
}

fn ordered(decision: &Decision) -> String {
    match decision {
        Decision::Order(_, nodes) => {
            let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
            names.join(", ")
        }
        _ => String::new(),
    }
}
