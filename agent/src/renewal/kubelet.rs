//! A kubelet whose client certificate has ended is let in nowhere and can't ask for another. The agent has an identity of its own: it gets one
//! for the kubelet, from the cluster's CA where that is on this node, else from a control plane's agent, and gives itself the order to put
//! it in. The key is made here and stays here.

use std::time::Duration;

use hactl_node_plan::certificate::place::KUBELET_SERVER;
use hactl_node_plan::certificate::trust::{certificates, fingerprint};
use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::plan::kubelet_certificate::ended;
use hactl_proto::instruction::{Instruction, OperationId, Order};
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::RolloutOrder;
use hactl_proto::rotation::Authority::Kubernetes;
use hactl_proto::rotation::Fingerprint;
use rcgen::{CertificateParams, DistinguishedName, KeyPair};
use zeroize::Zeroizing;

use super::authority::{Authority, Purpose};
use super::turn::follow;
use super::{Inner, Peers, Tale};
use crate::causes::chain;
use crate::host::Host;
use crate::inspect::certificates::{Ports, certificates as inventory};

/// A node whose clock is wrong for good is not given a certificate each minute.
pub(super) const PAUSE: Duration = Duration::from_mins(10);
const MODE: u32 = 0o600;

impl<H: Host, P: Peers> Inner<H, P> {
    /// Looks, and repairs; `true`: something was done.
    pub(super) async fn mend_kubelet(&self, tale: &Tale) -> Result<bool, String> {
        let node = self.operations.node();
        let seen = inventory(&*self.host, &node, &self.paths, Ports::Leave).await;
        let ready = self.paths.kubelet_pair();
        let lies_ready = self.host.stamp(&ready).await;
        let lies_ready = lies_ready.map_err(|error| chain(&error))?.is_some();
        if self.operations.current().is_some() || !(ended(&seen) || lies_ready) {
            return Ok(false);
        }
        if ended(&seen) {
            tracing::warn!("the kubelet's client certificate has ended: getting another for it");
            let pair = self.kubelet_pair().await?;
            let kept = self.host.replace(&ready, pair.as_bytes(), MODE).await;
            kept.map_err(|error| chain(&error))?;
        }
        match self.install_kubelet(tale).await? {
            Outcome::Succeeded => Ok(true),
            other => Err(format!("install the certificate: {other}")),
        }
    }

    async fn install_kubelet(&self, tale: &Tale) -> Result<Outcome, String> {
        let order = Order::Rollout(RolloutOrder::InstallKubeletCertificate);
        let watch = self
            .operations
            .submit(Instruction {
                id: OperationId::own(&order, self.host.now()),
                generation: self.generation,
                fence: None,
                order,
            })
            .await
            .map_err(|error| chain(&error))?;
        Ok(follow(watch, tale).await)
    }

    /// A fresh key, and a certificate for it, as the kubelet keeps them: in one file.
    async fn kubelet_pair(&self) -> Result<Zeroizing<String>, String> {
        let node = self.operations.node();
        let key = fresh()?;
        let own = Authority::read(&*self.host).await;
        let certificate = match own.map_err(|error| chain(&error))? {
            Some(authority) => authority
                .sign(&node.node, Purpose::Client, &key, self.host.now())
                .map_err(|error| chain(&error))?,
            None => self.asked(&key, false).await?,
        };
        Ok(in_one(&certificate, &key))
    }

    /// Pairs that this CA signed lie ready for the kubelet: the client's, and the server's where it has one that the cluster signed. The
    /// client's is written last: it says that they lie there.
    pub(super) async fn make_kubelet_pairs(&self, of: &Fingerprint) -> Result<(), String> {
        let node = self.operations.node();
        let here = self.host.stamp(KUBELET_SERVER.as_ref()).await;
        let mut wanted = vec![(Purpose::Client, self.paths.kubelet_pair())];
        if here.map_err(|error| chain(&error))?.is_some() {
            let at = Purpose::Server(node.address);
            wanted.insert(0, (at, self.paths.kubelet_serving_pair()));
        }
        for (purpose, file) in wanted {
            let key = fresh()?;
            let certificate = match node.role {
                NodeRole::ControlPlane => {
                    let (own, its_key) = self.own_pair(Kubernetes, of).await?;
                    let authority = Authority::of(own.as_bytes(), its_key.expose().as_bytes());
                    authority
                        .and_then(|one| one.sign(&node.node, purpose, &key, self.host.now()))
                        .map_err(|error| chain(&error))?
                }
                NodeRole::Worker => {
                    let serving = matches!(purpose, Purpose::Server(_));
                    let certificate = self.asked(&key, serving).await?;
                    self.signed_by(&certificate, of).await?;
                    certificate
                }
            };
            let pair = in_one(&certificate, &key);
            let kept = self.host.replace(&file, pair.as_bytes(), MODE).await;
            kept.map_err(|error| chain(&error))?;
        }
        Ok(())
    }

    /// What a control plane signed is of that CA, not of the one before.
    async fn signed_by(&self, certificate: &str, of: &Fingerprint) -> Result<(), String> {
        let leaf = certificates(certificate.as_bytes())?.into_iter().next();
        let leaf = leaf.ok_or("a control plane signed nothing")?;
        let bundle = self.host.read(layout::CA.as_ref()).await;
        let bundle = bundle.map_err(|error| chain(&error))?.unwrap_or_default();
        let all = certificates(&bundle)?;
        let by = all.iter().find(|one| leaf.signed_by(one));
        if by.and_then(fingerprint).as_ref() == Some(of) {
            return Ok(());
        }
        Err(format!("a control plane signed with another CA than {of}"))
    }

    /// What lay ready and was not put in goes.
    pub(super) async fn drop_kubelet_pairs(&self) {
        for file in [self.paths.kubelet_pair(), self.paths.kubelet_serving_pair()] {
            if let Err(error) = self.host.remove(&file).await {
                tracing::warn!("failed to {}", chain(&error));
            }
        }
    }

    /// From the first control plane that signs.
    async fn asked(&self, key: &KeyPair, serving: bool) -> Result<String, String> {
        let node = self.operations.node();
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        let request = params.serialize_request(key).and_then(|made| made.pem());
        let request = request.map_err(|error| format!("make a request: {error}"))?;
        let mut reasons = Vec::new();
        let others = node.spec.control_planes.iter();
        for peer in others.filter(|peer| peer.name != node.node) {
            match self.peers.sign_kubelet(peer, &request, serving).await {
                Ok(certificate) => return Ok(certificate),
                Err(reason) => reasons.push(format!("{}: {reason}", peer.name)),
            }
        }
        Err(format!("have a control plane sign: {}", reasons.join("; ")))
    }

    /// The other side: signs for the kubelet of the node that asks, where this node has the cluster's CA.
    pub(super) async fn sign_kubelet(
        &self,
        caller: &NodeName,
        request: &str,
        serving: bool,
    ) -> Result<String, String> {
        let node = self.operations.node();
        let declared = node.spec.declared(caller).map(|(node, _)| node.address);
        let purpose = match declared {
            Some(address) if serving => Purpose::Server(address),
            // An address that nobody declared is vouched for by nobody.
            None if serving || !node.spec.policies.worker_enrolment => {
                return Err(format!("{caller} is not declared in the spec"));
            }
            _ => Purpose::Client,
        };
        let authority = Authority::read(&*self.host).await;
        let authority = authority.map_err(|error| chain(&error))?;
        let authority = authority.ok_or("the cluster's CA is not on this node")?;
        let signed = authority.sign_request(caller, purpose, request, self.host.now());
        let certificate = signed.map_err(|error| chain(&error))?;
        tracing::warn!(node = %caller, serving, "signed a certificate for a kubelet");
        Ok(certificate)
    }
}

fn fresh() -> Result<KeyPair, String> {
    KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
        .map_err(|error| format!("make a key: {error}"))
}

fn in_one(certificate: &str, key: &KeyPair) -> Zeroizing<String> {
    Zeroizing::new(format!(
        "{certificate}{}",
        *Zeroizing::new(key.serialize_pem())
    ))
}
