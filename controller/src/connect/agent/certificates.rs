//! The calls about certificates: Kubernetes', and those by which agents and people know each other.

use hactl_proto::certificate::{CertificateInventory, RenewalRehearsal};
use hactl_proto::gossip::{GossipRing, KeyRingSeen};
use hactl_proto::name::NodeName;
use hactl_proto::report::ReportEvent;
use hactl_proto::rotation::{Authority, Fingerprint, RotationTurn, TrustSeen};
use hactl_proto::trust::OwnTrustSeen;
use hactl_proto::wire::v1::certificate_service_client::CertificateServiceClient;
use hactl_proto::wire::v1::trust_service_client::TrustServiceClient;
use hactl_proto::wire::{WireError, optional, v1};
use tonic::Streaming;

use super::Agent;
use crate::connect::error::CallError;

/// A renewal's story as the agent tells it.
#[derive(Debug)]
pub struct Renewing {
    node: NodeName,
    events: Streaming<v1::RenewCertificatesResponse>,
}

impl Renewing {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<ReportEvent>, CallError> {
        let answer = self
            .events
            .message()
            .await
            .map_err(|status| CallError::refused("the renewal", &self.node, &status))?;
        optional("event", answer.and_then(|answer| answer.event)).map_err(|source| {
            CallError::Answer {
                node: self.node.clone(),
                source,
            }
        })
    }
}

/// A rotation's stage as the agent tells it.
#[derive(Debug)]
pub struct Rotating {
    node: NodeName,
    events: Streaming<v1::RotateAuthorityResponse>,
}

impl Rotating {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<ReportEvent>, CallError> {
        let answer = self
            .events
            .message()
            .await
            .map_err(|status| CallError::refused("the rotation", &self.node, &status))?;
        optional("event", answer.and_then(|answer| answer.event)).map_err(|source| {
            CallError::Answer {
                node: self.node.clone(),
                source,
            }
        })
    }
}

impl Agent {
    /// Every certificate of the node, looked at now.
    pub async fn certificates(&self) -> Result<CertificateInventory, CallError> {
        let answer = CertificateServiceClient::new(self.channel.clone())
            .get_inventory(v1::GetInventoryRequest {})
            .await
            .map_err(self.refused("its certificates"))?;
        let inventory = serde_json::from_str(&answer.into_inner().inventory);
        self.read(inventory.map_err(|error| WireError::wrong("inventory", error)))
    }

    /// Goes through a renewal in a copy of a control plane's certificates and keys.
    pub async fn rehearse_renewal(&self) -> Result<RenewalRehearsal, CallError> {
        let answer = CertificateServiceClient::new(self.channel.clone())
            .rehearse_renewal(v1::RehearseRenewalRequest {})
            .await
            .map_err(self.refused("the rehearsal"))?;
        let rehearsal = serde_json::from_str(&answer.into_inner().rehearsal);
        self.read(rehearsal.map_err(|error| WireError::wrong("rehearsal", error)))
    }

    /// Has a control plane renew what kubeadm signs on it. Dropping the story does not end it.
    pub async fn renew_certificates(&self, without_api: bool) -> Result<Renewing, CallError> {
        let events = CertificateServiceClient::new(self.channel.clone())
            .renew_certificates(v1::RenewCertificatesRequest { without_api })
            .await
            .map_err(self.refused("the renewal"))?
            .into_inner();
        Ok(Renewing {
            node: self.node.clone(),
            events,
        })
    }

    /// The node's part in a CA, looked at now.
    pub async fn trust(&self, authority: Authority) -> Result<TrustSeen, CallError> {
        let answer = CertificateServiceClient::new(self.channel.clone())
            .get_trust(v1::GetTrustRequest {
                authority: authority.to_string(),
            })
            .await
            .map_err(self.refused("its part in a CA"))?;
        let trust = serde_json::from_str(&answer.into_inner().trust);
        self.read(trust.map_err(|error| WireError::wrong("trust", error)))
    }

    /// Has a node carry a rotation of a CA one stage on. Dropping the story does not end it.
    pub async fn rotate_authority(&self, turn: RotationTurn) -> Result<Rotating, CallError> {
        let events = CertificateServiceClient::new(self.channel.clone())
            .rotate_authority(v1::RotateAuthorityRequest {
                authority: turn.authority.to_string(),
                stage: turn.stage.to_string(),
                to: turn.to.map_or_else(String::new, String::from),
                fence: turn.fence.map(|fence| fence.0),
                certificate: turn.certificate,
            })
            .await
            .map_err(self.refused("the rotation"))?
            .into_inner();
        Ok(Rotating {
            node: self.node.clone(),
            events,
        })
    }

    /// Which gossip keys the node has in use.
    pub async fn key_ring(&self) -> Result<KeyRingSeen, CallError> {
        let answer = TrustServiceClient::new(self.channel.clone())
            .get_key_ring(v1::GetKeyRingRequest {})
            .await
            .map_err(self.refused("its gossip keys"))?;
        let ring = serde_json::from_str(&answer.into_inner().ring);
        self.read(ring.map_err(|error| WireError::wrong("ring", error)))
    }

    /// Gives the node another gossip key ring.
    pub async fn put_key_ring(&self, ring: GossipRing) -> Result<(), CallError> {
        TrustServiceClient::new(self.channel.clone())
            .put_key_ring(v1::PutKeyRingRequest::from(ring))
            .await
            .map_err(self.refused("other gossip keys"))?;
        Ok(())
    }

    /// The node's part in hactl's own CA.
    pub async fn own_trust(&self) -> Result<OwnTrustSeen, CallError> {
        let answer = TrustServiceClient::new(self.channel.clone())
            .get_own_trust(v1::GetOwnTrustRequest {})
            .await
            .map_err(self.refused("its part in hactl's own CA"))?;
        let trust = serde_json::from_str(&answer.into_inner().trust);
        self.read(trust.map_err(|error| WireError::wrong("trust", error)))
    }

    /// Has the node believe in these roots of hactl's own CA, PEM.
    pub async fn put_roots(&self, revision: u64, roots: String) -> Result<(), CallError> {
        TrustServiceClient::new(self.channel.clone())
            .put_roots(v1::PutRootsRequest { revision, roots })
            .await
            .map_err(self.refused("other roots"))?;
        Ok(())
    }

    /// A control plane's request for another issuer, PEM.
    pub async fn request_issuer(&self) -> Result<String, CallError> {
        let answer = TrustServiceClient::new(self.channel.clone())
            .request_issuer(v1::RequestIssuerRequest {})
            .await
            .map_err(self.refused("a request for an issuer"))?;
        Ok(answer.into_inner().request)
    }

    /// The certificate for it, PEM.
    pub async fn put_issuer(&self, revision: u64, certificate: String) -> Result<(), CallError> {
        TrustServiceClient::new(self.channel.clone())
            .put_issuer(v1::PutIssuerRequest {
                revision,
                certificate,
            })
            .await
            .map_err(self.refused("another issuer"))?;
        Ok(())
    }

    /// Has a worker get its next certificate, of that root.
    pub async fn renew_identity(&self, to: &Fingerprint) -> Result<(), CallError> {
        TrustServiceClient::new(self.channel.clone())
            .renew_identity(v1::RenewIdentityRequest {
                to: to.as_str().to_owned(),
            })
            .await
            .map_err(self.refused("its next certificate"))?;
        Ok(())
    }
}
