//! Join, the member's side: what has to go before a node may join, and what was minted for it.
//!
//! Decided here on what was read; asking etcd and the API, removing and minting are the agent's.

pub mod lease;

use std::collections::BTreeSet;

use hactl_proto::finding::Finding;
use hactl_proto::join::Applicant;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::ClusterSpec;

use crate::etcd::quorum::{Unsafe, may_add, may_remove};
use crate::etcd::{EtcdView, MemberId};
use crate::facts::Known;
use crate::kubeadm::output::{ListedToken, NodeObject};

/// How long a token lives if nobody removes it: a join with all its images to pull.
pub const TOKEN_TTL: &str = "30m0s";
/// The token that owns the uploaded certificates bears this description, by kubeadm.
pub const CERTIFICATES_TOKEN: &str = "Proxy for managing TTL for the kubeadm-certs secret";
/// The Secret that holds the uploaded certificates.
pub const CERTIFICATES_SECRET: &str = "kubeadm-certs";

/// What is done about the joiner's own etcd member before it joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemberAction {
    /// It has none.
    None,
    /// An earlier try left one that is not well, or a learner: it goes first, by id.
    Remove(MemberId),
    /// It has one that votes and is well: an earlier join got that far, and goes on.
    Keep(MemberId),
    /// etcd is not on the control planes: nothing of it is the joiner's.
    Elsewhere,
}

/// What is done about the joiner's own Node before it joins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NodeAction {
    /// It has none, or it stays.
    Leave,
    /// An earlier try left it.
    Delete,
}

/// What a token was minted for, as its description says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Purpose {
    /// Who joins.
    pub joiner: NodeName,
    /// As what.
    pub role: NodeRole,
    /// Who minted it.
    pub sponsor: NodeName,
}

impl Purpose {
    /// The description: `hactl join control-plane cp2 by cp1`.
    pub fn describe(&self) -> String {
        format!(
            "hactl join {} {} by {}",
            self.role, self.joiner, self.sponsor
        )
    }

    /// Reads [`Purpose::describe`] back; other tokens are none of our business.
    pub fn parse(text: &str) -> Option<Self> {
        let words: Vec<&str> = text.strip_prefix("hactl join ")?.split(' ').collect();
        let [role, joiner, "by", sponsor] = words[..] else {
            return None;
        };
        let role = [NodeRole::ControlPlane, NodeRole::Worker]
            .into_iter()
            .find(|known| known.as_str() == role)?;
        Some(Self {
            joiner: NodeName::new(joiner).ok()?,
            role,
            sponsor: NodeName::new(sponsor).ok()?,
        })
    }
}

/// Why the spec does not let this node join; `None`: it does.
pub fn stranger(spec: &ClusterSpec, applicant: &Applicant) -> Option<Finding> {
    let refuse = |observed: String, wanted: &str, remedy: &str| {
        Some(Finding::refusal("applicant", observed, wanted, remedy))
    };
    match (spec.declared(&applicant.node), applicant.role) {
        (Some((declared, role)), wanted) if role == wanted => {
            (declared.address != applicant.address).then(|| {
                Finding::refusal(
                    "applicant",
                    format!(
                        "{} joins with address {}",
                        applicant.node, applicant.address
                    ),
                    format!("its address in the spec, {}", declared.address),
                    "Change the spec, or the address of the machine.",
                )
            })
        }
        (Some((_, role)), wanted) => refuse(
            format!("{} wants to join as {wanted}", applicant.node),
            &format!("its role in the spec, {role}"),
            "Give the machine the bundle that was made for it.",
        ),
        // It shows a worker's certificate of this cluster, which a control plane gave it for a token of the operator: one for any worker,
        // or one of its own where the spec gained it later.
        (None, NodeRole::Worker) => None,
        (None, NodeRole::ControlPlane) => refuse(
            format!("{} is not in the spec", applicant.node),
            "a declared control plane",
            "Add the node to the spec and give all control planes their new bundles.",
        ),
    }
}

/// What is done about the joiner's member, or why nobody may join now. etcd is judged with that member gone.
pub fn member_action(
    view: &Known<EtcdView>,
    applicant: &Applicant,
) -> Result<MemberAction, Vec<Finding>> {
    let found = view
        .known()
        .and_then(|view| view.list.at(applicant.address).map(|member| (view, member)));
    let Some((seen, member)) = found else {
        return may_add(view, None)
            .map(|()| MemberAction::None)
            .map_err(findings);
    };
    if seen.healthy(member) && !member.learner {
        return Ok(MemberAction::Keep(member.id));
    }
    may_remove(view, member.id).map_err(|reason| findings(vec![reason]))?;
    may_add(view, Some(member.id)).map_err(findings)?;
    Ok(MemberAction::Remove(member.id))
}

/// What is done about the joiner's Node, or why it may not join. `kubeadm join` takes a Node that is not Ready over without a
/// word, also from another machine of the same name; here it has to bear the joiner's address.
pub fn node_action(
    node: &Known<Option<NodeObject>>,
    applicant: &Applicant,
    member: MemberAction,
) -> Result<NodeAction, Finding> {
    let node = match node {
        Known::Is(None) => return Ok(NodeAction::Leave),
        Known::Is(Some(node)) => node,
        Known::Unknown(reason) => {
            return Err(Finding::refusal(
                "node-registered",
                format!(
                    "whether {} is registered is unknown: {reason}",
                    applicant.node
                ),
                "the API's word on it",
                "Nothing to do: it is asked again.",
            ));
        }
    };
    let same = node.addresses.contains(&applicant.address.to_string());
    if node.ready && !same {
        return Err(Finding::refusal(
            "node-name-taken",
            format!(
                "a Node {} is Ready at {}",
                applicant.node,
                node.addresses.join(", ")
            ),
            format!("no such Node, or one at {}", applicant.address),
            "Two machines have one name: rename one of them, or delete the Node if its machine is gone.",
        ));
    }
    let serves = applicant.role == NodeRole::Worker || member == MemberAction::Elsewhere;
    let begun = matches!(member, MemberAction::Keep(_)) || (serves && node.ready);
    Ok(if begun {
        NodeAction::Leave
    } else {
        NodeAction::Delete
    })
}

/// Secrets of tokens that were minted for this joiner.
pub fn tokens_of<'a>(tokens: &'a [ListedToken], joiner: &NodeName) -> Vec<&'a str> {
    of_purpose(tokens, |purpose| purpose.joiner == *joiner)
}

/// Secrets of tokens that this sponsor minted for workers before its restart: nobody waits for them. `since` are the joiners that
/// it minted for after it.
pub fn worker_tokens_by<'a>(
    tokens: &'a [ListedToken],
    sponsor: &NodeName,
    since: &BTreeSet<NodeName>,
) -> Vec<&'a str> {
    of_purpose(tokens, |purpose| {
        purpose.role == NodeRole::Worker
            && purpose.sponsor == *sponsor
            && !since.contains(&purpose.joiner)
    })
}

/// Secrets of tokens for joins of control planes, and of the uploaded certificates' own: all of them go when the lease is free.
pub fn control_plane_tokens(tokens: &[ListedToken]) -> Vec<&str> {
    let mut secrets = of_purpose(tokens, |purpose| purpose.role == NodeRole::ControlPlane);
    secrets.extend(certificate_tokens(tokens));
    secrets
}

/// Secrets of the tokens that own uploaded certificates.
pub fn certificate_tokens(tokens: &[ListedToken]) -> Vec<&str> {
    tokens
        .iter()
        .filter(|token| token.description == CERTIFICATES_TOKEN)
        .map(|token| token.secret.as_str())
        .collect()
}

fn of_purpose(tokens: &[ListedToken], wanted: impl Fn(&Purpose) -> bool) -> Vec<&str> {
    tokens
        .iter()
        .filter(|token| Purpose::parse(&token.description).is_some_and(|purpose| wanted(&purpose)))
        .map(|token| token.secret.as_str())
        .collect()
}

fn findings(reasons: Vec<Unsafe>) -> Vec<Finding> {
    reasons
        .into_iter()
        .map(|reason| {
            Finding::refusal(
                "etcd-members",
                reason.to_string(),
                "every etcd member healthy, no learner, no alarm",
                "Bring the member back, or have it removed if its node is gone for good.",
            )
        })
        .collect()
}

#[cfg(test)]
mod tests;
