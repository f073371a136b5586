//! Reasons against an upgrade that lie with one node.

use hactl_proto::rollout::survey::{NodeSeen, NodeSurvey};
use hactl_proto::version::KubernetesVersion;

use super::blocker;
use crate::rollout::hops::kubelet_skew;
use crate::rollout::{Blocker, Request, Seen, SeenNode};

/// Free space that staging asks for.
const WANTED_BYTES: u64 = 3 << 30;
/// A certificate has to last longer than any rollout.
const CERTIFICATE_SECONDS: i64 = 86_400;

/// Reasons that a node itself tells of.
pub(super) fn of_node(
    seen: &Seen,
    node: &SeenNode,
    request: &Request,
    hops: &[KubernetesVersion],
) -> Vec<Blocker> {
    let name = Some(&node.name);
    let survey = match (&node.survey.said(), node.survey.silence()) {
        (Some(survey), _) => *survey,
        (None, silence) => {
            let why = silence
                .map(|silence| silence.reason.clone())
                .unwrap_or_default();
            return vec![blocker(
                name,
                "agent-answers",
                format!("its agent does not answer: {why}"),
                "every node known to be well",
                "Power it on, plug it in, start hactl-agent; or take it out of the spec and the cluster.",
            )];
        }
    };
    let mut reasons = Vec::new();
    if !node.capable {
        reasons.push(blocker(
            name,
            "agent-version",
            "its agent does not know upgrades".to_owned(),
            "an agent with the capability upgrade-v1",
            "Bring the agent's package up: `hactl-controller upgrade --agents`.",
        ));
    }
    reasons.extend(packages(node, survey, hops));
    reasons.extend(room(node, survey));
    reasons.extend(certificates(seen, node, survey));
    reasons.extend(kubelet_config(node, survey, request));
    reasons.extend(rotating(node, survey));
    if let Some(unfinished) = survey
        .unfinished
        .as_ref()
        .filter(|one| !hops.contains(&one.target) && one.target != request.to)
    {
        reasons.push(blocker(
            name,
            "upgrade-unfinished",
            format!(
                "an upgrade to {} was begun here and not finished",
                unfinished.target
            ),
            "no other upgrade half done",
            "Finish that one first: ask for its version.",
        ));
    }
    reasons
}

fn packages(node: &SeenNode, survey: &NodeSurvey, hops: &[KubernetesVersion]) -> Option<Blocker> {
    let observed = match &survey.offered {
        Err(why) => format!("what can be had here is unknown: {why}"),
        Ok(offered) => {
            let lacking: Vec<String> = hops
                .iter()
                .filter(|version| {
                    !offered.contains(version)
                        && survey.installed.versions.kubeadm.as_ref() != Some(version)
                })
                .map(ToString::to_string)
                .collect();
            if lacking.is_empty() {
                return None;
            }
            let list: Vec<String> = offered.iter().map(ToString::to_string).collect();
            format!(
                "{} can't be had here; offered: {}",
                lacking.join(", "),
                if list.is_empty() {
                    "none".to_owned()
                } else {
                    list.join(", ")
                }
            )
        }
    };
    Some(blocker(
        Some(&node.name),
        "packages-offered",
        observed,
        "kubeadm, kubelet and kubectl of every version on the way",
        "Add the repository of that minor to the node and refresh it, or put the binaries into /var/lib/hactl/binaries/VERSION.",
    ))
}

fn room(node: &SeenNode, survey: &NodeSurvey) -> Option<Blocker> {
    let observed = match survey.free_bytes {
        Some(free) if free >= WANTED_BYTES => return None,
        Some(free) => format!("{} MiB are free", free >> 20),
        None => "the free space is unknown".to_owned(),
    };
    Some(blocker(
        Some(&node.name),
        "disk-space",
        observed,
        "3072 MiB for packages, images and copies",
        "Make room on the file systems of /var/lib and /etc.",
    ))
}

fn certificates(seen: &Seen, node: &SeenNode, survey: &NodeSurvey) -> Option<Blocker> {
    let end = survey.certificate_expiry?;
    (end.as_second() < seen.at.as_second() + CERTIFICATE_SECONDS).then(|| {
        blocker(
            Some(&node.name),
            "certificates-last",
            format!("a certificate ends at {end}"),
            "certificates that outlast the upgrade by a day",
            "Renew them first: `kubeadm certs renew all` on control planes, and see that the kubelet's own rotates.",
        )
    })
}

fn kubelet_config(node: &SeenNode, survey: &NodeSurvey, request: &Request) -> Option<Blocker> {
    let done = survey.installed.versions.kubelet.as_ref() == Some(&request.to);
    let observed = match &survey.kubelet_changes {
        Ok(changes) if changes.is_empty() || done => return None,
        Err(_) if done || survey.unfinished.is_some() => return None,
        Ok(changes) => format!(
            "/var/lib/kubelet/config.yaml differs: {}",
            changes.join(" | ")
        ),
        Err(why) => {
            format!("whether the kubelet's configuration was changed by hand is unknown: {why}")
        }
    };
    Some(blocker(
        Some(&node.name),
        "kubelet-config-kept",
        observed,
        "the cluster's configuration, which kubeadm upgrade writes over this one",
        "Put the fields into the ConfigMap kubelet-config of kube-system (and into the spec), or take them off the node.",
    ))
}

/// kubeadm renews certificates and begins processes anew, of which a rotation has to know what they took up.
fn rotating(node: &SeenNode, survey: &NodeSurvey) -> Vec<Blocker> {
    let found = |observed: String, remedy: &str| {
        blocker(
            Some(&node.name),
            "authority-rotating",
            observed,
            "no rotation of a CA under way",
            remedy,
        )
    };
    match &survey.rotating {
        Ok(authorities) => authorities
            .iter()
            .map(|authority| {
                found(
                    format!("two CAs of {authority} lie here"),
                    &format!(
                        "End it with `hactl-controller certs rotate-ca --authority {authority} --finish`, or turn it back with `--abort`."
                    ),
                )
            })
            .collect(),
        Err(why) => vec![found(
            format!("whether a CA is being rotated is unknown: {why}"),
            "See `hactl-controller certs`; an older agent does not say: `hactl-controller upgrade --agents`.",
        )],
    }
}

/// Reasons that the API tells of a node.
pub(super) fn of_kubelet(
    node: &SeenNode,
    found: Option<&NodeSeen>,
    from: &KubernetesVersion,
    request: &Request,
) -> Vec<Blocker> {
    let name = Some(&node.name);
    let Some(found) = found else {
        return vec![blocker(
            name,
            "node-registered",
            "the API has no Node of that name".to_owned(),
            "a registered Node",
            "Let it join, or take it out of the spec.",
        )];
    };
    let mut reasons = Vec::new();
    let under_way = node
        .survey
        .said()
        .is_some_and(|survey| survey.unfinished.is_some());
    if !found.ready && !under_way {
        reasons.push(blocker(
            name,
            "node-ready",
            "it is not Ready".to_owned(),
            "every node Ready",
            "See `kubectl describe node` and `hactl-controller doctor`.",
        ));
    }
    let Some(kubelet) = &found.kubelet else {
        reasons.push(blocker(
            name,
            "kubelet-skew",
            "its kubelet's version is unknown".to_owned(),
            "a known version within the skew",
            "See `kubectl get node -o wide`.",
        ));
        return reasons;
    };
    let newer = kubelet > from && kubelet.minor > from.minor;
    let skew = kubelet_skew(request.to.minor);
    // Each hop brings the nodes along, so that what counts is the first one.
    let older = kubelet.minor + skew < (from.minor + 1).min(request.to.minor);
    if newer || older {
        reasons.push(blocker(
            name,
            "kubelet-skew",
            format!("its kubelet is {kubelet}, the lowest API server {from}"),
            &format!("not newer than any API server, at most {skew} minors older than the next"),
            "Bring this node's kubelet within the skew first.",
        ));
    }
    reasons
}
