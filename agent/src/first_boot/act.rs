//! Does the one thing that comes next, and says how long to rest after it.

use std::time::Duration;

use hactl_node_plan::bootstrap::candidate;
use hactl_node_plan::bootstrap::next::{Missing, Next};
use hactl_node_plan::bootstrap::record::Record;
use hactl_node_plan::bootstrap::voter::{self, Caller};
use hactl_proto::finding::Finding;
use hactl_proto::instruction::{Instruction, Order};
use hactl_proto::join::Applicant;
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::DeclaredNode;
use hactl_proto::standing::{ClusterIdentity, GrantRefusal, GrantRequest, MemberAnnouncement};
use tokio::sync::mpsc::unbounded_channel;

use super::peers::{Admitted, PeerError, Peers};
use super::{AFTER_FAILURE, FirstBoot, ROUND, SETTLED_ROUND, WORKER_SLOW, WORKER_SOON, here};
use crate::host::Host;
use crate::standing::StandingError;

/// Look again at once: something changed.
const AT_ONCE: Duration = Duration::ZERO;

impl<H: Host, P: Peers> FirstBoot<H, P> {
    pub(super) async fn act(&mut self, next: Next) -> Result<Duration, StandingError> {
        Ok(match next {
            Next::Prepare => {
                self.carry_out(self.instruction(Order::Prepare)).await;
                // What cannot be mended is not tried every second.
                self.rest()
            }
            Next::Learn { identity, epoch } => self.learn(&identity, epoch).await?,
            Next::AwaitPeers { missing } => {
                let silent = self.silent(&missing);
                self.say("every declared control plane to answer", &silent);
                ROUND
            }
            Next::RequestGrants {
                request,
                from,
                refusals,
            } => self.request_grants(request, from, &refusals).await?,
            Next::Init(record) => self.init(record).await?,
            Next::AwaitMember { candidate, missing } => {
                self.await_member(candidate.as_ref(), &missing);
                self.rest_while_waiting()
            }
            Next::AwaitHealth => {
                self.say("this node's components to be healthy", "they are not yet");
                ROUND
            }
            Next::Settle(identity) => {
                self.complete_after_restart().await;
                self.settle(identity).await?
            }
            Next::Join { role, via, clean } => self.join(role, &via, clean).await?,
            Next::Done => self.done(),
            Next::Refuse { findings } => self.refuse(findings),
        })
    }

    async fn learn(
        &self,
        identity: &ClusterIdentity,
        epoch: u64,
    ) -> Result<Duration, StandingError> {
        let rule = |record: &Record| voter::adopt(record, epoch, identity).map(|next| (next, ()));
        if let Err(refusal) = self.standing.change(rule).await? {
            tracing::warn!(%refusal, "this node does not take the cluster for its own");
            return Ok(ROUND);
        }
        tracing::info!(
            ca = identity.ca_fingerprint,
            "there is a cluster: this node joins it"
        );
        Ok(AT_ONCE)
    }

    /// Promises to itself first: the same rule as any voter's.
    async fn request_grants(
        &mut self,
        request: GrantRequest,
        from: Vec<NodeName>,
        refusals: &[(NodeName, GrantRefusal)],
    ) -> Result<Duration, StandingError> {
        let node = self.operations.node();
        let caller = Caller::control_plane(node.node.clone());
        let lying = here::read(&*self.host, &node, &self.paths).await;
        let own = self
            .standing
            .change(|record| voter::grant(record, &node.spec, &lying.evidence, &caller, &request))
            .await?;
        if let Err(refusal) = own {
            tracing::warn!(%refusal, "this node does not grant to itself");
            return Ok(ROUND);
        }
        let said: Vec<String> = refusals
            .iter()
            .map(|(node, refusal)| format!("{node}: {refusal}"))
            .collect();
        let names: Vec<&str> = from.iter().map(NodeName::as_str).collect();
        let observed = if said.is_empty() {
            names.join(", ")
        } else {
            said.join("; ")
        };
        self.say("the grants of all that have to grant", &observed);
        let of = self.declared(&from);
        let peers = std::sync::Arc::clone(&self.peers);
        self.hearing.request_grants(&peers, of, &request).await;
        // With nothing refused before, the answers decide now.
        Ok(if refusals.is_empty() { AT_ONCE } else { ROUND })
    }

    /// The record says that an init may have begun before it begins.
    async fn init(&mut self, begun: Record) -> Result<Duration, StandingError> {
        let rule = |record: &Record| candidate::begin(record, &begun).map(|next| (next, ()));
        if let Err(refusal) = self.standing.change(rule).await? {
            tracing::warn!(%refusal, "something changed before the init began");
            return Ok(ROUND);
        }
        if !self.carry_out(self.instruction(Order::Init)).await {
            return Ok(self.rest());
        }
        let node = self.operations.node();
        let lying = here::read(&*self.host, &node, &self.paths).await;
        match lying.identity {
            Some(identity) if lying.complete => self.settle(identity).await,
            _ => Ok(self.rest()),
        }
    }

    /// Writes that the node is settled, then tells the others; whoever misses it hears it when it asks.
    async fn settle(&mut self, identity: ClusterIdentity) -> Result<Duration, StandingError> {
        let before = self.standing.record().await;
        let known = before
            .identity()
            .and_then(|known| known.etcd_cluster_id.clone());
        let identity = ClusterIdentity {
            etcd_cluster_id: identity.etcd_cluster_id.or(known),
            ..identity
        };
        let rule = |record: &Record| {
            let settled = record.settled(identity.clone());
            Ok::<_, GrantRefusal>((settled.clone(), settled))
        };
        let Ok(settled) = self.standing.change(rule).await? else {
            return Ok(ROUND);
        };
        tracing::info!(
            ca = identity.ca_fingerprint,
            "this node is settled in its cluster"
        );
        let node = self.operations.node();
        if node.role == NodeRole::ControlPlane {
            let announcement = MemberAnnouncement {
                node: settled.node.clone(),
                instance: settled.instance,
                cluster: settled.cluster,
                epoch: settled.epoch,
                identity,
            };
            self.announce(&announcement).await;
        }
        Ok(AT_ONCE)
    }

    async fn announce(&self, announcement: &MemberAnnouncement) {
        for peer in &self.operations.node().spec.control_planes {
            if peer.name == announcement.node {
                continue;
            }
            let told = self.peers.announce(peer, announcement.clone());
            let told = tokio::time::timeout(Duration::from_secs(3), told).await;
            if !matches!(told, Ok(Ok(()))) {
                tracing::debug!(peer = %peer.name, "did not take the announcement; it will ask");
            }
        }
    }

    /// Admitted by a member, it cleans what an earlier attempt left, joins, and says how it went.
    async fn join(
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
        let name = self.operations.node().node.clone();
        if let Err(error) = self.peers.complete(&member, name, outcome).await {
            tracing::warn!(%error, "the member could not complete the join; it sweeps what it minted later");
        }
        self.completed = true;
        if !joined {
            return Ok(self.rest());
        }
        // The operation looked: all is there. What is on the disk names the cluster.
        let node = self.operations.node();
        let lying = here::read(&*self.host, &node, &self.paths).await;
        let known = self.standing.record().await;
        let known = known.identity().map(|known| known.ca_fingerprint.clone());
        match lying.identity {
            Some(identity)
                if lying.complete && known.as_ref() == Some(&identity.ca_fingerprint) =>
            {
                self.settle(identity).await
            }
            _ => Ok(AT_ONCE),
        }
    }

    /// The join succeeded before the agent was ended: any member can remove what was minted and let the lease go.
    async fn complete_after_restart(&mut self) {
        let node = self.operations.node();
        for member in &node.spec.control_planes {
            if self.completed {
                return;
            }
            let name = node.node.clone();
            if member.name != name {
                let told = self.peers.complete(member, name, Outcome::Succeeded).await;
                self.completed = told.is_ok();
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
                admitted = &mut asked => return admitted,
                Some(wait) = waits.recv() => self.say(
                    &format!("{}: {}", member.name, wait.condition),
                    &wait.observed,
                ),
            }
        }
    }

    fn done(&mut self) -> Duration {
        self.failures = 0;
        self.progress.send_if_modified(|progress| {
            let settled = super::Progress {
                settled: true,
                ..super::Progress::default()
            };
            let changed = *progress != settled;
            *progress = settled;
            changed
        });
        SETTLED_ROUND
    }

    fn refuse(&mut self, findings: Vec<Finding>) -> Duration {
        self.progress.send_if_modified(|progress| {
            if progress.findings == findings {
                return false;
            }
            for finding in &findings {
                tracing::error!(
                    check = finding.check,
                    observed = finding.observed,
                    wanted = finding.wanted,
                    remedy = finding.remedy,
                    "the first boot stops until an operator looked"
                );
            }
            progress.waiting = None;
            progress.findings = findings;
            true
        });
        self.rest()
    }

    fn await_member(&self, candidate: Option<&NodeName>, missing: &Missing) {
        let condition = match candidate {
            Some(candidate) => format!("{candidate} to initialise the cluster"),
            None => "a member that serves the API".to_owned(),
        };
        let observed = if missing.is_empty() {
            "every control plane answers".to_owned()
        } else {
            self.silent(missing)
        };
        self.say(&condition, &observed);
    }

    /// Who is silent, since when, and why as far as is known.
    fn silent(&self, missing: &Missing) -> String {
        let one = |(node, since): &(NodeName, hactl_proto::Timestamp)| {
            let why = self.hearing.silence(node).unwrap_or("not asked yet");
            format!("{node} silent since {since:.0} ({why})")
        };
        missing.iter().map(one).collect::<Vec<_>>().join("; ")
    }

    /// Carries an instruction out; whether it succeeded.
    async fn carry_out(&mut self, instruction: Instruction) -> bool {
        self.outcome(instruction).await == Outcome::Succeeded
    }

    async fn outcome(&mut self, instruction: Instruction) -> Outcome {
        self.progress
            .send_if_modified(|progress| progress.waiting.take().is_some());
        let step = instruction.order.kind().to_owned();
        let failed = |error: String| Outcome::Failed {
            step,
            error,
            done: Vec::new(),
            remedy: "It is tried again.".to_owned(),
        };
        let outcome = match self.operations.submit(instruction).await {
            Ok(watch) => watch
                .outcome()
                .await
                .unwrap_or_else(|| failed("the agent ends".to_owned())),
            Err(error) => failed(error.to_string()),
        };
        self.complete_since = None;
        if outcome == Outcome::Succeeded {
            self.failures = 0;
        } else {
            self.failures = self.failures.saturating_add(1);
            self.prepared = false;
        }
        if let Outcome::Refused { findings } = &outcome {
            let _ = self.refuse(findings.clone());
        }
        outcome
    }

    /// How long to rest: a round, longer after each failure.
    fn rest(&self) -> Duration {
        match self.failures {
            0 => ROUND,
            failures => {
                SETTLED_ROUND.min(AFTER_FAILURE * 2_u32.saturating_pow(failures.min(8) - 1))
            }
        }
    }

    /// After a member did not admit: soon at first, then as a crowd of workers can afford.
    fn rest_unadmitted(&self) -> Duration {
        if self.not_admitted <= 5 {
            ROUND
        } else {
            self.spread(WORKER_SLOW)
        }
    }

    /// While a member is awaited. A worker is one of thousands: it asks less often, the longer it waits.
    fn rest_while_waiting(&self) -> Duration {
        let waited = self.host.now().duration_since(self.started).unsigned_abs();
        match self.operations.node().role {
            NodeRole::ControlPlane => ROUND,
            NodeRole::Worker if waited < WORKER_SOON => self.spread(ROUND),
            NodeRole::Worker => self.spread(WORKER_SLOW.min(waited / 20)),
        }
    }

    /// That long, and up to as long again, by the node's name: so that workers that boot together do not ask together.
    fn spread(&self, pause: Duration) -> Duration {
        let node = self.operations.node();
        let name = node.node.as_str().bytes();
        let part = name.fold(0_u32, |sum, byte| {
            sum.wrapping_mul(31).wrapping_add(u32::from(byte))
        });
        pause + pause * (part % 1000) / 1000
    }

    fn declared(&self, names: &[NodeName]) -> Vec<DeclaredNode> {
        let node = self.operations.node();
        let declared = |name: &NodeName| node.spec.declared(name).map(|(one, _)| one.clone());
        names.iter().filter_map(declared).collect()
    }
}
