//! Who sees whom: views of several agents of one member, put side by side.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::Timestamp;
use hactl_proto::member::{MemberState, Reach, ZoneCondition};
use hactl_proto::name::{NodeName, ZoneName};
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
    /// How the observer reaches it.
    pub reach: Reach,
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
                reach: view.reach,
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

/// What an observer says of a zone as a whole, where it is not just reachable.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ZoneOpinion {
    /// The zone.
    pub zone: ZoneName,
    /// What is believed of it.
    pub condition: ZoneCondition,
    /// Who believes it.
    pub observers: Vec<NodeName>,
}

/// What is said of zones, worst said first by zone, with all who say it.
pub fn zone_opinions(observed: &Observed) -> Vec<ZoneOpinion> {
    let mut said: BTreeMap<(ZoneName, ZoneCondition), Vec<NodeName>> = BTreeMap::new();
    for observer in &observed.nodes {
        let views = observer.members.said().into_iter().flatten();
        let zones: BTreeSet<(ZoneName, ZoneCondition)> = views
            .filter(|view| view.zone_condition != ZoneCondition::Reachable)
            .map(|view| (view.zone.clone(), view.zone_condition))
            .collect();
        for key in zones {
            said.entry(key).or_default().push(observer.name.clone());
        }
    }
    said.into_iter()
        .map(|((zone, condition), observers)| ZoneOpinion {
            zone,
            condition,
            observers,
        })
        .collect()
}
