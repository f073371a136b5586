//! What the first boot asks and says, over the wire: requests, announcements, overrides.

use std::collections::{BTreeMap, BTreeSet};

use super::standing::{cluster, entries, instance, roster, spec};
use super::{WireError, field, text, v1};
use crate::name::NodeName;
use crate::standing::{GrantRequest, InstanceId, MemberAnnouncement, Override};

impl From<GrantRequest> for v1::GrantRequest {
    fn from(request: GrantRequest) -> Self {
        Self {
            candidate: request.candidate.into(),
            instance: request.instance.as_bytes().to_vec(),
            cluster: request.cluster.as_bytes().to_vec(),
            spec: request.spec.as_bytes().to_vec(),
            epoch: request.epoch,
            roster: entries(request.roster),
        }
    }
}

impl TryFrom<v1::GrantRequest> for GrantRequest {
    type Error = WireError;
    fn try_from(request: v1::GrantRequest) -> Result<Self, WireError> {
        Ok(Self {
            candidate: text("candidate", &request.candidate)?,
            instance: instance("instance", &request.instance)?,
            cluster: cluster("cluster", &request.cluster)?,
            spec: spec("spec", &request.spec)?,
            epoch: request.epoch,
            roster: roster("roster", &request.roster)?,
        })
    }
}

impl From<MemberAnnouncement> for v1::MemberAnnouncement {
    fn from(announcement: MemberAnnouncement) -> Self {
        Self {
            node: announcement.node.into(),
            instance: announcement.instance.as_bytes().to_vec(),
            cluster: announcement.cluster.as_bytes().to_vec(),
            epoch: announcement.epoch,
            identity: Some(announcement.identity.into()),
        }
    }
}

impl TryFrom<v1::MemberAnnouncement> for MemberAnnouncement {
    type Error = WireError;
    fn try_from(announcement: v1::MemberAnnouncement) -> Result<Self, WireError> {
        Ok(Self {
            node: text("node", &announcement.node)?,
            instance: instance("instance", &announcement.instance)?,
            cluster: cluster("cluster", &announcement.cluster)?,
            epoch: announcement.epoch,
            identity: field("identity", announcement.identity)?,
        })
    }
}

impl From<Override> for v1::Override {
    fn from(word: Override) -> Self {
        let bytes = |instance: InstanceId| instance.as_bytes().to_vec();
        let lost = |(node, instances): (NodeName, BTreeSet<InstanceId>)| v1::r#override::Lost {
            node: node.into(),
            instances: instances.into_iter().map(bytes).collect(),
        };
        Self {
            cluster: word.cluster.as_bytes().to_vec(),
            spec: word.spec.as_bytes().to_vec(),
            epoch: word.epoch,
            candidate: word.candidate.into(),
            roster: entries(word.roster),
            lost: word.lost.into_iter().map(lost).collect(),
            reason: word.reason,
        }
    }
}

impl TryFrom<v1::Override> for Override {
    type Error = WireError;
    fn try_from(word: v1::Override) -> Result<Self, WireError> {
        let mut lost = BTreeMap::new();
        for (at, entry) in word.lost.iter().enumerate() {
            let name = format!("lost[{at}].instances");
            let instances = entry.instances.iter();
            let instances = instances
                .map(|id| instance(&name, id))
                .collect::<Result<_, _>>()?;
            let node: NodeName = text(&format!("lost[{at}].node"), &entry.node)?;
            if lost.insert(node, instances).is_some() {
                let reason = format!("{} is there twice", entry.node);
                return Err(WireError::wrong("lost", reason));
            }
        }
        Ok(Self {
            cluster: cluster("cluster", &word.cluster)?,
            spec: spec("spec", &word.spec)?,
            epoch: word.epoch,
            candidate: text("candidate", &word.candidate)?,
            roster: roster("roster", &word.roster)?,
            lost,
            reason: word.reason,
        })
    }
}
