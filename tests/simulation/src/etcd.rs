//! etcd's answers.

use hactl_agent::host::HostError;
use hactl_node_plan::etcd::{
    EtcdAnswer, EtcdCall, EtcdMember, EtcdRequest, MemberId, MemberList, MemberStatus, peer_url,
};
use hactl_proto::name::NodeName;

use crate::boot::host_of;
use crate::cluster::{Cluster, Member};
use crate::world::State;

impl State {
    /// The answer of the member at the call's endpoint, asked from a machine.
    pub(crate) fn etcd(
        &mut self,
        from: &NodeName,
        call: &EtcdCall,
    ) -> Result<EtcdAnswer, HostError> {
        let refuse = |reason: &str| HostError::Ask {
            what: call.endpoint.clone(),
            reason: reason.to_owned(),
        };
        let host = host_of(&call.endpoint).ok_or_else(|| refuse("no such endpoint"))?;
        let address = host.trim_matches(['[', ']']).parse().ok();
        let machine = address
            .and_then(|ip| self.route(self.machine(from), ip))
            .ok_or_else(|| refuse("no route to host"))?;
        let (cluster, member) = self
            .member_running(machine)
            .ok_or_else(|| refuse("connection refused"))?;
        if let Some(reason) = crate::trust::asked_by(self.machine(from), machine) {
            return Err(refuse(reason));
        }
        let quorum = self.quorum_at(cluster, machine.address);
        let (id, learner, member) = (cluster.id, member.learner, member.id);
        let tag = machine.pods.get("etcd").map_or("", String::as_str);
        let version = tag.trim_end_matches("-0").to_owned();
        match call.request {
            EtcdRequest::Status => Ok(EtcdAnswer::Status(MemberStatus {
                member: MemberId(member),
                version,
                leader: cluster.leading().filter(|_| quorum).map(MemberId),
                errors: Vec::new(),
                learner,
            })),
            _ if learner => Err(refuse("etcdserver: rpc not supported for learner")),
            EtcdRequest::Alarms => Ok(EtcdAnswer::Alarms(Vec::new())),
            _ if !quorum => Err(refuse("etcdserver: request timed out")),
            EtcdRequest::Members => Ok(EtcdAnswer::Members(list(cluster, member))),
            EtcdRequest::Health => Ok(EtcdAnswer::Done),
            EtcdRequest::MoveLeader(MemberId(heir)) => {
                if let Some(cluster) = self.clusters.get_mut(&id) {
                    cluster.leader = heir;
                }
                Ok(EtcdAnswer::Done)
            }
            EtcdRequest::Remove(gone) => {
                let Some(cluster) = self.clusters.get_mut(&id) else {
                    return Err(refuse("connection refused"));
                };
                let before = cluster.members.len();
                cluster.members.retain(|one| one.id != gone.0);
                if cluster.members.len() == before {
                    return Err(refuse("etcdserver: member not found"));
                }
                Ok(EtcdAnswer::Done)
            }
        }
    }
}

fn list(cluster: &Cluster, answered: u64) -> MemberList {
    MemberList {
        cluster: MemberId(cluster.id),
        answered: MemberId(answered),
        members: cluster.members.iter().map(shown).collect(),
    }
}

fn shown(member: &Member) -> EtcdMember {
    let client = format!("https://{}:2379", member.address);
    EtcdMember {
        id: MemberId(member.id),
        name: member.name.clone(),
        peer_urls: vec![peer_url(member.address)],
        client_urls: if member.name.is_empty() {
            Vec::new()
        } else {
            vec![client]
        },
        learner: member.learner,
    }
}
