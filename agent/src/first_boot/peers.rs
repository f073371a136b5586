//! The other declared control planes, as the first boot talks to them.

use std::future::Future;

use hactl_proto::instruction::{Fence, JoinCredentials};
use hactl_proto::join::Applicant;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, Waiting};
use hactl_proto::spec::DeclaredNode;
use hactl_proto::standing::{GrantRequest, GrantVerdict, MemberAnnouncement, StandingAnswer};
use tokio::sync::mpsc::UnboundedSender;

/// A peer did not answer, or not with what was asked. Nothing follows from silence.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{peer}: {reason}")]
pub struct PeerError {
    /// Whom it was asked of.
    pub peer: NodeName,
    /// What happened.
    pub reason: String,
}

/// What a member gives to a node that it admits.
#[derive(Debug)]
pub struct Admitted {
    /// Minted for this join.
    pub credentials: JoinCredentials,
    /// The lease's number, for control planes.
    pub fence: Option<Fence>,
}

/// Calls to other control planes, each bounded in time by the implementation.
pub trait Peers: Send + Sync + 'static {
    /// What it is.
    fn standing(
        &self,
        peer: &DeclaredNode,
    ) -> impl Future<Output = Result<StandingAnswer, PeerError>> + Send;
    /// Asks for its grant; it is durable there when this returns.
    fn request_grant(
        &self,
        peer: &DeclaredNode,
        request: GrantRequest,
    ) -> impl Future<Output = Result<GrantVerdict, PeerError>> + Send;
    /// Says that there is a cluster.
    fn announce(
        &self,
        peer: &DeclaredNode,
        announcement: MemberAnnouncement,
    ) -> impl Future<Output = Result<(), PeerError>> + Send;
    /// Asks to be admitted; what it waits for meanwhile goes to `waiting`.
    fn admit(
        &self,
        peer: &DeclaredNode,
        applicant: Applicant,
        waiting: UnboundedSender<Waiting>,
    ) -> impl Future<Output = Result<Admitted, PeerError>> + Send;
    /// Says how the join went.
    fn complete(
        &self,
        peer: &DeclaredNode,
        node: NodeName,
        outcome: Outcome,
    ) -> impl Future<Output = Result<(), PeerError>> + Send;
}
