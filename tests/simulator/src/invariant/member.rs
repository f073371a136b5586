//! etcd's members: who may be removed, and what comes before.

use std::net::IpAddr;
use std::time::Duration;

use hactl_node_plan::etcd::quorum::quorum;
use hactl_node_plan::etcd::{EtcdRequest, MemberId};
use hactl_proto::name::NodeName;
use hactl_simulation::{Event, Member, State};

use super::books::{Books, live};
use super::{I9, I10, Rule};

type Verdict = Result<(), (Rule, String)>;

/// What an event says of etcd's members.
pub(super) fn judge(
    books: &mut Books,
    state: &State,
    node: &NodeName,
    event: Event<'_>,
    now: Duration,
) -> Verdict {
    match event {
        Event::Etcd(call) => match call.request {
            EtcdRequest::Members => {
                books.looks.entry(node.clone()).or_default().push(now);
                Ok(())
            }
            EtcdRequest::Remove(id) => remove(books, state, node, id),
            _ => Ok(()),
        },
        Event::Begins(command)
            if command.program == "kubeadm"
                && command
                    .arguments
                    .first()
                    .is_some_and(|word| word == "reset") =>
        {
            reset(books, state, node)
        }
        _ => Ok(()),
    }
}

/// `node` has etcd remove a member.
fn remove(books: &mut Books, state: &State, node: &NodeName, id: MemberId) -> Verdict {
    let looks = books.looks.remove(node).unwrap_or_default();
    let Some(cluster) = live(state) else {
        return Ok(());
    };
    let Some(member) = cluster.members.iter().find(|member| member.id == id.0) else {
        return Ok(());
    };
    let Some(owner) = owner(books, member.address) else {
        return Err((
            I9,
            format!("{node} removes a member of no declared control plane"),
        ));
    };
    let last = looks.last().copied().unwrap_or_default();
    let bad = books.bad.get(&(node.clone(), owner.clone()));
    let learner = books.learners.get(&owner);
    let since = bad.into_iter().chain(learner).min();
    let Some(since) = since else {
        return Err((
            I9,
            format!("{node} removes the member of {owner}, which votes and is well"),
        ));
    };
    let seen = looks.iter().filter(|look| *look >= since).count();
    if seen < 2 {
        return Err((
            I9,
            format!(
                "{node} removes the member of {owner} after {seen} look(s) that could see it unwell"
            ),
        ));
    }
    if member.learner {
        return Ok(());
    }
    let left: Vec<&Member> = cluster
        .members
        .iter()
        .filter(|other| !other.learner && other.id != id.0)
        .collect();
    let unwell = |other: &Member| {
        let subject = crate::invariant::member::owner(books, other.address);
        subject.is_none_or(|subject| books.bad_since(node, &subject, last))
    };
    let healthy = left.iter().filter(|other| !unwell(other)).count();
    if left.is_empty() || healthy < quorum(left.len()) {
        return Err((
            I10,
            format!(
                "{node} removes the member of {owner}; of the {} left {healthy} are healthy",
                left.len()
            ),
        ));
    }
    Ok(())
}

fn owner(books: &Books, address: IpAddr) -> Option<NodeName> {
    let mut controls = books.control_planes.iter();
    controls
        .find(|(_, at)| **at == address)
        .map(|(node, _)| node.clone())
}

/// `kubeadm reset` begins on a node: its member is gone from etcd, if etcd still has a quorum without it.
fn reset(books: &Books, state: &State, node: &NodeName) -> Verdict {
    let Some(cluster) = live(state) else {
        return Ok(());
    };
    let Some(address) = books.control_planes.get(node) else {
        return Ok(());
    };
    let own = state
        .machines
        .get(node)
        .and_then(hactl_simulation::Machine::etcd_data);
    let listed = cluster.member_at(*address).filter(|member| !member.learner);
    match listed {
        Some(member) if cluster.members.len() > 1 && own == Some((cluster.id, member.id)) => Err((
            I9,
            format!("kubeadm reset begins on {node}, whose member etcd still counts on"),
        )),
        _ => Ok(()),
    }
}
