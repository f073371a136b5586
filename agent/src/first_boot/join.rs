//! The joining side: a member is asked to admit this node, the join is carried out under what it minted, and it is told the end.

use std::time::Duration;

use hactl_proto::instruction::{Instruction, Order};
use hactl_proto::join::Applicant;
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::DeclaredNode;
use tokio::sync::mpsc::unbounded_channel;

use super::peers::{Admitted, PeerError, Peers};
use super::{AT_ONCE, FirstBoot, ROUND, here};
use crate::host::Host;
use crate::standing::StandingError;

impl<H: Host, P: Peers> FirstBoot<H, P> {
    /// Admitted by a member, it joins, and says how it went. What an earlier attempt left is cleaned by the join's own plan, which
    /// knows what it may go on from. A worker's plan does not where its kubelet's rights are damaged: it is cleaned before.
    pub(super) async fn join(
        &mut self,
        role: NodeRole,
        via: &[NodeName],
        clean: bool,
    ) -> Result<Duration, StandingError> {
        let mut members = self.declared(via);
        if members.is_empty() {
            return Ok(ROUND);
        }
        // Another one after each that did not admit.
        let member = members.swap_remove(self.not_admitted % members.len());
        let admitted = match self.admitted(role, &member).await {
            Ok(admitted) => admitted,
            Err(error) => {
                let condition = format!("{} to admit this node", member.name);
                self.say(&condition, &error.reason);
                self.not_admitted += 1;
                return Ok(self.rest_unadmitted());
            }
        };
        self.not_admitted = 0;
        let order = match role {
            NodeRole::ControlPlane => Order::JoinControlPlane(admitted.credentials),
            NodeRole::Worker => Order::JoinWorker(admitted.credentials),
        };
        let fenced = |instruction: Instruction| Instruction {
            fence: admitted.fence,
            ..instruction
        };
        let mut outcome = Outcome::Succeeded;
        if clean {
            outcome = self.outcome(fenced(self.instruction(Order::Clean))).await;
        }
        if outcome == Outcome::Succeeded {
            outcome = self.outcome(fenced(self.instruction(order))).await;
        }
        let joined = outcome == Outcome::Succeeded;
        self.completed = false;
        self.complete(Some(&member), outcome).await;
        if !joined {
            return Ok(self.rest());
        }
        // The operation looked: all is there. What is on the disk names the cluster.
        let node = self.operations.node();
        let lying = here::read(&*self.host, &node, &self.paths).await;
        let known = self.standing.record().await;
        match lying.identity {
            Some(identity)
                if lying.complete
                    && known
                        .identity()
                        .is_some_and(|known| known.shares_ca(&identity)) =>
            {
                self.settle(identity).await
            }
            _ => Ok(AT_ONCE),
        }
    }

    /// Tells a member how the join went, the one that admitted first: any can remove what was minted and let the lease go. Who
    /// admitted is not known any more after a restart. If none takes it, the members sweep it when the lease ran out.
    pub(super) async fn complete(&mut self, admitted_by: Option<&DeclaredNode>, outcome: Outcome) {
        let node = self.operations.node();
        let others = node.spec.control_planes.iter().filter(|member| {
            member.name != node.node && admitted_by.is_none_or(|first| first.name != member.name)
        });
        for member in admitted_by.into_iter().chain(others) {
            if self.completed {
                return;
            }
            let told = self
                .peers
                .complete(member, node.node.clone(), outcome.clone());
            match told.await {
                Ok(()) => self.completed = true,
                Err(error) => {
                    tracing::warn!(%error, "a member could not complete the join; the next is told");
                }
            }
        }
    }

    async fn admitted(&self, role: NodeRole, member: &DeclaredNode) -> Result<Admitted, PeerError> {
        let node = self.operations.node();
        let applicant = Applicant {
            node: node.node.clone(),
            role,
            address: node.address,
        };
        let (sender, mut waits) = unbounded_channel();
        let asked = self.peers.admit(member, applicant, sender);
        tokio::pin!(asked);
        loop {
            tokio::select! {
                biased;
                admitted = &mut asked => return admitted,
                Some(wait) = waits.recv() => self.say(
                    &format!("{}: {}", member.name, wait.condition),
                    &wait.observed,
                ),
            }
        }
    }
}
