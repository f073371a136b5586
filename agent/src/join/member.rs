//! The joiner's old etcd member: removed by id, after two looks, and verified by another member (I9).

use std::time::Duration;

use hactl_node_plan::etcd::{EtcdCall, EtcdRequest, EtcdView, MemberId};
use hactl_node_plan::facts::Known;
use hactl_node_plan::join::lease::Holder;
use hactl_node_plan::join::{MemberAction, member_action};
use hactl_node_plan::plan::kubernetes::stacked;
use hactl_proto::instruction::Fence;
use hactl_proto::join::Applicant;

use super::cluster::Cluster;
use super::{JoinError, Say, Sponsor};
use crate::etcd::view;
use crate::host::Host;

/// How often etcd is looked at while it is not well.
const RETRY: Duration = Duration::from_secs(2);
/// Looks before the applicant is told why it can't join: ten minutes of them.
const LOOKS: u32 = 300;

impl<H: Host> Sponsor<H> {
    /// Waits until etcd can take a member, and takes the joiner's old one away.
    pub(super) async fn clear_member(
        &self,
        applicant: &Applicant,
        holder: &Holder,
        fence: Fence,
        say: &mut Say,
    ) -> Result<MemberAction, JoinError> {
        let node = self.node();
        if !stacked(&node) {
            return Ok(MemberAction::Elsewhere);
        }
        let mut reasons = Vec::new();
        for _ in 0..LOOKS {
            match member_action(&self.look().await, applicant) {
                Ok(MemberAction::Remove(id)) => {
                    let cluster = Cluster::new(self.host(), node.address);
                    self.still_held(&cluster, holder, fence).await?;
                    self.remove_member(id, applicant).await?;
                    return Ok(MemberAction::Remove(id));
                }
                Ok(action) => return Ok(action),
                Err(findings) => reasons = findings,
            }
            let observed: Vec<&str> = reasons.iter().map(|f| f.observed.as_str()).collect();
            say.waiting(
                "every etcd member healthy, and no learner",
                &observed.join("; "),
                self.host().now(),
            )
            .await?;
            tokio::time::sleep(RETRY).await;
        }
        Err(JoinError::Refused {
            node: applicant.node.to_string(),
            findings: reasons,
        })
    }

    /// etcd as this node's own member sees it.
    async fn look(&self) -> Known<EtcdView> {
        let endpoint = EtcdCall::local(EtcdRequest::Members).endpoint;
        match view::view(self.host(), &endpoint).await {
            Ok(view) => Known::Is(view),
            Err(error) => Known::Unknown(error.to_string()),
        }
    }

    async fn remove_member(&self, id: MemberId, applicant: &Applicant) -> Result<(), JoinError> {
        let what = || format!("remove etcd member {id} of {}", applicant.node);
        let again = self.look().await;
        if member_action(&again, applicant) != Ok(MemberAction::Remove(id)) {
            return Err(JoinError::State {
                what: what(),
                observed: "a second look right before saw another state".to_owned(),
            });
        }
        tracing::warn!(member = %id, node = %applicant.node, "removing the etcd member that an earlier join left");
        self.host()
            .etcd(&EtcdCall::local(EtcdRequest::Remove(id)))
            .await?;
        for member in again.known().iter().flat_map(|view| &view.list.members) {
            let Some(url) = member.client_urls.first().filter(|_| member.id != id) else {
                continue;
            };
            let left = view::members(self.host(), url).await?;
            if left.members.iter().any(|other| other.id == id) {
                return Err(JoinError::State {
                    what: what(),
                    observed: format!("member {} still lists it", member.name),
                });
            }
        }
        Ok(())
    }
}
