//! How this node gets certificates: by its own issuer, or from control planes.

use std::net::SocketAddr;
use std::sync::Arc;

use hactl_proto::Timestamp;
use hactl_proto::bundle::{Admission, Bundle};
use hactl_proto::mtls::{Credential, Dialer, Limits, Trust};
use hactl_proto::name::NodeName;
use hactl_proto::secret::Secret;
use hactl_proto::wire::v1;
use hactl_proto::wire::v1::enrolment_service_client::EnrolmentServiceClient;
use rcgen::KeyPair;

use super::error::IdentityError;
use super::issuer::{Issuer, request};

/// How this node gets certificates.
pub enum Introduction {
    /// A control plane signs for itself.
    Own(Arc<Issuer>),
    /// A worker asks the control planes, one after another.
    Peers {
        /// What the first certificate is got with.
        token: Secret,
        /// Whom to ask.
        control_planes: Vec<(NodeName, SocketAddr)>,
    },
}

/// A chain, and who gave it out.
pub(super) struct Issued {
    pub(super) chain: String,
    pub(super) issuer: NodeName,
}

impl Introduction {
    /// As the bundle has it.
    pub fn of(bundle: &Bundle) -> Result<Self, IdentityError> {
        match &bundle.admission {
            Admission::Issuer {
                certificate, key, ..
            } => {
                let key = Secret::new(key.clone());
                let issuer = Issuer::new(bundle.cluster_id, certificate, &key)?;
                Ok(Self::Own(Arc::new(issuer)))
            }
            Admission::Token { token } => {
                let port = bundle.spec.policies.agent_port;
                let declared = bundle.spec.control_planes.iter();
                Ok(Self::Peers {
                    token: Secret::new(token.clone()),
                    control_planes: declared
                        .map(|node| (node.name.clone(), SocketAddr::new(node.address, port)))
                        .collect(),
                })
            }
        }
    }

    /// A certificate for the key. `current` is the credential to ask with; without one the token is shown.
    pub(super) async fn certificate(
        &self,
        node: &NodeName,
        key: &KeyPair,
        trust: &Arc<Trust>,
        current: Option<&Arc<Credential>>,
        now: Timestamp,
    ) -> Result<Issued, IdentityError> {
        let (token, control_planes) = match self {
            Self::Own(issuer) => {
                return Ok(Issued {
                    chain: issuer.sign_own(node, key, now)?,
                    issuer: node.clone(),
                });
            }
            Self::Peers {
                token,
                control_planes,
            } => (token, control_planes),
        };
        let csr = request(key).map_err(|source| IdentityError::Make {
            what: "certificate request",
            source,
        })?;
        let dialer = Dialer::new(trust.clone(), current.cloned(), Limits::default());
        let mut reasons = Vec::new();
        for (issuer, address) in control_planes {
            let asked = match current {
                Some(_) => renew(&dialer, issuer, *address, csr.clone()).await,
                None => enrol(&dialer, issuer, *address, csr.clone(), node, token).await,
            };
            match asked {
                Ok(chain) => {
                    return Ok(Issued {
                        chain,
                        issuer: issuer.clone(),
                    });
                }
                Err(reason) => reasons.push(reason),
            }
        }
        Err(IdentityError::NoIssuer { reasons })
    }
}

async fn enrol(
    dialer: &Dialer,
    issuer: &NodeName,
    address: SocketAddr,
    csr: String,
    node: &NodeName,
    token: &Secret,
) -> Result<String, String> {
    let request = v1::EnrolRequest {
        token: token.expose().to_owned(),
        csr,
        node: node.to_string(),
    };
    let channel = dialer.connect(issuer, address).await;
    let channel = channel.map_err(|error| format!("{issuer}: failed to {error}"))?;
    let answer = EnrolmentServiceClient::new(channel).enrol(request).await;
    answer
        .map(|answer| answer.into_inner().chain)
        .map_err(|status| format!("{issuer}: {}", status.message()))
}

async fn renew(
    dialer: &Dialer,
    issuer: &NodeName,
    address: SocketAddr,
    csr: String,
) -> Result<String, String> {
    let channel = dialer.connect(issuer, address).await;
    let channel = channel.map_err(|error| format!("{issuer}: failed to {error}"))?;
    let answer = EnrolmentServiceClient::new(channel)
        .renew(v1::RenewRequest { csr })
        .await;
    answer
        .map(|answer| answer.into_inner().chain)
        .map_err(|status| format!("{issuer}: {}", status.message()))
}
