//! `certs test`: each control plane goes through a renewal in a copy and says what would fail.

use clap::Args;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;

use super::super::Common;
use super::super::session::{Session, wait};
use crate::exit::{Exit, Failure};
use crate::observe::{chain, declared};
use crate::present::{NodeRehearsal, RehearsalView, Screen};

/// Go through a renewal in a copy of each control plane's certificates, and say what would fail; nothing is changed
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller certs test
  hactl-controller certs test cp2

kubeadm runs as it would for a renewal, in a unit in which /etc/kubernetes is a copy. Ends with 0 when every certificate was renewed there,
with 3 when something would fail, with 4 when a control plane could not try.")]
pub(in crate::cli) struct Test {
    /// Only these control planes
    #[arg(value_name = "NODE")]
    nodes: Vec<NodeName>,
}

impl Test {
    pub(in crate::cli) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let session = Session::open(common)?;
        let mut targets = declared(&session.kept.spec);
        targets.retain(|target| target.role == NodeRole::ControlPlane);
        let known = |name: &&NodeName| !targets.iter().any(|target| target.name == **name);
        if let Some(name) = self.nodes.iter().find(known) {
            return Err(Failure::Usage(format!(
                "{name} is no control plane of the spec: kubeadm renews nothing on it"
            )));
        }
        if !self.nodes.is_empty() {
            targets.retain(|target| self.nodes.contains(&target.name));
        }
        let view = wait(async {
            let mut nodes = Vec::new();
            for target in &targets {
                screen.note(&format!("{}: renews in a copy", target.name));
                let came_to = match session.operator.agent(target).await {
                    Ok(agent) => agent
                        .rehearse_renewal()
                        .await
                        .map_err(|error| chain(&error)),
                    Err(error) => Err(chain(&error)),
                };
                nodes.push(NodeRehearsal::of(target.name.clone(), came_to));
            }
            Ok(RehearsalView { nodes })
        })?;
        screen.show(&view)?;
        Ok(view.exit())
    }
}
