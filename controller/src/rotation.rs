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
use hactl_proto::rotation::{Authority, Fingerprint, RotationTurn, Stage, TrustSeen};

const EVERY: Duration = Duration::from_secs(5);
/// So long a node may take to be well again between two turns.
const LIMIT: Duration = Duration::from_mins(15);

/// The agents, as a rotation talks to them.
pub trait Agents: Sync {
    /// All nodes in the order of the spec, control planes first.
    fn nodes(&self) -> Vec<(NodeName, NodeRole)>;
    /// A node's part in that CA.
    fn trust(
        &self,
        node: &NodeName,
        authority: Authority,
    ) -> impl Future<Output = Answer<TrustSeen>> + Send;
    /// A stage on one node, told to its end. An error: its end is not known; what it began goes on there. A worker's is under the cluster's
    /// lease, which the implementation takes for it, and names in the turn.
    fn rotate(
        &self,
        node: &NodeName,
        turn: RotationTurn,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> impl Future<Output = Result<Outcome, String>> + Send;
}

/// What the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wish {
    /// Up to where it can still be turned back; with the CA of Kubernetes, up to where clients outside of the cluster have to believe the
    /// successor.
    Forward,
    /// The same where these do: up to where it can still be turned back.
    Reissue,
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
    /// All before this stage is through; to go on is the operator's to say. Before the last everything presented is of the successor.
    Confirm {
        /// What would come next.
        stage: Stage,
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
        let (mut seen, said) = observe(agents, authority).await;
        let rotation = match course(&said) {
            Course::Rest(only) if begun || wish != Wish::Forward => return End::Done(only),
            // Whoever is away may have to do with another.
            Course::Rest(_) | Course::Unclear(_) if !not_well(&seen).is_empty() => {
                return End::Refused(not_well(&seen));
            }
            Course::Rest(_) => {
                let Some(first) = first(agents) else {
                    return End::Lost("the spec has no control plane".to_owned());
                };
                let made = order(authority, Stage::Prepare, None, &said);
                if let Some(end) = turn(agents, &first, made, &tell).await {
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
                    reissue: wish != Wish::Forward,
                    finish: matches!(wish, Wish::Finish | Wish::Back),
                    workers_at_once: 1,
                };
                let findings = findings(&forward, &successor.into(), &seen, now());
                if wish != Wish::Back && !findings.is_empty() {
                    return End::Refused(findings);
                }
                match wish {
                    // Whoever asks from outside believed that CA before.
                    Wish::Back => Rotation {
                        finish: true,
                        ..forward.back()
                    },
                    Wish::Forward | Wish::Reissue | Wish::Finish => forward,
                }
            }
        };
        seen.pods = given(&said, &rotation.to);
        let decision = decide(&rotation, &seen);
        if last.as_ref() == Some(&decision)
            && let Some(what) = ordered(&decision)
        {
            // Its agent and this plan don't see the same: not for ever.
            return End::Lost(format!("{what} ended well and changed nothing"));
        }
        last = Some(decision.clone());
        match decision {
            Decision::Done => return End::Done(rotation.to),
            Decision::Confirm(stage) => {
                return End::Confirm {
                    stage,
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
            Decision::RestartPods(_) => {
                waiting = None;
                let Some(first) = first(agents) else {
                    return End::Lost("the spec has no control plane".to_owned());
                };
                let pods = order(authority, Stage::Pods, Some(&rotation.to), &said);
                if let Some(end) = turn(agents, &first, pods, &tell).await {
                    return end;
                }
                begun = true;
            }
            Decision::Turn(stage, nodes) => {
                waiting = None;
                for node in nodes {
                    let order = order(authority, stage, Some(&rotation.to), &said);
                    if let Some(end) = turn(agents, &node, order, &tell).await {
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

fn first<A: Agents>(agents: &A) -> Option<NodeName> {
    let mut nodes = agents.nodes().into_iter();
    let first = nodes.find(|(_, role)| *role == NodeRole::ControlPlane);
    first.map(|(name, _)| name)
}

/// What was ordered; `None`: nothing was.
fn ordered(decision: &Decision) -> Option<String> {
    match decision {
        Decision::Turn(stage, nodes) => {
            let names: Vec<&str> = nodes.iter().map(NodeName::as_str).collect();
            Some(format!("{stage} on {}", names.join(", ")))
        }
        Decision::RestartPods(_) => Some("pods".to_owned()),
        Decision::Done | Decision::Confirm(_) | Decision::Wait(_) => None,
    }
}

/// A worker is told the successor's certificate by it: it holds no pair of any CA.
fn order(
    authority: Authority,
    stage: Stage,
    to: Option<&Fingerprint>,
    said: &[TrustSeen],
) -> RotationTurn {
    let mut known = said.iter().flat_map(|seen| &seen.authorities);
    let certificate = known.find(|(one, about)| Some(*one) == to && !about.certificate.is_empty());
    RotationTurn {
        authority,
        stage,
        to: to.cloned(),
        fence: None,
        certificate: certificate.map_or_else(String::new, |(_, about)| about.certificate.clone()),
    }
}

async fn observe<A: Agents>(agents: &A, authority: Authority) -> (Seen, Vec<TrustSeen>) {
    let (mut nodes, mut said) = (Vec::new(), Vec::new());
    // Workers have to do with Kubernetes' CA alone.
    let of = agents
        .nodes()
        .into_iter()
        .filter(|(_, role)| *role == NodeRole::ControlPlane || authority == Authority::Kubernetes);
    for (name, role) in of {
        let trust = match agents.trust(&name, authority).await {
            Answer::Said(seen) => {
                said.push(seen.clone());
                Answer::Said(Trust::from(seen))
            }
            Answer::Silent(silence) => Answer::Silent(silence),
        };
        nodes.push(SeenNode { name, role, trust });
    }
    // Which CA they have to believe is not known yet.
    let pods = Err("nobody was asked".to_owned());
    (Seen { nodes, pods }, said)
}

/// Whose pods may not believe that CA.
fn given(said: &[TrustSeen], to: &Fingerprint) -> Result<BTreeSet<String>, String> {
    let Some(pods) = said.iter().find_map(|seen| seen.pods.as_ref()) else {
        return Err("no control plane has looked".to_owned());
    };
    match &pods.unknown {
        Some(reason) => Err(reason.clone()),
        None if !pods.given.contains(to) => {
            Err(format!("not every namespace has been given {to} yet"))
        }
        None => Ok(pods.older.clone()),
    }
}

async fn turn<A: Agents>(
    agents: &A,
    node: &NodeName,
    turn: RotationTurn,
    tell: &(impl Fn(Told<'_>) + Send + Sync),
) -> Option<End> {
    let stage = turn.stage;
    tell(Told::Turn(node, stage));
    let told = |event: ReportEvent| tell(Told::Event(node, &event));
    match agents.rotate(node, turn, &told).await {
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
