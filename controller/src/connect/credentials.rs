//! A person's credentials: three PEM files. The cluster is the one that the certificate names.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use hactl_proto::mtls::{Certified, Credential, Dialer, Limits, Trust};
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::secret::Secret;

use super::agent::Agent;
use super::error::CallError;
use crate::trust::Person;

/// What a person reaches agents with.
#[derive(Debug, Clone)]
pub struct Credentials {
    own: Arc<Credential>,
    dialer: Dialer,
}

impl Credentials {
    /// The person of that name in the operator's folder: `operator`, or a viewer's name.
    pub fn in_folder(folder: &Path, name: &NodeName, limits: Limits) -> Result<Self, CallError> {
        Self::from_files(&folder.join("ca.crt"), &Person::named(folder, name), limits)
    }

    /// From files anywhere: a viewer has no more than these three.
    pub fn from_files(ca: &Path, person: &Person, limits: Limits) -> Result<Self, CallError> {
        let certificate = read(&person.certificate)?;
        let key = Secret::new(read(&person.key)?);
        let own = Arc::new(Credential::new(&certificate, &key)?);
        let trust = Arc::new(Trust::new(own.certified().subject.cluster, &read(ca)?)?);
        let dialer = Dialer::new(trust, Some(own.clone()), limits);
        Ok(Self { own, dialer })
    }

    /// What the person's certificate says: role, name, when it ends.
    pub fn certified(&self) -> Certified {
        self.own.certified()
    }

    /// The cluster.
    pub fn cluster(&self) -> ClusterId {
        self.own.certified().subject.cluster
    }

    /// Connects to the agent of a node, which is verified by its name.
    pub async fn connect(&self, node: &NodeName, address: SocketAddr) -> Result<Agent, CallError> {
        let channel = self.dialer.connect(node, address).await?;
        Ok(Agent::new(node.clone(), channel))
    }
}

fn read(path: &Path) -> Result<String, CallError> {
    fs::read_to_string(path).map_err(|source| CallError::File {
        path: path.to_owned(),
        source,
    })
}
