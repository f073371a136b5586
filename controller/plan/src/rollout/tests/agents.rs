//! Who gets a new agent, when, and why not.

use std::collections::BTreeSet;

use hactl_proto::rollout::agent::{AgentVersion, PackageFormat};

use super::{cluster, name, survey};
use crate::observed::samples::ago;
use crate::observed::{Answer, Silence};
use crate::rollout::samples::seen;
use crate::rollout::*;

fn version(text: &str) -> AgentVersion {
    text.parse().unwrap()
}

fn wanted(text: &str) -> AgentRequest {
    AgentRequest {
        version: version(text),
        offered: [(PackageFormat::Deb, "x86_64".to_owned())].into(),
        policy: Policy::default(),
    }
}

fn reasons(seen: &Seen, request: &AgentRequest) -> String {
    let blockers = plan_agents(seen, request).unwrap_err();
    let line = |blocker: &Blocker| {
        let node = blocker.node.as_ref().map_or("-", NodeName::as_str);
        format!(
            "{node} {}: {}\n",
            blocker.finding.check, blocker.finding.observed
        )
    };
    blockers.iter().map(line).collect()
}

fn told(plan: &AgentPlan, seen: &Seen, soaked: &[&str]) -> String {
    let soaked: BTreeSet<NodeName> = soaked.iter().map(|one| name(one)).collect();
    match next_agent(plan, seen, &soaked) {
        AgentDecision::Done => "done".to_owned(),
        AgentDecision::Wait(reasons) => reasons.join("; "),
        AgentDecision::Soak(node) => format!("soak {node}"),
        AgentDecision::Replace(node) => format!("replace {node}"),
    }
}

fn replaced(seen: &mut Seen, node: &str) {
    survey(seen, node).agent.as_mut().unwrap().runs = version("0.2.0");
}

#[test]
fn canaries_first_then_control_planes_then_workers_and_each_only_once() {
    let mut seen = seen(2);
    let mut request = wanted("0.2.0");
    request.policy.canary.workers = vec![name("w2")];
    request.policy.canary.control_plane = Some(name("cp3"));
    let plan = plan_agents(&seen, &request).unwrap();
    let order: Vec<&str> = plan.nodes.iter().map(|(node, _)| node.as_str()).collect();
    assert_eq!(order, ["w2", "cp3", "cp1", "cp2", "w1"]);
    assert_eq!(told(&plan, &seen, &[]), "replace w2");
    replaced(&mut seen, "w2");
    assert_eq!(told(&plan, &seen, &[]), "soak w2");
    assert_eq!(told(&plan, &seen, &["w2"]), "replace cp3");
    replaced(&mut seen, "cp3");
    // Another run: that w2 was followed is seen.
    assert_eq!(told(&plan, &seen, &[]), "soak cp3");
    assert_eq!(told(&plan, &seen, &["cp3"]), "replace cp1");
    replaced(&mut seen, "cp1");
    assert_eq!(told(&plan, &seen, &[]), "replace cp2");
    replaced(&mut seen, "cp2");
    replaced(&mut seen, "w1");
    assert_eq!(told(&plan, &seen, &[]), "done");
    assert!(reasons(&seen, &request).contains("- agent-newer: 0.2.0 runs on every node"));
}

#[test]
fn the_next_one_waits_for_what_is_not_well_or_not_known() {
    let mut seen = seen(1);
    let mut request = wanted("0.2.0");
    let plan = plan_agents(&seen, &request).unwrap();
    replaced(&mut seen, "cp1");
    cluster(&mut seen).nodes[0].ready = false;
    assert_eq!(
        told(&plan, &seen, &["cp1"]),
        "cp1 to be Ready with its new agent"
    );
    cluster(&mut seen).nodes[0].ready = true;
    cluster(&mut seen).etcd[2].complaint = Some("connection refused".to_owned());
    assert_eq!(
        told(&plan, &seen, &[]),
        "etcd member cp3: connection refused"
    );
    assert_eq!(
        told(&plan, &seen, &["cp1"]),
        "etcd member cp3: connection refused"
    );
    cluster(&mut seen).etcd[2].complaint = None;
    seen.nodes[0].survey = Answer::Silent(Silence {
        since: ago(5),
        tried_ms: 1,
        reason: "no route".to_owned(),
    });
    assert_eq!(told(&plan, &seen, &["cp1"]), "cp1 does not answer");
    request.policy.windows =
        serde_json::from_str(r#"[{"days":["mon"],"from":"01:00","to":"02:00","zone":"UTC"}]"#)
            .unwrap();
    let seen = super::seen(1);
    let plan = plan_agents(&seen, &request).unwrap();
    assert_eq!(
        told(&plan, &seen, &[]),
        "the window mon 01:00 to 02:00 UTC, which opens at 2026-11-23 01:00 UTC"
    );
}

#[test]
fn every_reason_against_is_told_at_once() {
    let mut seen = seen(3);
    survey(&mut seen, "cp1").agent.as_mut().unwrap().runs = version("0.3.1");
    survey(&mut seen, "cp2").agent = None;
    survey(&mut seen, "cp3").agent.as_mut().unwrap().format = None;
    survey(&mut seen, "w1").agent.as_mut().unwrap().architecture = "aarch64".to_owned();
    survey(&mut seen, "w2").agent.as_mut().unwrap().format = Some(PackageFormat::Rpm);
    seen.nodes[5].survey = Answer::Silent(Silence {
        since: ago(5),
        tried_ms: 1,
        reason: "connection refused".to_owned(),
    });
    cluster(&mut seen).nodes[1].ready = false;
    insta::assert_snapshot!(reasons(&seen, &wanted("0.2.0")), @r"
    - control-planes-well: Node cp2 is not Ready
    cp1 agent-newer: its agent is 0.3.1
    cp2 agent-takes-packages: its agent can't be replaced by order: it is older than that
    cp3 agent-packaged: its agent is no package of the node
    w1 package-offered: there is no deb of 0.2.0 for aarch64
    w2 package-offered: there is no rpm of 0.2.0 for x86_64
    w3 agent-answers: its agent does not answer: connection refused
    ");
    assert!(
        reasons(&super::seen(1), &wanted("0.3.0")).contains("cp1 agent-skew: its agent is 0.1.0")
    );
    assert!(
        reasons(&super::seen(1), &wanted("0.0.9")).contains("cp1 agent-newer: its agent is 0.1.0")
    );
}
