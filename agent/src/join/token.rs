//! A bootstrap token for one join: minted, and signed before it is given away.

use std::time::Duration;

use hactl_node_plan::join::{Purpose, TOKEN_TTL};
use hactl_node_plan::kubeadm::command::create_token;
use hactl_node_plan::kubeadm::output::created_token;
use hactl_proto::join::Applicant;
use hactl_proto::secret::Secret;

use super::cluster::Cluster;
use super::{JoinError, Say, Sponsor};
use crate::host::Host;

const RETRY: Duration = Duration::from_millis(300);
/// kube-controller-manager signs within a second; two minutes are a new leader of it.
const LOOKS: u32 = 400;

impl<H: Host> Sponsor<H> {
    /// Mints a token and waits for its signature in cluster-info: without it the joiner would look for five minutes and give up.
    pub(super) async fn mint(
        &self,
        cluster: &Cluster<'_, H>,
        applicant: &Applicant,
        say: &mut Say,
    ) -> Result<Secret, JoinError> {
        self.minted().insert(applicant.node.clone());
        let purpose = Purpose {
            joiner: applicant.node.clone(),
            role: applicant.role,
            sponsor: self.node().node.clone(),
        };
        let output = cluster
            .run(&create_token(&purpose.describe(), TOKEN_TTL))
            .await?;
        let token = created_token(&output.stdout).ok_or_else(|| JoinError::State {
            what: "mint a bootstrap token".to_owned(),
            observed: "kubeadm ended well and printed none".to_owned(),
        })?;
        let id = token
            .expose()
            .split('.')
            .next()
            .unwrap_or_default()
            .to_owned();
        for _ in 0..LOOKS {
            if cluster.signed(&id).await? {
                return Ok(token);
            }
            say.waiting(
                "cluster-info signed by kube-controller-manager",
                "the signature of the new token is missing",
                self.host().now(),
            )
            .await?;
            tokio::time::sleep(RETRY).await;
        }
        Err(JoinError::State {
            what: "have cluster-info signed for a new token".to_owned(),
            observed: "kube-controller-manager did not sign it within two minutes".to_owned(),
        })
    }
}
