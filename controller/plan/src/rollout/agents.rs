//! New packages of hactl's own agent, node by node: who can have one, in which order, and which is next. Nothing of Kubernetes is
//! touched by it, so that there is no frozen plan: where each agent stands is what it says of itself, and whoever asks again goes on.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::name::{ClusterName, NodeName};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::agent::{AgentSurvey, AgentVersion, PackageFormat};
use serde::Serialize;

use super::blockers::blocker;
use super::gate::control_planes_unwell;
use super::window::closed;
use super::{Blocker, Policy, Seen, SeenNode};

/// What the operator has to give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentRequest {
    /// The version of the packages.
    pub version: AgentVersion,
    /// What there are packages for: format and architecture.
    pub offered: BTreeSet<(PackageFormat, String)>,
    /// How it is done: canaries, their soak and the windows count.
    pub policy: Policy,
}

/// Who gets the version, in order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AgentPlan {
    /// The cluster.
    pub cluster: ClusterName,
    /// The version.
    pub version: AgentVersion,
    /// All nodes with what runs on them, in the order in which they have their turns. Those at the version have none.
    pub nodes: Vec<(NodeName, AgentVersion)>,
    /// Those that are looked at for a while before the next one follows.
    pub canaries: Vec<NodeName>,
    /// How it is done.
    pub policy: Policy,
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AgentDecision {
    /// Every agent runs the version.
    Done,
    /// Not now: what is not well, each in a line.
    Wait(Vec<String>),
    /// All is well this moment: one look more of those that this canary's soak asks for in a row.
    Soak(NodeName),
    /// Replace this node's agent.
    Replace(NodeName),
}

/// Plans, or gives every reason against it at once.
pub fn plan_agents(seen: &Seen, request: &AgentRequest) -> Result<AgentPlan, Vec<Blocker>> {
    let mut reasons: Vec<Blocker> = control_planes_unwell(seen, None)
        .into_iter()
        .map(|observed| {
            let remedy = "See `hactl-controller status`; bring it up before any agent is replaced.";
            blocker(
                None,
                "control-planes-well",
                observed,
                "every control plane well",
                remedy,
            )
        })
        .collect();
    let mut runs = BTreeMap::new();
    for node in &seen.nodes {
        match of_node(node, request) {
            Ok(agent) => {
                runs.insert(node.name.clone(), agent.runs);
            }
            Err(blockers) => reasons.extend(blockers),
        }
    }
    let all_there =
        runs.len() == seen.nodes.len() && runs.values().all(|version| *version == request.version);
    if all_there {
        reasons.push(blocker(
            None,
            "agent-newer",
            format!("{} runs on every node", request.version),
            "a newer version",
            "Nothing to do.",
        ));
    }
    if !reasons.is_empty() {
        reasons.sort();
        reasons.dedup();
        return Err(reasons);
    }
    let order = order(seen, &request.policy);
    let of = |name: NodeName| Some((runs.get(&name).copied()?, name));
    let nodes: Vec<(NodeName, AgentVersion)> = order
        .into_iter()
        .filter_map(of)
        .map(|(version, name)| (name, version))
        .collect();
    Ok(AgentPlan {
        cluster: seen.spec.name.clone(),
        version: request.version,
        canaries: canaries(seen, &nodes),
        nodes,
        policy: request.policy.clone(),
    })
}

/// What speaks against a node's turn, or its agent as it is.
fn of_node<'a>(
    node: &'a SeenNode,
    request: &AgentRequest,
) -> Result<&'a AgentSurvey, Vec<Blocker>> {
    let name = Some(&node.name);
    let Some(survey) = node.survey.said() else {
        let silence = node.survey.silence();
        let why = silence.map_or_else(String::new, |silence| silence.reason.clone());
        return Err(vec![blocker(
            name,
            "agent-answers",
            format!("its agent does not answer: {why}"),
            "every agent",
            "Power it on, plug it in, start hactl-agent; or take it out of the spec and the cluster.",
        )]);
    };
    let by_hand = "Install the package by hand once (dpkg --install, rpm --upgrade): the node keeps its identity and journal.";
    let Some(agent) = &survey.agent else {
        return Err(vec![blocker(
            name,
            "agent-takes-packages",
            "its agent can't be replaced by order: it is older than that".to_owned(),
            "an agent that says how it is installed",
            by_hand,
        )]);
    };
    let mut reasons = Vec::new();
    let wanted = request.version;
    if !agent.runs.works_with(wanted) {
        reasons.push(blocker(
            name,
            "agent-skew",
            format!("its agent is {}", agent.runs),
            &format!("at most one minor apart from {wanted}"),
            "Go one minor at a time: agents one minor apart understand each other, others need not.",
        ));
    }
    if agent.runs > wanted {
        reasons.push(blocker(
            name,
            "agent-newer",
            format!("its agent is {}", agent.runs),
            &format!("none that is newer than {wanted}"),
            "An agent goes up only: what a newer one wrote an older one may not read.",
        ));
    }
    match agent.format {
        None => reasons.push(blocker(
            name,
            "agent-packaged",
            "its agent is no package of the node".to_owned(),
            "an agent that dpkg or rpm installed",
            by_hand,
        )),
        Some(format) => {
            let needed = (format, agent.architecture.clone());
            if agent.runs != wanted && !request.offered.contains(&needed) {
                reasons.push(blocker(
                    name,
                    "package-offered",
                    format!(
                        "there is no {format} of {wanted} for {}",
                        agent.architecture
                    ),
                    "a package for every node's tool and architecture",
                    "Put it into the folder that --packages names.",
                ));
            }
        }
    }
    if reasons.is_empty() {
        Ok(agent)
    } else {
        Err(reasons)
    }
}

/// Workers that the policy names as canaries, the canary of the control planes, the other control planes, the other workers.
fn order(seen: &Seen, policy: &Policy) -> Vec<NodeName> {
    let canary = policy.canary.control_plane.as_ref();
    let canary = canary.or_else(|| seen.spec.candidate());
    let rank = |node: &SeenNode| match node.role {
        NodeRole::Worker if policy.canary.workers.contains(&node.name) => 0,
        NodeRole::ControlPlane if Some(&node.name) == canary => 1,
        NodeRole::ControlPlane => 2,
        NodeRole::Worker => 3,
    };
    let mut nodes: Vec<&SeenNode> = seen.nodes.iter().collect();
    nodes.sort_by_key(|node| rank(node));
    nodes.into_iter().map(|node| node.name.clone()).collect()
}

/// The first of all, and the first control plane.
fn canaries(seen: &Seen, nodes: &[(NodeName, AgentVersion)]) -> Vec<NodeName> {
    let plane = |name: &NodeName| seen.control_planes().any(|node| node.name == *name);
    let names = || nodes.iter().map(|(name, _)| name);
    let mut canaries: Vec<NodeName> = names().take(1).cloned().collect();
    canaries.extend(names().find(|name| plane(name)).cloned());
    canaries.dedup();
    canaries
}

/// Decides. `soaked`: the canaries that were looked at long enough by this run.
pub fn next_agent(plan: &AgentPlan, seen: &Seen, soaked: &BTreeSet<NodeName>) -> AgentDecision {
    for (at, (name, _)) in plan.nodes.iter().enumerate() {
        let reasons = left(plan, seen, name);
        match reasons {
            Left::Nothing => {}
            Left::Wait(reason) => return AgentDecision::Wait(vec![reason]),
            Left::Turn => {
                let unwell = control_planes_unwell(seen, None);
                if !unwell.is_empty() {
                    return AgentDecision::Wait(unwell);
                }
                if let Some(window) = closed(&plan.policy.windows, seen.at) {
                    return AgentDecision::Wait(vec![window]);
                }
                return AgentDecision::Replace(name.clone());
            }
        }
        let others = &plan.nodes[at + 1..];
        let turns = |(other, _): &(NodeName, AgentVersion)| {
            !matches!(left(plan, seen, other), Left::Nothing)
        };
        // Where one after it was replaced in this rollout or an earlier run of it, it had its soak.
        let followed = others
            .iter()
            .any(|(other, before)| *before != plan.version && at_version(plan, seen, other));
        let soaks = plan.canaries.contains(name) && others.iter().any(turns) && !followed;
        if soaks && !soaked.contains(name) {
            let unwell = control_planes_unwell(seen, None);
            return if unwell.is_empty() {
                AgentDecision::Soak(name.clone())
            } else {
                AgentDecision::Wait(unwell)
            };
        }
    }
    AgentDecision::Done
}

/// What is left of a node's turn.
enum Left {
    /// It runs the version, and its Node is Ready.
    Nothing,
    /// It is through, or may be, and not seen well.
    Wait(String),
    /// All of it.
    Turn,
}

fn left(plan: &AgentPlan, seen: &Seen, name: &NodeName) -> Left {
    let node = seen.nodes.iter().find(|node| node.name == *name);
    let Some(survey) = node.and_then(|node| node.survey.said()) else {
        return Left::Wait(format!("{name} does not answer"));
    };
    let Some(agent) = &survey.agent else {
        return Left::Wait(format!("{name} to say what its agent is"));
    };
    if agent.runs < plan.version {
        return Left::Turn;
    }
    let cluster = seen.cluster.as_ref().ok();
    let found = cluster.and_then(|cluster| cluster.nodes.iter().find(|one| one.name == *name));
    if found.is_some_and(|found| found.ready) {
        Left::Nothing
    } else {
        Left::Wait(format!("{name} to be Ready with its new agent"))
    }
}

fn at_version(plan: &AgentPlan, seen: &Seen, name: &NodeName) -> bool {
    let node = seen.nodes.iter().find(|node| node.name == *name);
    let agent = node.and_then(|node| node.survey.said()?.agent.as_ref());
    agent.is_some_and(|agent| agent.runs >= plan.version)
}
