//! The way to real agents: gRPC with a person's certificate.

use std::error::Error;
use std::path::Path;
use std::time::Duration;

use hactl_proto::certificate::CertificateInventory;
use hactl_proto::finding::Finding;
use hactl_proto::member::MemberView;
use hactl_proto::mtls::Limits;
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::status::NodeStatus;

use super::{Converse, Kept, Reach, Target};
use crate::connect::{Agent, CallError, Credentials};

/// A person with the files that let agents believe who it is.
#[derive(Debug, Clone)]
pub struct Operator(Credentials);

impl Operator {
    /// From a state folder, by the person's name there.
    pub fn in_folder(folder: &Path, person: &NodeName, limit: Duration) -> Result<Self, CallError> {
        let limits = Limits {
            connect: limit,
            answer: limit,
        };
        Credentials::in_folder(folder, person, limits).map(Self)
    }

    /// The cluster that the certificate names.
    pub fn cluster(&self) -> ClusterId {
        self.0.cluster()
    }

    /// Connects to one agent.
    pub async fn agent(&self, target: &Target) -> Result<Agent, CallError> {
        self.0.connect(&target.name, target.address).await
    }
}

impl Reach for Operator {
    type Agent = Agent;

    async fn reach(&self, target: &Target) -> Result<Agent, String> {
        self.agent(target).await.map_err(|error| chain(&error))
    }
}

impl Converse for Agent {
    async fn status(&self) -> Result<NodeStatus, String> {
        Self::status(self).await.map_err(|error| chain(&error))
    }

    async fn members(&self) -> Result<Vec<MemberView>, String> {
        let answer = Self::members(self).await;
        answer
            .map(|(_, views)| views)
            .map_err(|error| chain(&error))
    }

    async fn inspect(&self) -> Result<Vec<Finding>, String> {
        let answer = Self::inspect(self).await;
        answer
            .map(|(findings, _)| findings)
            .map_err(|error| chain(&error))
    }

    async fn rollout(&self) -> Kept {
        Self::rollout(self).await.map_err(|error| chain(&error))
    }

    async fn certificates(&self) -> Result<CertificateInventory, String> {
        Self::certificates(self)
            .await
            .map_err(|error| chain(&error))
    }
}

/// An error with its causes, as one text.
pub fn chain(error: &dyn Error) -> String {
    let mut text = format!("failed to {error}");
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
