//! Duties that answer so that a test sees that they were asked, and as whom.

use std::sync::{Arc, Mutex};

use hactl_agent::api::duties::{
    Bootstrap, Certificates, Enrolment, Kubeconfig, Membership, MutualTrust, Observation,
    Operations, Rollouts, Sponsor,
};
use hactl_agent::api::{Caller, Duties, Failure};
use hactl_agent::trust::NoRegistrar;
use hactl_proto::Timestamp;
use hactl_proto::certificate::{CertificateInventory, RenewalRehearsal};
use hactl_proto::finding::Finding;
use hactl_proto::gossip::{GossipRing, KeyRingSeen};
use hactl_proto::instruction::{Fence, Instruction, OperationId};
use hactl_proto::join::{Admission, Applicant};
use hactl_proto::journal::JournalEntry;
use hactl_proto::member::MemberView;
use hactl_proto::name::NodeName;
use hactl_proto::report::{OperationStatus, Outcome, ReportEvent, Waiting};
use hactl_proto::rollout::agent::PackageDigest;
use hactl_proto::rollout::survey::NodeSurvey;
use hactl_proto::rollout::{LeaseAnswer, RolloutRecord};
use hactl_proto::rotation::{Authority, Fingerprint, RotationTurn, TrustSeen};
use hactl_proto::secret::Secret;
use hactl_proto::standing::{
    GrantRefusal, GrantRequest, GrantVerdict, MemberAnnouncement, Override, StandingAnswer,
};
use hactl_proto::status::NodeStatus;
use hactl_proto::trust::OwnTrustSeen;
use tokio::sync::mpsc::{Receiver, channel};

#[derive(Default)]
pub(crate) struct Stub {
    /// The peers that exchanged, as their certificates name them.
    pub(crate) peers: Mutex<Vec<NodeName>>,
    /// The packages that were brought.
    pub(crate) packages: Mutex<Vec<(PackageDigest, Vec<u8>)>>,
    /// What runs.
    pub(crate) running: Mutex<Option<OperationId>>,
}

impl Stub {
    pub(crate) fn duties(self: &Arc<Self>, enrolment: Option<Arc<dyn Enrolment>>) -> Duties {
        Duties {
            observation: self.clone(),
            operations: self.clone(),
            membership: self.clone(),
            bootstrap: self.clone(),
            sponsor: self.clone(),
            enrolment: enrolment.unwrap_or_else(|| Arc::new(NoRegistrar)),
            kubeconfig: self.clone(),
            rollouts: self.clone(),
            certificates: self.clone(),
            mutual_trust: self.clone(),
        }
    }
}

fn later<T>() -> Result<T, Failure> {
    Err(Failure::Unavailable("the stub answers later".to_owned()))
}

#[tonic::async_trait]
impl Observation for Stub {
    async fn status(&self) -> Result<NodeStatus, Failure> {
        later()
    }

    async fn inspect(&self) -> Result<(Vec<Finding>, Timestamp), Failure> {
        Ok((Vec::new(), Timestamp::UNIX_EPOCH))
    }

    async fn journal(
        &self,
        _: Option<OperationId>,
        _: Option<usize>,
    ) -> Result<Vec<JournalEntry>, Failure> {
        Ok(Vec::new())
    }
}

#[tonic::async_trait]
impl Operations for Stub {
    async fn execute(&self, instruction: Instruction) -> Result<Receiver<ReportEvent>, Failure> {
        if let Some(running) = self.running.lock().unwrap().clone() {
            return Err(Failure::Running(running));
        }
        let (tell, told) = channel(4);
        let steps = vec![instruction.order.kind().to_owned()];
        tell.send(ReportEvent::Planned { steps }).await.unwrap();
        tell.send(ReportEvent::Ended(Outcome::Succeeded))
            .await
            .unwrap();
        Ok(told)
    }

    async fn operation(&self, _: Option<OperationId>) -> Result<Option<OperationStatus>, Failure> {
        Ok(None)
    }
}

#[tonic::async_trait]
impl Membership for Stub {
    async fn members(&self) -> Result<(NodeName, Vec<MemberView>), Failure> {
        Ok((NodeName::new("cp1").unwrap(), Vec::new()))
    }

    async fn exchange(
        &self,
        peer: &NodeName,
        version: u32,
        state: Vec<u8>,
    ) -> Result<(u32, Vec<u8>), Failure> {
        self.peers.lock().unwrap().push(peer.clone());
        Ok((version, state))
    }
}

#[tonic::async_trait]
impl Bootstrap for Stub {
    async fn standing(&self) -> Result<StandingAnswer, Failure> {
        later()
    }

    async fn request_grant(
        &self,
        caller: &NodeName,
        _: GrantRequest,
    ) -> Result<GrantVerdict, Failure> {
        Ok(Err(GrantRefusal::NotDeclared {
            asked: caller.clone(),
        }))
    }

    async fn announce_member(
        &self,
        _: &NodeName,
        _: MemberAnnouncement,
    ) -> Result<Result<(), GrantRefusal>, Failure> {
        Ok(Ok(()))
    }

    async fn override_grant(&self, _: Override) -> Result<Result<(), GrantRefusal>, Failure> {
        Ok(Ok(()))
    }
}

#[tonic::async_trait]
impl Sponsor for Stub {
    async fn admit(
        &self,
        applicant: Applicant,
    ) -> Result<Receiver<Result<Admission, Failure>>, Failure> {
        let (tell, told) = channel(4);
        let waiting = Waiting {
            condition: format!("the lease for {}", applicant.node),
            since: Timestamp::UNIX_EPOCH,
            observed: "held by cp2".to_owned(),
        };
        tell.send(Ok(Admission::Waiting(waiting))).await.unwrap();
        let gone = Failure::Unavailable("this member stops".to_owned());
        tell.send(Err(gone)).await.unwrap();
        Ok(told)
    }

    async fn complete(&self, _: NodeName, _: Outcome) -> Result<(), Failure> {
        Ok(())
    }
}

#[tonic::async_trait]
impl Kubeconfig for Stub {
    async fn kubeconfig(&self) -> Result<Secret, Failure> {
        Ok(Secret::new("apiVersion: v1"))
    }
}

/// Never asked: the server has to stop its callers before.
pub(crate) struct Unreached;

#[tonic::async_trait]
impl Enrolment for Unreached {
    async fn enrol(&self, _: Secret, _: &str, _: NodeName) -> Result<String, Failure> {
        panic!("enrol was reached")
    }

    async fn renew(&self, _: &Caller, _: &str) -> Result<String, Failure> {
        panic!("renew was reached")
    }
}

#[tonic::async_trait]
impl Rollouts for Stub {
    async fn survey(&self, _: bool) -> Result<NodeSurvey, Failure> {
        later()
    }

    async fn keep_package(&self, digest: PackageDigest, bytes: Vec<u8>) -> Result<(), Failure> {
        self.packages.lock().unwrap().push((digest, bytes));
        Ok(())
    }

    async fn rollout(&self) -> Result<Option<RolloutRecord>, Failure> {
        Ok(None)
    }

    async fn keep(&self, _: RolloutRecord) -> Result<Option<RolloutRecord>, Failure> {
        later()
    }

    async fn take_lease(&self, _: &str) -> Result<LeaseAnswer, Failure> {
        later()
    }

    async fn renew_lease(&self, _: &str, _: Fence) -> Result<bool, Failure> {
        later()
    }

    async fn release_lease(&self, _: &str, _: Fence) -> Result<(), Failure> {
        later()
    }
}

#[tonic::async_trait]
impl Certificates for Stub {
    async fn inventory(&self) -> Result<CertificateInventory, Failure> {
        later()
    }

    async fn renew(&self, _: bool) -> Result<Receiver<ReportEvent>, Failure> {
        later()
    }

    async fn rehearse(&self) -> Result<RenewalRehearsal, Failure> {
        later()
    }

    async fn yield_backend(&self, _: &NodeName, _: Option<Fence>, _: bool) -> Result<(), Failure> {
        later()
    }

    async fn sign_kubelet(&self, _: &NodeName, _: &str, _: bool) -> Result<String, Failure> {
        later()
    }

    async fn trust(&self, _: Authority) -> Result<TrustSeen, Failure> {
        later()
    }

    async fn rotate(&self, _: RotationTurn) -> Result<Receiver<ReportEvent>, Failure> {
        later()
    }

    async fn give_pair(
        &self,
        _: &NodeName,
        _: Authority,
        _: &Fingerprint,
        _: Fence,
    ) -> Result<(String, Secret), Failure> {
        later()
    }
}

#[tonic::async_trait]
impl MutualTrust for Stub {
    async fn key_ring(&self) -> Result<KeyRingSeen, Failure> {
        later()
    }

    async fn put_key_ring(&self, _: GossipRing) -> Result<(), Failure> {
        later()
    }

    async fn own_trust(&self) -> Result<OwnTrustSeen, Failure> {
        later()
    }

    async fn put_roots(&self, _: u64, _: &str) -> Result<(), Failure> {
        later()
    }

    async fn request_issuer(&self) -> Result<String, Failure> {
        later()
    }

    async fn put_issuer(&self, _: u64, _: &str) -> Result<(), Failure> {
        later()
    }

    async fn renew_identity(&self, _: &Fingerprint) -> Result<(), Failure> {
        later()
    }
}
