//! Rotation of a CA, driven: what all nodes say is decided upon, one turn after another is given, until the end or until the operator is
//! asked. Nothing is kept here: interrupted anywhere, the next run goes on from what the nodes say.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use hactl_cluster_plan::authority::{
    Course, Decision, Rotation, Seen, SeenNode, Successor, Trust, against, course, decide, not_well,
};
use hactl_cluster_plan::observed::Answer;
use hactl_proto::Timestamp;
use hactl_proto::finding::Finding;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::role::NodeRole;
use hactl_proto::rotation::{Authority, Fingerprint, Stage, TrustSeen};

const EVERY: Duration = Duration::from_secs(5);
/// So long a node may take to be well again between two turns.
const LIMIT: Duration = Duration::from_mins(15);

/// The agents, as a rotation talks to them.
pub trait Agents: Sync {
    /// Control planes in the order of the spec.
    fn control_planes(&self) -> Vec<NodeName>;
    /// A node's part in that CA.
    fn trust(
        &self,
        node: &NodeName,
        authority: Authority,
    ) -> impl Future<Output = Answer<TrustSeen>> + Send;
    /// A stage on one node, told to its end. An error: its end is not known; what it began goes on there.
    fn rotate(
        &self,
        node: &NodeName,
        authority: Authority,
        stage: Stage,
        to: Option<&Fingerprint>,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> impl Future<Output = Result<Outcome, String>> + Send;
}

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Up to where it can still be turned back.
    Forward,
    /// To the end: the CA that was in force is given up.
    Finish,
    /// Back to the CA that was in force.
    Back,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// Nothing has to do with any other CA than this.
    Done(Fingerprint),
    /// Everything presented is of the successor; to give the old one up is the operator's to say.
    Confirm {
        /// The CA that was in force.
        from: Fingerprint,
        /// Its successor.
        to: Fingerprint,
    },
    /// Nothing was changed by this run.
    Refused(Vec<Finding>),
    /// A node's turn did not succeed.
    Stopped {
        /// Whose.
        node: NodeName,
        /// In which stage.
        stage: Stage,
        /// How it ended.
        outcome: Outcome,
    },
    /// What a node began has no end that is known, or it was waited too long.
    Lost(String),
}

/// What is told meanwhile.
#[derive(Debug, Clone, PartialEq)]
pub enum Told<'a> {
    /// A turn begins.
    Turn(&'a NodeName, Stage),
    /// An event of it.
    Event(&'a NodeName, &'a ReportEvent),
    /// What is waited for.
    Waits(&'a [String]),
}

/// Drives it.
pub async fn rotate<A: Agents>(
    agents: &A,
    authority: Authority,
    wish: Wish,
    now: impl Fn() -> Timestamp + Sync,
    tell: impl Fn(Told<'_>) + Send + Sync,
) -> End {
    let mut begun = false;
    let mut waiting: Option<tokio::time::Instant> = None;
    let mut last: Option<Decision> = None;
    loop {
        let (seen, said) = observe(agents, authority).await;
        let rotation = match course(&said) {
            Course::Rest(only) if begun || wish != Wish::Forward => return End::Done(only),
            // Whoever is away may have to do with another.
            Course::Rest(_) | Course::Unclear(_) if !not_well(&seen).is_empty() => {
                return End::Refused(not_well(&seen));
            }
            Course::Rest(_) => {
                let Some(first) = agents.control_planes().into_iter().next() else {
                    return End::Lost("the spec has no control plane".to_owned());
                };
                if let Some(end) =
                    turn(agents, authority, &first, Stage::Prepare, None, &tell).await
                {
                    return end;
                }
                begun = true;
                continue;
            }
            Course::Unclear(all) => return End::Refused(vec![unclear(&all)]),
            Course::Between {
                older,
                newer,
                successor,
            } => {
                let forward = Rotation {
                    authority,
                    from: older,
                    to: newer,
                    finish: wish != Wish::Forward,
                    workers_at_once: 1,
                };
                let findings = findings(&forward, &successor.into(), &seen, now());
                if wish != Wish::Back && !findings.is_empty() {
                    return End::Refused(findings);
                }
                match wish {
                    Wish::Back => Rotation {
                        finish: true,
                        ..forward.back()
                    },
                    Wish::Forward | Wish::Finish => forward,
                }
            }
        };
        let decision = decide(&rotation, &seen);
        if let Decision::Turn(stage, nodes) = &decision
            && last.as_ref() == Some(&decision)
        {
            // Its agent and this plan don't see the same: not for ever.
            let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
            let names = names.join(", ");
            return End::Lost(format!("{stage} on {names} ended well and changed nothing"));
        }
        last = Some(decision.clone());
        match decision {
            Decision::Done => return End::Done(rotation.to),
            Decision::Confirm => {
                return End::Confirm {
                    from: rotation.from,
                    to: rotation.to,
                };
            }
            Decision::Wait(reasons) => {
                let since = *waiting.get_or_insert_with(tokio::time::Instant::now);
                if since.elapsed() >= LIMIT {
                    return End::Lost(reasons.join("; "));
                }
                tell(Told::Waits(&reasons));
                tokio::time::sleep(EVERY).await;
            }
            Decision::RestartPods(owners) => {
                let owners: Vec<String> = owners.into_iter().collect();
                return End::Lost(format!("{} have to begin anew first", owners.join(", ")));
            }
            Decision::Turn(stage, nodes) => {
                waiting = None;
                for node in nodes {
                    let to = Some(&rotation.to);
                    if let Some(end) = turn(agents, authority, &node, stage, to, &tell).await {
                        return end;
                    }
                }
                begun = true;
            }
        }
    }
}

/// Reasons against beginning; none once somebody believes the successor: then the way out is forward, or back.
fn findings(
    rotation: &Rotation,
    successor: &Successor,
    seen: &Seen,
    now: Timestamp,
) -> Vec<Finding> {
    let said = seen.nodes.iter().filter_map(|node| node.trust.said());
    let begun = said
        .flat_map(|trust| trust.believes.values())
        .any(|believes| believes.contains(&rotation.to));
    if begun {
        Vec::new()
    } else {
        against(rotation, successor, seen, now)
    }
}

async fn observe<A: Agents>(agents: &A, authority: Authority) -> (Seen, Vec<TrustSeen>) {
    let (mut nodes, mut said) = (Vec::new(), Vec::new());
    for name in agents.control_planes() {
        let trust = match agents.trust(&name, authority).await {
            Answer::Said(seen) => {
                said.push(seen.clone());
                Answer::Said(Trust::from(seen))
            }
            Answer::Silent(silence) => Answer::Silent(silence),
        };
        nodes.push(SeenNode {
            name,
            role: NodeRole::ControlPlane,
            trust,
        });
    }
    let pods = Ok(BTreeSet::new());
    (Seen { nodes, pods }, said)
}

async fn turn<A: Agents>(
    agents: &A,
    authority: Authority,
    node: &NodeName,
    stage: Stage,
    to: Option<&Fingerprint>,
    tell: &(impl Fn(Told<'_>) + Send + Sync),
) -> Option<End> {
    tell(Told::Turn(node, stage));
    let told = |event: ReportEvent| tell(Told::Event(node, &event));
    match agents.rotate(node, authority, stage, to, &told).await {
        Ok(Outcome::Succeeded) => None,
        Ok(outcome) => Some(End::Stopped {
            node: node.clone(),
            stage,
            outcome,
        }),
        Err(reason) => Some(End::Lost(format!("{node}: {reason}"))),
    }
}

fn unclear(all: &[Fingerprint]) -> Finding {
    let names: Vec<String> = all.iter().map(ToString::to_string).collect();
    Finding::refusal(
        "rotation-course",
        format!(
            "the control planes have to do with {} CAs: {}",
            all.len(),
            names.join(", ")
        ),
        "one CA, or two of which one began to be valid later",
        "See `hactl-controller certs`; pairs that no rotation is about lie in /var/lib/hactl/certificates/authorities.",
    )
}
