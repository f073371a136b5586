//! The end of a join: the state is verified, what was minted is removed, and it is looked whether it is gone.

use std::time::Duration;

use hactl_node_plan::etcd::{EtcdCall, EtcdRequest, MemberHealth};
use hactl_node_plan::facts::Known;
use hactl_node_plan::join::{
    CERTIFICATES_SECRET, certificate_tokens, control_plane_tokens, tokens_of, worker_tokens_by,
};
use hactl_node_plan::plan::kubernetes::stacked;
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::role::NodeRole;

use super::cluster::Cluster;
use super::{JoinError, Sponsor};
use crate::etcd::view;
use crate::host::Host;
use crate::inspect::kubernetes::api_server;

const RETRY: Duration = Duration::from_secs(1);
/// Looks at a join that its node calls done.
const LOOKS: u32 = 60;

impl<H: Host> Sponsor<H> {
    /// Takes a joiner's outcome. Whatever it is, its token and the certificates go, and the lease is let go; a success is believed
    /// only when etcd and the API say so too.
    pub(super) async fn complete(
        &self,
        joiner: &NodeName,
        outcome: &Outcome,
    ) -> Result<(), JoinError> {
        let verified = if *outcome == Outcome::Succeeded {
            self.verify(joiner).await
        } else {
            Ok(())
        };
        let cleaned = self.clean_up(joiner).await;
        if cleaned.is_err() {
            // Not renewed any more it runs out within a minute: the next joiner, or the sweep, removes what is left.
            self.stop_renewing(joiner);
        }
        cleaned?;
        verified
    }

    /// Removes what was minted for a joiner that will not say how it went. What can't be removed now is by the next sweep.
    pub(super) async fn abandon(&self, joiner: &NodeName) {
        if let Err(error) = self.clean_up(joiner).await {
            self.stop_renewing(joiner);
            tracing::warn!(%joiner, "failed to {error}");
        }
    }

    /// Removes what joins left that nobody completes any more: what this sponsor minted for workers before its restart, and all
    /// of a lease whose holder vanished. To be called after the agent's start with `started` until it succeeds, and now and then
    /// after. A node may be on its way in by the first call: it comes when the API serves, and so does the node.
    pub async fn sweep(&self, started: bool) -> Result<(), JoinError> {
        let node = self.node();
        let cluster = Cluster::new(self.host(), node.address);
        if started {
            let tokens = cluster.tokens().await?;
            let minted = self.minted().clone();
            cluster
                .delete_secrets(&worker_tokens_by(&tokens, &node.node, &minted))
                .await?;
        }
        let Some(lease) = cluster.lease().await? else {
            return Ok(());
        };
        let holder = hactl_node_plan::join::lease::Holder::parse(&lease.holder);
        if let Some(holder) = holder.filter(|_| lease.free(self.host().now())) {
            tracing::warn!(
                holder = lease.holder,
                "removing what a join left that was never completed"
            );
            self.remove_control_plane_secrets(&cluster).await?;
            self.release(&cluster, &holder.joiner).await?;
        }
        Ok(())
    }

    async fn clean_up(&self, joiner: &NodeName) -> Result<(), JoinError> {
        let node = self.node();
        let cluster = Cluster::new(self.host(), node.address);
        self.remove_tokens_of(&cluster, joiner).await?;
        let declared = node.spec.declared(joiner);
        if declared.is_some_and(|(_, role)| role == NodeRole::ControlPlane) {
            self.remove_certificates(&cluster).await?;
            self.release(&cluster, joiner).await?;
        }
        Ok(())
    }

    pub(super) async fn remove_tokens_of(
        &self,
        cluster: &Cluster<'_, H>,
        joiner: &NodeName,
    ) -> Result<(), JoinError> {
        let tokens = cluster.tokens().await?;
        let ours = tokens_of(&tokens, joiner);
        if ours.is_empty() {
            return Ok(());
        }
        cluster.delete_secrets(&ours).await?;
        let left = cluster.tokens().await?;
        gone(&tokens_of(&left, joiner))
    }

    /// Removes every token of a control plane's join, and the certificates: nobody holds the lease that they were minted under.
    pub(super) async fn remove_control_plane_secrets(
        &self,
        cluster: &Cluster<'_, H>,
    ) -> Result<(), JoinError> {
        let tokens = cluster.tokens().await?;
        cluster
            .delete_secrets(&control_plane_tokens(&tokens))
            .await?;
        self.remove_certificates(cluster).await?;
        let left = cluster.tokens().await?;
        gone(&control_plane_tokens(&left))
    }

    async fn remove_certificates(&self, cluster: &Cluster<'_, H>) -> Result<(), JoinError> {
        let tokens = cluster.tokens().await?;
        let mut secrets = vec![CERTIFICATES_SECRET];
        secrets.extend(certificate_tokens(&tokens));
        cluster.delete_secrets(&secrets).await?;
        if cluster.has_secret(CERTIFICATES_SECRET).await? {
            return gone(&[CERTIFICATES_SECRET]);
        }
        Ok(())
    }

    async fn verify(&self, joiner: &NodeName) -> Result<(), JoinError> {
        let mut observed = String::new();
        for _ in 0..LOOKS {
            match self.complaint(joiner).await {
                None => return Ok(()),
                Some(seen) => observed = seen,
            }
            tokio::time::sleep(RETRY).await;
        }
        Err(JoinError::State {
            what: format!("see {joiner} joined"),
            observed,
        })
    }

    /// What is not as a joined node's should be.
    async fn complaint(&self, joiner: &NodeName) -> Option<String> {
        let node = self.node();
        let cluster = Cluster::new(self.host(), node.address);
        match cluster.node(joiner).await {
            Known::Is(Some(_)) => {}
            Known::Is(None) => return Some("its Node is not registered".to_owned()),
            Known::Unknown(reason) => return Some(reason),
        }
        let Some((declared, NodeRole::ControlPlane)) = node.spec.declared(joiner) else {
            return None;
        };
        if !api_server(self.host(), declared.address).await.serves() {
            return Some("its API server is not ready".to_owned());
        }
        if !stacked(&node) {
            return None;
        }
        let endpoint = EtcdCall::local(EtcdRequest::Members).endpoint;
        let list = match view::members(self.host(), &endpoint).await {
            Ok(list) => list,
            Err(error) => return Some(error.to_string()),
        };
        let Some(member) = list.at(declared.address) else {
            return Some("etcd does not list its member".to_owned());
        };
        if member.learner {
            return Some("its etcd member is a learner".to_owned());
        }
        match view::health_of(self.host(), member).await {
            MemberHealth::Healthy => None,
            MemberHealth::Unhealthy(reason) => Some(format!("its etcd member: {reason}")),
        }
    }
}

fn gone(left: &[&str]) -> Result<(), JoinError> {
    if left.is_empty() {
        return Ok(());
    }
    Err(JoinError::State {
        what: "remove what was minted for a join".to_owned(),
        observed: format!("{} still there", left.join(", ")),
    })
}
