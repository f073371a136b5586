//! The arithmetic of quorum, on the list as it will be after the step (I3, I9, I10, I11).
//!
//! Unknown counts as unhealthy, a learner blocks, a new member counts as bad, the last member never goes.

use super::{EtcdMember, EtcdView, MemberId};
use crate::facts::Known;

/// Why a change of members is not safe. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsafe {
    /// The list could not be read.
    #[error("etcd's member list could not be read: {0}")]
    Unreadable(String),
    /// An empty list is no list (I11).
    #[error("etcd's member list is empty")]
    Empty,
    /// The member is not in the list.
    #[error("etcd has no member {0}")]
    NoSuchMember(MemberId),
    /// It is the last one that votes (I10).
    #[error("member {0} is the last one that votes")]
    Last(MemberId),
    /// A learner is on its way; one change at a time.
    #[error("member {0} is still a learner")]
    Learner(MemberId),
    /// Those that are left and healthy would be no quorum of those that are left.
    #[error("{healthy} of the {voters} members left would be healthy, {wanted} are needed")]
    NoQuorum {
        /// Healthy voting members after the step.
        healthy: usize,
        /// Voting members after the step.
        voters: usize,
        /// The quorum of those.
        wanted: usize,
    },
    /// Before a member is added all that vote have to be well.
    #[error("member {member} ({name}) is not healthy: {reason}")]
    Unhealthy {
        /// Which.
        member: MemberId,
        /// Its name, empty if it never started.
        name: String,
        /// What is wrong.
        reason: String,
    },
    /// An alarm is set, or it could not be read whether one is.
    #[error("etcd's alarms: {0}")]
    Alarm(String),
}

/// How many of so many voting members must agree.
pub const fn quorum(voters: usize) -> usize {
    voters / 2 + 1
}

/// Whether this member may be removed: what is left must be a healthy quorum of itself. A learner may always go, it does not
/// vote; but no voter goes while a learner is on its way.
pub fn may_remove(view: &Known<EtcdView>, id: MemberId) -> Result<(), Unsafe> {
    let view = readable(view)?;
    let member = find(view, id)?;
    if member.learner {
        return Ok(());
    }
    if let Some(learner) = view.list.members.iter().find(|other| other.learner) {
        return Err(Unsafe::Learner(learner.id));
    }
    let left: Vec<&EtcdMember> = view.list.voters().filter(|other| other.id != id).collect();
    if left.is_empty() {
        return Err(Unsafe::Last(id));
    }
    let healthy = left.iter().filter(|other| view.healthy(other)).count();
    let wanted = quorum(left.len());
    if healthy < wanted {
        return Err(Unsafe::NoQuorum {
            healthy,
            voters: left.len(),
            wanted,
        });
    }
    Ok(())
}

/// Whether a member may be added: every voter well, no learner, no alarm. `leaving` is one that goes before the addition.
pub fn may_add(view: &Known<EtcdView>, leaving: Option<MemberId>) -> Result<(), Vec<Unsafe>> {
    let view = readable(view).map_err(|error| vec![error])?;
    let mut reasons = Vec::new();
    for member in &view.list.members {
        if Some(member.id) == leaving {
            continue;
        }
        if member.learner {
            reasons.push(Unsafe::Learner(member.id));
        } else if !view.healthy(member) {
            reasons.push(Unsafe::Unhealthy {
                member: member.id,
                name: member.name.clone(),
                reason: view.complaint(member),
            });
        }
    }
    match &view.alarms {
        Known::Is(alarms) if alarms.is_empty() => {}
        Known::Is(alarms) => reasons.push(Unsafe::Alarm(alarms.join(", "))),
        Known::Unknown(reason) => reasons.push(Unsafe::Alarm(format!("unknown: {reason}"))),
    }
    if reasons.is_empty() {
        Ok(())
    } else {
        Err(reasons)
    }
}

/// Whether this member may be stopped for a while: those that stay up must be a healthy quorum of all that are listed.
pub fn may_stop(view: &Known<EtcdView>, id: MemberId) -> Result<(), Unsafe> {
    let view = readable(view)?;
    let member = find(view, id)?;
    if member.learner {
        return Err(Unsafe::Learner(id));
    }
    if let Some(learner) = view.list.members.iter().find(|other| other.learner) {
        return Err(Unsafe::Learner(learner.id));
    }
    let voters = view.list.voters().count();
    let healthy = view
        .list
        .voters()
        .filter(|other| other.id != id && view.healthy(other))
        .count();
    let wanted = quorum(voters);
    if healthy < wanted {
        return Err(Unsafe::NoQuorum {
            healthy,
            voters,
            wanted,
        });
    }
    Ok(())
}

fn readable(view: &Known<EtcdView>) -> Result<&EtcdView, Unsafe> {
    match view {
        Known::Unknown(reason) => Err(Unsafe::Unreadable(reason.clone())),
        Known::Is(view) if view.list.members.is_empty() => Err(Unsafe::Empty),
        Known::Is(view) => Ok(view),
    }
}

fn find(view: &EtcdView, id: MemberId) -> Result<&EtcdMember, Unsafe> {
    view.list
        .members
        .iter()
        .find(|member| member.id == id)
        .ok_or(Unsafe::NoSuchMember(id))
}

#[cfg(test)]
mod tests;
