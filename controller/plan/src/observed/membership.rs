//! Who sees whom: views of several agents of one member, put side by side.

use hactl_proto::Timestamp;
use hactl_proto::member::MemberState;
use hactl_proto::name::NodeName;
use serde::Serialize;

use super::Observed;

/// What one observer believes of one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Opinion {
    /// Who believes it.
    pub observer: NodeName,
    /// What.
    pub state: MemberState,
    /// Since when.
    pub since: Timestamp,
    /// Round trip of its last answered probe, in microseconds.
    pub round_trip_us: Option<u32>,
}

/// What the others believe of a member, in the order of nodes. Its own view of itself says nothing and is left out.
pub fn opinions(observed: &Observed, member: &NodeName) -> Vec<Opinion> {
    let others = observed.nodes.iter().filter(|node| node.name != *member);
    others
        .filter_map(|node| {
            let views = node.members.said()?;
            let view = views.iter().find(|view| view.node == *member)?;
            Some(Opinion {
                observer: node.name.clone(),
                state: view.state,
                since: view.since,
                round_trip_us: view.round_trip_us,
            })
        })
        .collect()
}

/// The worst of them; of equally bad ones, the one that is believed longest. `None`: nobody else knows the member.
pub fn worst(opinions: &[Opinion]) -> Option<&Opinion> {
    opinions.iter().max_by(|a, b| {
        a.state
            .cmp(&b.state)
            .then_with(|| b.since.cmp(&a.since))
            .then_with(|| b.observer.cmp(&a.observer))
    })
}
