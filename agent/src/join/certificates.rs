//! The control plane's certificates in the cluster, sealed under a key that is drawn for one join.
//!
//! They are uploaded afresh each time: whoever has the key and any bootstrap token can read the CA's keys as long as the Secret is there.

use hactl_node_plan::join::CERTIFICATES_SECRET;
use hactl_node_plan::kubeadm::{Kubeadm, command, config};
use hactl_proto::secret::Secret;
use ring::rand::{SecureRandom, SystemRandom};

use super::cluster::Cluster;
use super::{JoinError, Sponsor};
use crate::host::Host;

impl<H: Host> Sponsor<H> {
    /// Uploads them and gives the key.
    pub(super) async fn upload_certificates(
        &self,
        cluster: &Cluster<'_, H>,
    ) -> Result<Secret, JoinError> {
        let node = self.node();
        let key = draw_key()?;
        let kubeadm =
            Kubeadm::of(&node.spec.kubernetes.version).ok_or_else(|| JoinError::State {
                what: "upload the control plane's certificates".to_owned(),
                observed: format!("{} is not known here", node.spec.kubernetes.version),
            })?;
        let text = config::upload_certificates(kubeadm, &node, &key);
        let file = self.inner.paths.run.join("upload-certs.yaml");
        self.host()
            .replace(&file, text.expose().as_bytes(), 0o600)
            .await?;
        let uploaded = cluster
            .run(&command::upload_certificates(&file.to_string_lossy()))
            .await;
        self.host().remove(&file).await?;
        uploaded?;
        if !cluster.has_secret(CERTIFICATES_SECRET).await? {
            return Err(JoinError::State {
                what: "upload the control plane's certificates".to_owned(),
                observed: format!("kubeadm ended well and there is no {CERTIFICATES_SECRET}"),
            });
        }
        Ok(key)
    }
}

fn draw_key() -> Result<Secret, JoinError> {
    let mut bytes = zeroize::Zeroizing::new([0_u8; 32]);
    SystemRandom::new()
        .fill(&mut *bytes)
        .map_err(|_| JoinError::State {
            what: "draw a certificate key".to_owned(),
            observed: "the system gave no random bytes".to_owned(),
        })?;
    Ok(Secret::new(hex::encode(*bytes)))
}
