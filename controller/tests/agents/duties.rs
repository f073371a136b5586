//! What the made-up agents do when they are asked: a virgin node before the first boot, with a few things to tell.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hactl_agent::api::duties::{
    Bootstrap, Certificates, Kubeconfig, Membership, Observation, Operations, Rollouts, Sponsor,
};
use hactl_agent::api::{Duties, Failure};
use hactl_agent::host::RealHost;
use hactl_agent::trust::{NoRegistrar, OwnTrust};
use hactl_proto::Timestamp;
use hactl_proto::bundle::Bundle;
use hactl_proto::certificate::{CertificateInventory, RenewalRehearsal};
use hactl_proto::finding::{Finding, Severity};
use hactl_proto::gossip::GossipRing;
use hactl_proto::health::{ComponentHealth, HealthDigest};
use hactl_proto::instruction::{Fence, Instruction, OperationId};
use hactl_proto::join::{Admission, Applicant};
use hactl_proto::journal::{JournalEntry, JournalEvent};
use hactl_proto::member::{MemberState, MemberView, Reach, ZoneCondition};
use hactl_proto::name::NodeName;
use hactl_proto::report::{OperationStatus, Outcome, ReportEvent};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::agent::PackageDigest;
use hactl_proto::rollout::survey::NodeSurvey;
use hactl_proto::rollout::{LeaseAnswer, RolloutRecord};
use hactl_proto::rotation::{Authority, Fingerprint, RotationTurn, TrustSeen};
use hactl_proto::secret::Secret;
use hactl_proto::standing::{
    GrantRefusal, GrantRequest, GrantVerdict, InstanceId, MemberAnnouncement, Override, Standing,
    StandingAnswer,
};
use hactl_proto::status::{InstalledVersions, NodeStatus};
use tokio::sync::mpsc::Receiver;

/// One agent's answers.
pub(crate) struct Made {
    bundle: Bundle,
    pub(crate) node: NodeName,
    pub(crate) own_trust: OwnTrust<RealHost>,
    pub(crate) ring: Mutex<GossipRing>,
    /// Whether it carries out no order.
    pub(crate) deaf: Mutex<bool>,
    pub(crate) overrides: Mutex<Vec<Override>>,
    pub(crate) rollout: Mutex<Option<RolloutRecord>>,
}

impl Made {
    pub(crate) fn new(bundle: &Bundle, node: &NodeName, own_trust: OwnTrust<RealHost>) -> Self {
        Self {
            own_trust,
            bundle: bundle.clone(),
            node: node.clone(),
            ring: Mutex::new(GossipRing {
                revision: bundle.gossip_revision,
                keys: bundle.gossip_keys.clone(),
            }),
            deaf: Mutex::default(),
            overrides: Mutex::default(),
            rollout: Mutex::default(),
        }
    }

    /// Where the spec has its agent.
    pub(crate) fn address(&self) -> SocketAddr {
        let spec = &self.bundle.spec;
        let (declared, _) = spec.declared(&self.node).unwrap();
        SocketAddr::new(declared.address, spec.policies.agent_port)
    }

    pub(crate) fn duties(self: &Arc<Self>) -> Duties {
        Duties {
            observation: self.clone(),
            operations: self.clone(),
            membership: self.clone(),
            bootstrap: self.clone(),
            sponsor: self.clone(),
            enrolment: Arc::new(NoRegistrar),
            kubeconfig: self.clone(),
            rollouts: self.clone(),
            certificates: self.clone(),
            mutual_trust: self.clone(),
        }
    }

    fn findings(&self, check: &str) -> Vec<Finding> {
        let finding = Finding {
            check: check.to_owned(),
            severity: Severity::Warning,
            observed: "1 GiB of swap".to_owned(),
            wanted: "no swap".to_owned(),
            remedy: "swapoff -a".to_owned(),
            mendable: true,
        };
        if self.node.as_str() == "cp3" {
            vec![finding]
        } else {
            Vec::new()
        }
    }
}

fn not_here<T>() -> Result<T, Failure> {
    Err(Failure::Unavailable(
        "no verb of the operator asks this".to_owned(),
    ))
}

#[tonic::async_trait]
impl Observation for Made {
    async fn status(&self) -> Result<NodeStatus, Failure> {
        let spec = &self.bundle.spec;
        let version = Some(spec.kubernetes.version.clone());
        Ok(NodeStatus {
            node: self.node.clone(),
            role: self.bundle.role,
            zone: self.bundle.zone.clone(),
            agent_version: "0.1.0".to_owned(),
            cluster: self.bundle.cluster_id,
            generation: self.bundle.generation,
            spec: spec.bootstrap_hash(),
            standing: Some(Standing::Virgin),
            operation: None,
            findings: self.findings("swap-off"),
            health: HealthDigest {
                at: Timestamp::now(),
                containerd: ComponentHealth::Healthy,
                ..HealthDigest::default()
            },
            versions: InstalledVersions {
                kubeadm: version.clone(),
                kubelet: version.clone(),
                kubectl: version,
            },
            capabilities: Vec::new(),
        })
    }

    async fn inspect(&self) -> Result<(Vec<Finding>, Timestamp), Failure> {
        Ok((self.findings("checked-just-now"), Timestamp::now()))
    }

    async fn journal(
        &self,
        operation: Option<OperationId>,
        last: Option<usize>,
    ) -> Result<Vec<JournalEntry>, Failure> {
        let id = OperationId::new(format!("prepare-{}", self.node)).unwrap();
        let entry = |event| JournalEntry {
            at: Timestamp::now(),
            operation: id.clone(),
            kind: "prepare".to_owned(),
            event,
        };
        let ended = ReportEvent::Ended(Outcome::Succeeded);
        let entries = vec![
            entry(JournalEvent::Accepted {
                generation: 1,
                fence: None,
            }),
            entry(JournalEvent::Report { event: ended }),
        ];
        let wanted = operation.is_none_or(|wanted| wanted == id);
        let skip = entries.len() - last.unwrap_or(entries.len()).min(entries.len());
        Ok(if wanted {
            entries.into_iter().skip(skip).collect()
        } else {
            Vec::new()
        })
    }
}

#[tonic::async_trait]
impl Membership for Made {
    async fn members(&self) -> Result<(NodeName, Vec<MemberView>), Failure> {
        let spec = &self.bundle.spec;
        let planes = spec
            .control_planes
            .iter()
            .map(|node| (node, NodeRole::ControlPlane));
        let views = planes
            .chain(spec.workers.iter().map(|node| (node, NodeRole::Worker)))
            .map(|(node, role)| MemberView {
                node: node.name.clone(),
                zone: node.zone.clone(),
                role,
                address: SocketAddr::new(node.address, spec.policies.agent_port),
                state: if role == NodeRole::Worker {
                    MemberState::Down
                } else {
                    MemberState::Alive
                },
                since: Timestamp::now(),
                incarnation: 0,
                boot_epoch: 1,
                round_trip_us: None,
                health: None,
                reach: Reach::default(),
                zone_condition: ZoneCondition::default(),
            });
        Ok((self.node.clone(), views.collect()))
    }

    async fn exchange(&self, _: &NodeName, _: u32, _: Vec<u8>) -> Result<(u32, Vec<u8>), Failure> {
        not_here()
    }
}

#[tonic::async_trait]
impl Bootstrap for Made {
    async fn standing(&self) -> Result<StandingAnswer, Failure> {
        Ok(StandingAnswer {
            node: self.node.clone(),
            instance: InstanceId::from_bytes([self.node.as_str().as_bytes()[2]; 16]),
            cluster: self.bundle.cluster_id,
            spec: self.bundle.spec.bootstrap_hash(),
            epoch: 0,
            standing: Standing::Virgin,
            roster: BTreeMap::new(),
            serving: false,
        })
    }

    async fn request_grant(&self, _: &NodeName, _: GrantRequest) -> Result<GrantVerdict, Failure> {
        not_here()
    }

    async fn announce_member(
        &self,
        _: &NodeName,
        _: MemberAnnouncement,
    ) -> Result<Result<(), GrantRefusal>, Failure> {
        not_here()
    }

    async fn override_grant(&self, word: Override) -> Result<Result<(), GrantRefusal>, Failure> {
        self.overrides.lock().unwrap().push(word);
        Ok(Ok(()))
    }
}

#[tonic::async_trait]
impl Kubeconfig for Made {
    async fn kubeconfig(&self) -> Result<Secret, Failure> {
        if self.node.as_str() == "cp1" {
            return Err(Failure::Unavailable("kubeadm made none here".to_owned()));
        }
        Ok(Secret::new(format!("apiVersion: v1 # {}", self.node)))
    }
}

#[tonic::async_trait]
impl Operations for Made {
    async fn execute(&self, _: Instruction) -> Result<Receiver<ReportEvent>, Failure> {
        not_here()
    }

    async fn operation(&self, _: Option<OperationId>) -> Result<Option<OperationStatus>, Failure> {
        not_here()
    }
}

#[tonic::async_trait]
impl Sponsor for Made {
    async fn admit(&self, _: Applicant) -> Result<Receiver<Result<Admission, Failure>>, Failure> {
        not_here()
    }

    async fn complete(&self, _: NodeName, _: Outcome) -> Result<(), Failure> {
        not_here()
    }
}

#[tonic::async_trait]
impl Rollouts for Made {
    async fn survey(&self, _: bool) -> Result<NodeSurvey, Failure> {
        not_here()
    }

    async fn keep_package(&self, _: PackageDigest, _: Vec<u8>) -> Result<(), Failure> {
        not_here()
    }

    async fn rollout(&self) -> Result<Option<RolloutRecord>, Failure> {
        Ok(self.rollout.lock().unwrap().clone())
    }

    async fn keep(&self, _: RolloutRecord) -> Result<Option<RolloutRecord>, Failure> {
        not_here()
    }

    async fn take_lease(&self, _: &str) -> Result<LeaseAnswer, Failure> {
        not_here()
    }

    async fn renew_lease(&self, _: &str, _: Fence) -> Result<bool, Failure> {
        not_here()
    }

    async fn release_lease(&self, _: &str, _: Fence) -> Result<(), Failure> {
        not_here()
    }
}

#[tonic::async_trait]
impl Certificates for Made {
    async fn inventory(&self) -> Result<CertificateInventory, Failure> {
        not_here()
    }

    async fn renew(&self, _: bool) -> Result<Receiver<ReportEvent>, Failure> {
        not_here()
    }

    async fn rehearse(&self) -> Result<RenewalRehearsal, Failure> {
        not_here()
    }

    async fn yield_backend(&self, _: &NodeName, _: Option<Fence>, _: bool) -> Result<(), Failure> {
        not_here()
    }

    async fn sign_kubelet(&self, _: &NodeName, _: &str, _: bool) -> Result<String, Failure> {
        not_here()
    }

    async fn trust(&self, _: Authority) -> Result<TrustSeen, Failure> {
        not_here()
    }

    async fn rotate(&self, _: RotationTurn) -> Result<Receiver<ReportEvent>, Failure> {
        not_here()
    }

    async fn give_pair(
        &self,
        _: &NodeName,
        _: Authority,
        _: &Fingerprint,
        _: Fence,
    ) -> Result<(String, Secret), Failure> {
        not_here()
    }
}
