//! The cluster as a member reads and changes it for a join: kubectl at this node's own API server.

use std::net::IpAddr;
use std::time::Duration;

use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::facts::Known;
use hactl_node_plan::join::lease::{self, Lease};
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::output::{
    self, Conflict, ListedToken, NodeObject, config_map, conflict, last_line, listed_tokens,
    transient,
};
use hactl_proto::name::NodeName;

use super::JoinError;
use crate::host::{Host, HostError};

const NAMESPACE: &str = "kube-system";
/// Tries of a command that the API did not answer, or put off.
const ATTEMPTS: u32 = 5;
/// After the first of them; doubled after each. In all they are shorter than the lease.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// kubectl on this member.
pub(crate) struct Cluster<'a, H> {
    host: &'a H,
    kubectl: Kubectl,
}

impl<'a, H: Host> Cluster<'a, H> {
    pub(crate) fn new(host: &'a H, address: IpAddr) -> Self {
        Self {
            host,
            kubectl: Kubectl::admin(address),
        }
    }

    /// Through the endpoint: for a member whose own API server is away.
    pub(crate) const fn at_endpoint(host: &'a H) -> Self {
        Self {
            host,
            kubectl: Kubectl::admin_at_endpoint(),
        }
    }

    /// Runs a command; where the API server is away for a moment, a few times. Each command here may be repeated: what a lost answer
    /// had done already is a conflict that is looked at, or a token that goes with the others of its joiner.
    async fn ask(&self, command: &Command) -> Result<Output, HostError> {
        let mut pause = FIRST_PAUSE;
        for attempt in 1..ATTEMPTS {
            let reason = match self.host.run(command).await {
                Ok(output) => match transient(&output) {
                    Some(reason) => reason,
                    None => return Ok(output),
                },
                Err(error @ HostError::Limit { .. }) => error.to_string(),
                Err(error) => return Err(error),
            };
            tracing::info!(
                attempt,
                reason,
                "the API did not do {}; again in {pause:?}",
                command.line()
            );
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        self.host.run(command).await
    }

    /// Runs a command that has to succeed.
    pub(super) async fn run(&self, command: &Command) -> Result<Output, JoinError> {
        let output = self.ask(command).await?;
        if output.success() {
            return Ok(output);
        }
        Err(JoinError::Program {
            line: command.line(),
            words: last_line(&output.stderr),
        })
    }

    /// All bootstrap tokens, by name and description.
    pub(super) async fn tokens(&self) -> Result<Vec<ListedToken>, JoinError> {
        let output = self.run(&self.kubectl.bootstrap_tokens()).await?;
        Ok(listed_tokens(&output.stdout))
    }

    /// Whether the API has this Secret; its contents are not asked for.
    pub(super) async fn has_secret(&self, name: &str) -> Result<bool, JoinError> {
        let output = self.run(&self.kubectl.names(NAMESPACE, "secrets")).await?;
        Ok(output
            .stdout
            .lines()
            .any(|line| line.strip_prefix("secret/") == Some(name)))
    }

    /// Removes Secrets.
    pub(super) async fn delete_secrets(&self, names: &[&str]) -> Result<(), JoinError> {
        if names.is_empty() {
            return Ok(());
        }
        let names = names.iter().copied();
        self.run(&self.kubectl.delete(NAMESPACE, "secret", names))
            .await?;
        Ok(())
    }

    /// Whether cluster-info is signed for this token: until then a join with it would not find the cluster.
    pub(super) async fn signed(&self, token_id: &str) -> Result<bool, JoinError> {
        let command = self
            .kubectl
            .object("kube-public", "configmap", "cluster-info");
        let output = self.run(&command).await?;
        let signature = format!("jws-kubeconfig-{token_id}");
        Ok(config_map(&output.stdout).is_some_and(|data| data.contains_key(&signature)))
    }

    /// A Node.
    pub(super) async fn node(&self, name: &NodeName) -> Known<Option<NodeObject>> {
        match self.ask(&self.kubectl.node(name)).await {
            Ok(answer) => output::object(&answer, output::node),
            Err(error) => Known::Unknown(error.to_string()),
        }
    }

    /// Removes a Node object.
    pub(super) async fn delete_node(&self, name: &NodeName) -> Result<(), JoinError> {
        self.run(&self.kubectl.delete_node(name)).await?;
        Ok(())
    }

    /// The lease, if there is one.
    pub(crate) async fn lease(&self) -> Result<Option<Lease>, JoinError> {
        let command = self.kubectl.object(lease::NAMESPACE, "lease", lease::NAME);
        let output = self.ask(&command).await?;
        match output::object(&output, lease::read) {
            Known::Is(lease) => Ok(lease),
            Known::Unknown(observed) => Err(JoinError::State {
                what: "read the lease kube-system/hactl".to_owned(),
                observed,
            }),
        }
    }

    /// Creates the lease; `false`: somebody was first.
    pub(crate) async fn create_lease(&self, object: &str) -> Result<bool, JoinError> {
        self.written(&self.kubectl.create(object)).await
    }

    /// Replaces the lease as it was read; `false`: somebody was first.
    pub(crate) async fn replace_lease(&self, object: &str) -> Result<bool, JoinError> {
        self.written(&self.kubectl.replace(object)).await
    }

    async fn written(&self, command: &Command) -> Result<bool, JoinError> {
        let output = self.ask(command).await?;
        match conflict(&output) {
            None => Ok(true),
            Some(Conflict::Lost) => Ok(false),
            Some(Conflict::Other) => Err(JoinError::Program {
                line: command.line(),
                words: last_line(&output.stderr),
            }),
        }
    }
}
