//! What the services hand on to: one trait a concern, implemented by the part of the daemon that has it.
//!
//! A service has parsed the request and the server has checked the caller's role before any of these is called.

use std::sync::Arc;

use hactl_proto::Timestamp;
use hactl_proto::certificate::{CertificateInventory, RenewalRehearsal};
use hactl_proto::finding::Finding;
use hactl_proto::gossip::{GossipRing, KeyRingSeen};
use hactl_proto::instruction::{Fence, Instruction, OperationId};
use hactl_proto::join::{Admission, Applicant};
use hactl_proto::journal::JournalEntry;
use hactl_proto::member::MemberView;
use hactl_proto::name::NodeName;
use hactl_proto::report::{OperationStatus, Outcome, ReportEvent};
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
use tokio::sync::mpsc::Receiver;

use super::caller::Caller;
use super::failure::Failure;

/// What this node is and how it is. Nothing here changes it.
#[tonic::async_trait]
pub trait Observation: Send + Sync + 'static {
    /// The node's status, from what is known already.
    async fn status(&self) -> Result<NodeStatus, Failure>;
    /// Runs every check now and says when.
    async fn inspect(&self) -> Result<(Vec<Finding>, Timestamp), Failure>;
    /// The journal's entries, oldest first; of one operation, or of all; the newest `last` of them where given.
    async fn journal(
        &self,
        operation: Option<OperationId>,
        last: Option<usize>,
    ) -> Result<Vec<JournalEntry>, Failure>;
}

/// The gate of operations: one at a time.
#[tonic::async_trait]
pub trait Operations: Send + Sync + 'static {
    /// Accepts the instruction and tells its story from the beginning, to the end event. A receiver that is dropped does
    /// not end the operation. [`Failure::Running`] while another one runs.
    async fn execute(&self, instruction: Instruction) -> Result<Receiver<ReportEvent>, Failure>;
    /// The operation of that id; without one the operation under way, else the last.
    async fn operation(&self, id: Option<OperationId>) -> Result<Option<OperationStatus>, Failure>;
}

/// Who lives, as this node believes it.
#[tonic::async_trait]
pub trait Membership: Send + Sync + 'static {
    /// This node's name and its view of every member, itself included.
    async fn members(&self) -> Result<(NodeName, Vec<MemberView>), Failure>;
    /// Merges a peer's encoded state and answers with this node's: version of the encoding, then the bytes.
    async fn exchange(
        &self,
        peer: &NodeName,
        version: u32,
        state: Vec<u8>,
    ) -> Result<(u32, Vec<u8>), Failure>;
}

/// This node's standing in the first boot. Answers are durable before they are given.
#[tonic::async_trait]
pub trait Bootstrap: Send + Sync + 'static {
    /// What the node says of itself.
    async fn standing(&self) -> Result<StandingAnswer, Failure>;
    /// A control plane asks for this node's grant.
    async fn request_grant(
        &self,
        caller: &NodeName,
        request: GrantRequest,
    ) -> Result<GrantVerdict, Failure>;
    /// A control plane says that there is a cluster.
    async fn announce_member(
        &self,
        caller: &NodeName,
        announcement: MemberAnnouncement,
    ) -> Result<Result<(), GrantRefusal>, Failure>;
    /// The operator raises the epoch.
    async fn override_grant(&self, word: Override) -> Result<Result<(), GrantRefusal>, Failure>;
}

/// A member of the Kubernetes cluster lets others join through it.
#[tonic::async_trait]
pub trait Sponsor: Send + Sync + 'static {
    /// Tells what it waits for, then admits; the channel closes after [`Admission::Admitted`] or an error. The applicant's
    /// name and role are those of the caller's certificate.
    async fn admit(
        &self,
        applicant: Applicant,
    ) -> Result<Receiver<Result<Admission, Failure>>, Failure>;
    /// The joiner's outcome: verify, remove what was minted, let the lease go.
    async fn complete(&self, node: NodeName, outcome: Outcome) -> Result<(), Failure>;
}

/// How nodes get certificates from this one. Only control planes can.
#[tonic::async_trait]
pub trait Enrolment: Send + Sync + 'static {
    /// A worker without a certificate shows its token. Answers with the chain, PEM.
    async fn enrol(&self, token: Secret, csr: &str, node: NodeName) -> Result<String, Failure>;
    /// A worker with a certificate wants the next one. Answers with the chain, PEM.
    async fn renew(&self, caller: &Caller, csr: &str) -> Result<String, Failure>;
}

/// Credentials that kubeadm made on this node.
#[tonic::async_trait]
pub trait Kubeconfig: Send + Sync + 'static {
    /// `/etc/kubernetes/admin.conf`.
    async fn kubeconfig(&self) -> Result<Secret, Failure>;
}

/// A node's part in rolling upgrades besides its own.
#[tonic::async_trait]
pub trait Rollouts: Send + Sync + 'static {
    /// What an upgrade has to know of the node; of the cluster too where it is asked and this is a control plane.
    async fn survey(&self, cluster: bool) -> Result<NodeSurvey, Failure>;
    /// Keeps a package of hactl-agent whose bytes have that digest, durably; an earlier one is removed.
    async fn keep_package(&self, digest: PackageDigest, bytes: Vec<u8>) -> Result<(), Failure>;
    /// The rollout that is kept here.
    async fn rollout(&self) -> Result<Option<RolloutRecord>, Failure>;
    /// Keeps a newer one, durably; else gives what is kept instead.
    async fn keep(&self, record: RolloutRecord) -> Result<Option<RolloutRecord>, Failure>;
    /// Takes the cluster's lease for that holder.
    async fn take_lease(&self, who: &str) -> Result<LeaseAnswer, Failure>;
    /// Renews it; `false`: it is another's.
    async fn renew_lease(&self, who: &str, fence: Fence) -> Result<bool, Failure>;
    /// Lets it go.
    async fn release_lease(&self, who: &str, fence: Fence) -> Result<(), Failure>;
}

/// The node's certificates.
#[tonic::async_trait]
pub trait Certificates: Send + Sync + 'static {
    /// Every certificate and key, and what each port serves now.
    async fn inventory(&self) -> Result<CertificateInventory, Failure>;
    /// Renews what kubeadm signs here, and tells the story to the end event. A receiver that is dropped does not end it.
    async fn renew(&self, without_api: bool) -> Result<Receiver<ReportEvent>, Failure>;
    /// Goes through a renewal in a copy of this node's certificates and keys; nothing is changed.
    async fn rehearse(&self) -> Result<RenewalRehearsal, Failure>;
    /// Another control plane restarts its API server: this node's load balancer lets it go, or takes it back.
    async fn yield_backend(
        &self,
        caller: &NodeName,
        fence: Option<Fence>,
        release: bool,
    ) -> Result<(), Failure>;
    /// Signs for the kubelet of the calling node, whose own certificate has ended or is of a CA that is given up.
    async fn sign_kubelet(
        &self,
        caller: &NodeName,
        request: &str,
        serving: bool,
    ) -> Result<String, Failure>;
    /// This node's part in a CA.
    async fn trust(&self, authority: Authority) -> Result<TrustSeen, Failure>;
    /// Carries a rotation of a CA one stage on, and tells the story to the end event. A receiver that is dropped does not end it.
    async fn rotate(&self, turn: RotationTurn) -> Result<Receiver<ReportEvent>, Failure>;
    /// Certificate and key of a CA, for a control plane whose turn in its rotation it is.
    async fn give_pair(
        &self,
        caller: &NodeName,
        authority: Authority,
        of: &Fingerprint,
        fence: Fence,
    ) -> Result<(String, Secret), Failure>;
}

/// What agents know each other by.
#[tonic::async_trait]
pub trait MutualTrust: Send + Sync + 'static {
    /// Which gossip keys are in use.
    async fn key_ring(&self) -> Result<KeyRingSeen, Failure>;
    /// Takes another ring, durably and at once.
    async fn put_key_ring(&self, ring: GossipRing) -> Result<(), Failure>;
    /// This node's part in hactl's own CA.
    async fn own_trust(&self) -> Result<OwnTrustSeen, Failure>;
    /// Believes in other roots, durably and at once.
    async fn put_roots(&self, revision: u64, roots: &str) -> Result<(), Failure>;
    /// A control plane's request for another issuer, PEM.
    async fn request_issuer(&self) -> Result<String, Failure>;
    /// The certificate for it, PEM: this node signs with it from now on.
    async fn put_issuer(&self, revision: u64, certificate: &str) -> Result<(), Failure>;
    /// Gets this node's next certificate, of that root.
    async fn renew_identity(&self, to: &Fingerprint) -> Result<(), Failure>;
}

/// All of them, as the daemon wires them up.
#[derive(Clone)]
pub struct Duties {
    /// Status, doctor, journal.
    pub observation: Arc<dyn Observation>,
    /// The gate.
    pub operations: Arc<dyn Operations>,
    /// Gossip's table.
    pub membership: Arc<dyn Membership>,
    /// Standing and grants.
    pub bootstrap: Arc<dyn Bootstrap>,
    /// Joins.
    pub sponsor: Arc<dyn Sponsor>,
    /// Certificates.
    pub enrolment: Arc<dyn Enrolment>,
    /// admin.conf.
    pub kubeconfig: Arc<dyn Kubeconfig>,
    /// Rolling upgrades.
    pub rollouts: Arc<dyn Rollouts>,
    /// Kubernetes' certificates.
    pub certificates: Arc<dyn Certificates>,
    /// Gossip keys, and hactl's own CA.
    pub mutual_trust: Arc<dyn MutualTrust>,
}
