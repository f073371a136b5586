//! One node's agent: a typed call each. Cheap to clone; calls share one connection.

mod certificates;

use hactl_proto::Timestamp;
use hactl_proto::finding::Finding;
use hactl_proto::instruction::{Fence, Instruction, OperationId};
use hactl_proto::journal::JournalEntry;
use hactl_proto::member::MemberView;
use hactl_proto::name::NodeName;
use hactl_proto::report::{OperationStatus, ReportEvent};
use hactl_proto::rollout::agent::PackageDigest;
use hactl_proto::rollout::survey::NodeSurvey;
use hactl_proto::rollout::{LeaseAnswer, RolloutRecord};
use hactl_proto::secret::Secret;
use hactl_proto::standing::{GrantRefusal, Override, StandingAnswer};
use hactl_proto::status::NodeStatus;
use hactl_proto::wire::v1::bootstrap_service_client::BootstrapServiceClient;
use hactl_proto::wire::v1::credential_service_client::CredentialServiceClient;
use hactl_proto::wire::v1::membership_service_client::MembershipServiceClient;
use hactl_proto::wire::v1::node_service_client::NodeServiceClient;
use hactl_proto::wire::v1::operation_service_client::OperationServiceClient;
use hactl_proto::wire::v1::rollout_service_client::RolloutServiceClient;
use hactl_proto::wire::{WireError, field, list, moment, optional, text, v1};
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::error::CallError;

/// The largest survey: a cluster of some thousand nodes.
const SURVEY_BYTES: usize = 8 << 20;
/// A part of a package: well below the largest request that an agent takes.
const CHUNK_BYTES: usize = 256 << 10;

/// The agent of one node.
#[derive(Debug, Clone)]
pub struct Agent {
    node: NodeName,
    channel: Channel,
}

/// An operation's story as the agent tells it.
#[derive(Debug)]
pub struct Story {
    node: NodeName,
    events: Streaming<v1::ExecuteResponse>,
}

impl Agent {
    pub(super) const fn new(node: NodeName, channel: Channel) -> Self {
        Self { node, channel }
    }

    /// The node.
    pub const fn node(&self) -> &NodeName {
        &self.node
    }

    /// What the node says of itself.
    pub async fn status(&self) -> Result<NodeStatus, CallError> {
        let answer = NodeServiceClient::new(self.channel.clone())
            .get_status(v1::GetStatusRequest {})
            .await
            .map_err(self.refused("the status"))?;
        self.read(field("status", answer.into_inner().status))
    }

    /// Every prerequisite that does not hold, looked at now, and when that was.
    pub async fn inspect(&self) -> Result<(Vec<Finding>, Timestamp), CallError> {
        let answer = NodeServiceClient::new(self.channel.clone())
            .inspect(v1::InspectRequest {})
            .await
            .map_err(self.refused("an inspection"))?
            .into_inner();
        let findings = self.read(list("findings", answer.findings))?;
        let at = self.read(moment("at", answer.at))?;
        Ok((findings, at))
    }

    /// The journal, oldest entry first; of one operation or of all, the newest `last` where given.
    pub async fn journal(
        &self,
        operation: Option<&OperationId>,
        last: Option<u32>,
    ) -> Result<Vec<JournalEntry>, CallError> {
        let request = v1::ReadJournalRequest {
            operation: operation.map(ToString::to_string),
            last: last.unwrap_or(0),
        };
        let mut answers = NodeServiceClient::new(self.channel.clone())
            .read_journal(request)
            .await
            .map_err(self.refused("the journal"))?
            .into_inner();
        let mut entries = Vec::new();
        while let Some(answer) = answers
            .message()
            .await
            .map_err(self.refused("the journal"))?
        {
            entries.push(self.read(field("entry", answer.entry))?);
        }
        Ok(entries)
    }

    /// Who answers, and what it believes of every member.
    pub async fn members(&self) -> Result<(NodeName, Vec<MemberView>), CallError> {
        let answer = MembershipServiceClient::new(self.channel.clone())
            .list_members(v1::ListMembersRequest {})
            .await
            .map_err(self.refused("the members"))?
            .into_inner();
        let observer = self.read(text("observer", &answer.observer))?;
        let members = self.read(list("members", answer.members))?;
        Ok((observer, members))
    }

    /// What a control plane is in the first boot.
    pub async fn standing(&self) -> Result<StandingAnswer, CallError> {
        let answer = BootstrapServiceClient::new(self.channel.clone())
            .get_standing(v1::GetStandingRequest {})
            .await
            .map_err(self.refused("the standing"))?;
        self.read(field("answer", answer.into_inner().answer))
    }

    /// Raises the epoch of the first boot on this node; the inner error is the node's refusal.
    pub async fn override_grant(
        &self,
        word: Override,
    ) -> Result<Result<(), GrantRefusal>, CallError> {
        let request = v1::OverrideGrantRequest {
            r#override: Some(word.into()),
        };
        let answer = BootstrapServiceClient::new(self.channel.clone())
            .override_grant(request)
            .await
            .map_err(self.refused("the override"))?;
        let refused = self.read(optional("refused", answer.into_inner().refused))?;
        Ok(refused.map_or(Ok(()), Err))
    }

    /// kubeadm's admin.conf of a control plane.
    pub async fn kubeconfig(&self) -> Result<Secret, CallError> {
        let answer = CredentialServiceClient::new(self.channel.clone())
            .get_kubeconfig(v1::GetKubeconfigRequest {})
            .await
            .map_err(self.refused("the kubeconfig"))?;
        Ok(Secret::new(answer.into_inner().kubeconfig))
    }

    /// What the node says of itself before an upgrade; of the cluster too where asked, at a control plane.
    pub async fn survey(&self, cluster: bool) -> Result<NodeSurvey, CallError> {
        let answer = RolloutServiceClient::new(self.channel.clone())
            .max_decoding_message_size(SURVEY_BYTES)
            .survey(v1::SurveyRequest { cluster })
            .await
            .map_err(self.refused("a survey"))?;
        let survey = serde_json::from_str(&answer.into_inner().survey);
        self.read(survey.map_err(|error| WireError::wrong("survey", error)))
    }

    /// The rollout that this control plane keeps.
    pub async fn rollout(&self) -> Result<Option<RolloutRecord>, CallError> {
        let answer = RolloutServiceClient::new(self.channel.clone())
            .get_rollout(v1::GetRolloutRequest {})
            .await
            .map_err(self.refused("the rollout"))?;
        self.read(optional("rollout", answer.into_inner().rollout))
    }

    /// Has this control plane keep a rollout; gives what it keeps instead where that is newer.
    pub async fn keep_rollout(
        &self,
        record: RolloutRecord,
    ) -> Result<Option<RolloutRecord>, CallError> {
        let request = v1::PutRolloutRequest {
            rollout: Some(record.into()),
        };
        let answer = RolloutServiceClient::new(self.channel.clone())
            .put_rollout(request)
            .await
            .map_err(self.refused("the rollout kept"))?;
        self.read(optional("kept", answer.into_inner().kept))
    }

    /// Takes the cluster's lease through this control plane.
    pub async fn take_lease(&self, holder: &str) -> Result<LeaseAnswer, CallError> {
        let request = v1::TakeLeaseRequest {
            holder: holder.to_owned(),
        };
        let answer = RolloutServiceClient::new(self.channel.clone())
            .take_lease(request)
            .await
            .map_err(self.refused("the lease"))?;
        self.read(LeaseAnswer::try_from(answer.into_inner()))
    }

    /// Renews it; `false`: it is another's.
    pub async fn renew_lease(&self, holder: &str, fence: Fence) -> Result<bool, CallError> {
        let request = v1::RenewLeaseRequest {
            holder: holder.to_owned(),
            fence: fence.0,
        };
        let answer = RolloutServiceClient::new(self.channel.clone())
            .renew_lease(request)
            .await
            .map_err(self.refused("the lease renewed"))?;
        Ok(answer.into_inner().held)
    }

    /// Lets it go.
    pub async fn release_lease(&self, holder: &str, fence: Fence) -> Result<(), CallError> {
        let request = v1::ReleaseLeaseRequest {
            holder: holder.to_owned(),
            fence: fence.0,
        };
        RolloutServiceClient::new(self.channel.clone())
            .release_lease(request)
            .await
            .map_err(self.refused("the lease released"))?;
        Ok(())
    }

    /// Brings a package of hactl-agent to the node, in parts. Nothing is put in.
    pub async fn bring_package(
        &self,
        digest: PackageDigest,
        bytes: &[u8],
    ) -> Result<(), CallError> {
        let first = v1::put_package_request::Part::Digest(digest.to_string());
        let chunks = bytes
            .chunks(CHUNK_BYTES)
            .map(|chunk| v1::put_package_request::Part::Chunk(chunk.to_vec()));
        let parts: Vec<v1::PutPackageRequest> = std::iter::once(first)
            .chain(chunks)
            .map(|part| v1::PutPackageRequest { part: Some(part) })
            .collect();
        RolloutServiceClient::new(self.channel.clone())
            .put_package(tonic::codegen::tokio_stream::iter(parts))
            .await
            .map_err(self.refused("the package kept"))?;
        Ok(())
    }

    /// Gives an instruction. Dropping the story does not end the operation.
    pub async fn execute(&self, instruction: Instruction) -> Result<Story, CallError> {
        let request = v1::ExecuteRequest {
            instruction: Some(instruction.into()),
        };
        let events = OperationServiceClient::new(self.channel.clone())
            .execute(request)
            .await
            .map_err(self.refused("the operation"))?
            .into_inner();
        Ok(Story {
            node: self.node.clone(),
            events,
        })
    }

    /// An operation by its id, else the one under way, else the last.
    pub async fn operation(
        &self,
        id: Option<&OperationId>,
    ) -> Result<Option<OperationStatus>, CallError> {
        let request = v1::GetOperationRequest {
            id: id.map(ToString::to_string),
        };
        let answer = OperationServiceClient::new(self.channel.clone())
            .get_operation(request)
            .await
            .map_err(self.refused("the operation"))?;
        self.read(optional("operation", answer.into_inner().operation))
    }

    fn refused(&self, what: &'static str) -> impl Fn(Status) -> CallError {
        let node = self.node.clone();
        move |status| CallError::refused(what, &node, &status)
    }

    fn read<T>(&self, answer: Result<T, WireError>) -> Result<T, CallError> {
        answer.map_err(|source| CallError::Answer {
            node: self.node.clone(),
            source,
        })
    }
}

impl Story {
    /// The next event; `None` after the last.
    pub async fn next(&mut self) -> Result<Option<ReportEvent>, CallError> {
        let answer = self
            .events
            .message()
            .await
            .map_err(|status| CallError::refused("the operation", &self.node, &status))?;
        optional("event", answer.and_then(|answer| answer.event)).map_err(|source| {
            CallError::Answer {
                node: self.node.clone(),
                source,
            }
        })
    }
}
