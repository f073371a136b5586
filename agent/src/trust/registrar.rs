//! A control plane's registrar: gives certificates to workers, for a token or for the certificate that they have.

use std::sync::Arc;

use hactl_proto::Timestamp;
use hactl_proto::bundle::{Admission, Bundle};
use hactl_proto::enrolment::{Claim, ShownToken, TokenFormError};
use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use hactl_proto::secret::Secret;
use hactl_proto::spec::ClusterSpec;
use ring::hmac;

use super::issuer::{Issuer, IssuerError};
use crate::api::duties::Enrolment;
use crate::api::{Caller, Failure};
use crate::host::Host;

/// Why a token brought no certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// It is no token.
    #[error(transparent)]
    Form(#[from] TokenFormError),
    /// Its MAC is not of this cluster's key: forged, changed, or of another cluster.
    #[error("the enrolment token was not made by this cluster's operator")]
    Mac,
    /// The key is shared, the cluster is not.
    #[error("the enrolment token is of cluster {theirs}, this one is {ours}")]
    OtherCluster {
        /// The token's.
        theirs: ClusterId,
        /// This node's.
        ours: ClusterId,
    },
    /// Its time is over.
    #[error("the enrolment token expired at {at}; make a new one with `hactl-controller bundle`")]
    Expired {
        /// When.
        at: Timestamp,
    },
    /// It is of one worker, and shown by another.
    #[error("the enrolment token is of {wanted}, the request is for {asked}")]
    OtherNode {
        /// The token's.
        wanted: NodeName,
        /// The request's.
        asked: NodeName,
    },
    /// A token never makes a control plane.
    #[error("{asked} is a declared control plane; it is not enrolled by a token")]
    ControlPlane {
        /// The request's.
        asked: NodeName,
    },
    /// A declared worker enrols with the token of its own bundle: one for any worker does not get it the name.
    #[error("{asked} is a declared worker; it enrols with the bundle that was made for it")]
    Declared {
        /// The request's.
        asked: NodeName,
    },
    /// The spec takes only workers that it declares.
    #[error("{asked} is not declared in the spec, and its policy workerEnrolment is off")]
    NotDeclared {
        /// The request's.
        asked: NodeName,
    },
    /// The spec of this control plane has no such zone.
    #[error("the enrolment token is for zone {zone}, which the spec here does not have")]
    NoSuchZone {
        /// The token's.
        zone: ZoneName,
    },
}

/// Gives certificates to workers.
pub struct Registrar<H> {
    host: Arc<H>,
    issuer: Arc<Issuer>,
    cluster: ClusterId,
    spec: ClusterSpec,
    key: hmac::Key,
}

impl<H: Host> Registrar<H> {
    /// Of a control plane; `None` where the bundle is a worker's.
    pub fn of(
        bundle: &Bundle,
        issuer: Arc<Issuer>,
        host: Arc<H>,
    ) -> Result<Option<Self>, IssuerError> {
        let Admission::Issuer { enrolment_key, .. } = &bundle.admission else {
            return Ok(None);
        };
        let key = hex::decode(enrolment_key)
            .ok()
            .filter(|key| key.len() == 32)
            .ok_or_else(|| {
                let reason = "64 hexadecimal digits are wanted as its enrolment key";
                IssuerError::Malformed(reason.to_owned())
            })?;
        Ok(Some(Self {
            host,
            issuer,
            cluster: bundle.cluster_id,
            spec: bundle.spec.clone(),
            key: hmac::Key::new(hmac::HMAC_SHA256, &key),
        }))
    }

    /// Whether the token lets `node` enrol at that time. Its MAC is verified in constant time, before its words count.
    fn check(
        &self,
        token: &Secret,
        node: &NodeName,
        now: Timestamp,
    ) -> Result<Claim, TokenRefusal> {
        let shown = ShownToken::parse(token)?;
        hmac::verify(&self.key, shown.signed.as_bytes(), &shown.mac)
            .map_err(|_| TokenRefusal::Mac)?;
        let claim = shown.claim;
        if claim.cluster != self.cluster {
            return Err(TokenRefusal::OtherCluster {
                theirs: claim.cluster,
                ours: self.cluster,
            });
        }
        if claim.expires <= now {
            return Err(TokenRefusal::Expired { at: claim.expires });
        }
        let asked = node.clone();
        match (&claim.node, self.spec.declared(node)) {
            (Some(wanted), _) if wanted != node => {
                let wanted = wanted.clone();
                return Err(TokenRefusal::OtherNode { wanted, asked });
            }
            (_, Some((_, NodeRole::ControlPlane))) => {
                return Err(TokenRefusal::ControlPlane { asked });
            }
            (None, Some((_, NodeRole::Worker))) => return Err(TokenRefusal::Declared { asked }),
            // A token of one worker is the operator's word for it, also where the spec here is from before that worker.
            (None, None) if !self.spec.policies.worker_enrolment => {
                return Err(TokenRefusal::NotDeclared { asked });
            }
            _ => {}
        }
        if !self.spec.zones.contains(&claim.zone) {
            return Err(TokenRefusal::NoSuchZone { zone: claim.zone });
        }
        Ok(claim)
    }

    fn sign(&self, node: &NodeName, csr: &str) -> Result<String, Failure> {
        let signed = self.issuer.sign_worker(node, csr, self.host.now());
        signed.map_err(|error| match error {
            IssuerError::Request(cause) => {
                Failure::Refused(format!("read the certificate request: {cause}"))
            }
            other => Failure::internal(format!("give {node} a certificate"), other),
        })
    }
}

#[tonic::async_trait]
impl<H: Host> Enrolment for Registrar<H> {
    async fn enrol(&self, token: Secret, csr: &str, node: NodeName) -> Result<String, Failure> {
        match self.check(&token, &node, self.host.now()) {
            Ok(claim) => {
                let chain = self.sign(&node, csr)?;
                tracing::info!(%node, zone = %claim.zone, "enrolled a worker by its token");
                Ok(chain)
            }
            Err(refusal) => {
                tracing::warn!(%node, %refusal, "refused an enrolment");
                Err(Failure::Forbidden(refusal.to_string()))
            }
        }
    }

    async fn renew(&self, caller: &Caller, csr: &str) -> Result<String, Failure> {
        // The spec may have changed since: a name that became a control plane's is not a worker's any more.
        if let Some((_, NodeRole::ControlPlane)) = self.spec.declared(caller.node()) {
            let asked = caller.node().clone();
            return Err(Failure::Forbidden(
                TokenRefusal::ControlPlane { asked }.to_string(),
            ));
        }
        let chain = self.sign(caller.node(), csr)?;
        tracing::info!(node = %caller.node(), "renewed a worker's certificate");
        Ok(chain)
    }
}

/// What a worker's agent answers: it has no issuer.
pub struct NoRegistrar;

impl NoRegistrar {
    fn refusal() -> Failure {
        let reason = "a worker gives out no certificates; ask the agent of a control plane";
        Failure::Unsupported(reason.to_owned())
    }
}

#[tonic::async_trait]
impl Enrolment for NoRegistrar {
    async fn enrol(&self, _: Secret, _: &str, _: NodeName) -> Result<String, Failure> {
        Err(Self::refusal())
    }

    async fn renew(&self, _: &Caller, _: &str) -> Result<String, Failure> {
        Err(Self::refusal())
    }
}
