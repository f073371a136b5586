//! Admission: everything that has to be so before a node runs `kubeadm join`, in order.

use std::sync::Arc;

use hactl_node_plan::facts::Known;
use hactl_node_plan::join::lease::Holder;
use hactl_node_plan::join::{MemberAction, NodeAction, node_action, stranger};
use hactl_node_plan::kubeadm::config::host_port;
use hactl_node_plan::plan::NodeContext;
use hactl_proto::instruction::{Fence, JoinCredentials};
use hactl_proto::join::{Admission, Applicant};
use hactl_proto::role::NodeRole;
use hactl_proto::spec::API_SERVER_PORT;

use super::cluster::Cluster;
use super::{JoinError, Say, Sponsor};
use crate::host::Host;
use crate::inspect::kubernetes::{api_server, ca_fingerprint, ca_fingerprints};

impl<H: Host> Sponsor<H> {
    /// Admits a node: control planes one at a time, under the cluster's lease; workers in parallel.
    pub(super) async fn admit(
        &self,
        applicant: &Applicant,
        say: &mut Say,
    ) -> Result<Admission, JoinError> {
        let node = self.node();
        if let Some(finding) = stranger(&node.spec, applicant) {
            return Err(refused(applicant, finding));
        }
        if !api_server(self.host(), node.address).await.serves() {
            return Err(JoinError::State {
                what: format!("admit {} through {}", applicant.node, node.node),
                observed: "its own API server is not ready".to_owned(),
            });
        }
        match applicant.role {
            NodeRole::Worker => self.admit_worker(&node, applicant, say).await,
            NodeRole::ControlPlane => self.admit_control_plane(&node, applicant, say).await,
        }
    }

    async fn admit_worker(
        &self,
        node: &NodeContext,
        applicant: &Applicant,
        say: &mut Say,
    ) -> Result<Admission, JoinError> {
        let cluster = Cluster::new(self.host(), node.address);
        // A token of an earlier try opens as much as the new one.
        self.remove_tokens_of(&cluster, &applicant.node).await?;
        self.clear_node(&cluster, applicant, MemberAction::None)
            .await?;
        let credentials = self.credentials(node, &cluster, applicant, say).await;
        if credentials.is_err() {
            self.abandon(&applicant.node).await;
        }
        Ok(Admission::Admitted {
            credentials: credentials?,
            fence: None,
        })
    }

    async fn admit_control_plane(
        &self,
        node: &Arc<NodeContext>,
        applicant: &Applicant,
        say: &mut Say,
    ) -> Result<Admission, JoinError> {
        // kubeadm would write a controller manager's manifest that names a file with two CAs: it would not begin.
        if matches!(ca_fingerprints(self.host()).await, Known::Is(all) if all.len() > 1) {
            return Err(JoinError::State {
                what: format!("admit the control plane {}", applicant.node),
                observed:
                    "the CA of Kubernetes is being replaced; see `hactl-controller certs rotate-ca`"
                        .to_owned(),
            });
        }
        let holder = Holder {
            sponsor: node.node.clone(),
            joiner: applicant.node.clone(),
        };
        let fence = self.acquire(&holder, say).await?;
        let credentials = self
            .prepare_control_plane(node, applicant, &holder, fence, say)
            .await;
        match credentials {
            Ok(credentials) => Ok(Admission::Admitted {
                credentials,
                fence: Some(fence),
            }),
            Err(error) => {
                let cluster = Cluster::new(self.host(), node.address);
                // Only what is still ours: the joiner may have gone to another member meanwhile.
                if self.still_held(&cluster, &holder, fence).await.is_ok() {
                    self.abandon(&applicant.node).await;
                }
                Err(error)
            }
        }
    }

    async fn prepare_control_plane(
        &self,
        node: &NodeContext,
        applicant: &Applicant,
        holder: &Holder,
        fence: Fence,
        say: &mut Say,
    ) -> Result<JoinCredentials, JoinError> {
        let cluster = Cluster::new(self.host(), node.address);
        let member = self.clear_member(applicant, holder, fence, say).await?;
        self.clear_node(&cluster, applicant, member).await?;
        self.still_held(&cluster, holder, fence).await?;
        let mut credentials = self.credentials(node, &cluster, applicant, say).await?;
        credentials.certificate_key = Some(self.upload_certificates(&cluster).await?);
        credentials.etcd_member_kept = matches!(member, MemberAction::Keep(_));
        Ok(credentials)
    }

    async fn clear_node(
        &self,
        cluster: &Cluster<'_, H>,
        applicant: &Applicant,
        member: MemberAction,
    ) -> Result<(), JoinError> {
        let node = cluster.node(&applicant.node).await;
        match node_action(&node, applicant, member) {
            Ok(NodeAction::Leave) => Ok(()),
            Ok(NodeAction::Delete) => {
                tracing::warn!(node = %applicant.node, "deleting the Node that an earlier join left");
                cluster.delete_node(&applicant.node).await
            }
            Err(finding) => Err(refused(applicant, finding)),
        }
    }

    async fn credentials(
        &self,
        node: &NodeContext,
        cluster: &Cluster<'_, H>,
        applicant: &Applicant,
        say: &mut Say,
    ) -> Result<JoinCredentials, JoinError> {
        let ca_cert_hash = match ca_fingerprint(self.host()).await {
            Known::Is(Some(pin)) => pin,
            Known::Is(None) => return Err(no_ca("there is none")),
            Known::Unknown(reason) => return Err(no_ca(&reason)),
        };
        Ok(JoinCredentials {
            api_server: host_port(&node.address.to_string(), API_SERVER_PORT),
            token: self.mint(cluster, applicant, say).await?,
            ca_cert_hash,
            certificate_key: None,
            etcd_member_kept: false,
        })
    }
}

fn no_ca(observed: &str) -> JoinError {
    JoinError::State {
        what: "pin the cluster's CA".to_owned(),
        observed: observed.to_owned(),
    }
}

fn refused(applicant: &Applicant, finding: hactl_proto::finding::Finding) -> JoinError {
    JoinError::Refused {
        node: applicant.node.to_string(),
        findings: vec![finding],
    }
}
