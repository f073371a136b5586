//! Agents in one process, each over its simulated machine, that talk to each other without a network between them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use hactl_agent::api::duties::{self, Sponsor as _};
use hactl_agent::first_boot::peers::{Admitted, PeerError, Peers};
use hactl_agent::first_boot::{FirstBoot, Progress, here};
use hactl_agent::join::Sponsor;
use hactl_agent::operation::Operations;
use hactl_agent::paths::Paths;
use hactl_agent::standing::StandingStore;
use hactl_node_plan::bootstrap::record::Record;
use hactl_node_plan::bootstrap::voter::{self, Caller};
use hactl_node_plan::plan::NodeContext;
use hactl_proto::join::{Admission, Applicant};
use hactl_proto::name::{ClusterId, NodeName};
use hactl_proto::report::{Outcome, Waiting};
use hactl_proto::spec::DeclaredNode;
use hactl_proto::standing::{
    GrantRequest, GrantVerdict, InstanceId, MemberAnnouncement, StandingAnswer,
};
use hactl_simulation::{SimulatedHost, World};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::watch;

use super::context;

/// An agent as the others reach it.
#[derive(Clone)]
pub(crate) struct Agent {
    host: Arc<SimulatedHost>,
    operations: Operations<SimulatedHost>,
    pub(crate) standing: Arc<StandingStore<SimulatedHost>>,
    sponsor: Sponsor<SimulatedHost>,
}

/// All agents that run, and which of them are cut off.
#[derive(Clone, Default)]
pub(crate) struct Town {
    agents: Arc<Mutex<BTreeMap<NodeName, Agent>>>,
    pub(crate) cut: Arc<Mutex<BTreeSet<NodeName>>>,
}

/// One agent's way to the others.
pub(crate) struct Line {
    town: Town,
    own: NodeName,
}

pub(crate) fn cluster() -> ClusterId {
    ClusterId::from_bytes([1; 16])
}

impl Town {
    /// Starts an agent whose state, where it has none, is made with that instance.
    pub(crate) async fn start(&self, world: &World, node: &str, instance: u8) -> Running {
        self.start_with(world, context(node), instance).await
    }

    /// Starts an agent whose bundle says that of it.
    pub(crate) async fn start_with(
        &self,
        world: &World,
        context: NodeContext,
        instance: u8,
    ) -> Running {
        let node = context.node.clone();
        let host = Arc::new(world.host(&node));
        let paths = Paths::system();
        let operations = Operations::open(Arc::clone(&host), paths.clone(), context.clone())
            .await
            .unwrap();
        operations.recover().await;
        let fresh = InstanceId::from_bytes([instance; 16]);
        let standing =
            StandingStore::open(Arc::clone(&host), &paths, cluster(), node.clone(), fresh)
                .await
                .unwrap();
        let standing = Arc::new(standing);
        let sponsor = Sponsor::new(
            Arc::clone(&host),
            Arc::new(paths.clone()),
            Arc::new(context),
        );
        let agent = Agent {
            host: Arc::clone(&host),
            operations: operations.clone(),
            standing: Arc::clone(&standing),
            sponsor,
        };
        self.agents
            .lock()
            .unwrap()
            .insert(node.clone(), agent.clone());
        let line = Arc::new(Line {
            town: self.clone(),
            own: node,
        });
        let boot = FirstBoot::new(host, paths, operations, standing, line, 1);
        let progress = boot.progress();
        let task = tokio::spawn(async move { boot.run().await.unwrap() });
        Running {
            agent,
            progress,
            task,
        }
    }

    /// Starts all four of the spec.
    pub(crate) async fn start_all(&self, world: &World) -> BTreeMap<&'static str, Running> {
        let mut running = BTreeMap::new();
        for (node, instance) in [("cp1", 1), ("cp2", 2), ("cp3", 3), ("w1", 4)] {
            running.insert(node, self.start(world, node, instance).await);
        }
        running
    }
}

/// An agent under way.
pub(crate) struct Running {
    pub(crate) agent: Agent,
    pub(crate) progress: watch::Receiver<Progress>,
    pub(crate) task: tokio::task::JoinHandle<()>,
}

impl Running {
    /// Waits until what the first boot shows is so; an hour of virtual time is the end.
    pub(crate) async fn until(&mut self, what: impl FnMut(&Progress) -> bool) -> Progress {
        let limit = Duration::from_hours(1);
        match tokio::time::timeout(limit, self.progress.wait_for(what)).await {
            Ok(Ok(progress)) => return progress.clone(),
            Ok(Err(error)) => panic!("the first boot ended: {error}"),
            Err(_) => {}
        }
        panic!("it never came; last was {:?}", self.progress.borrow());
    }

    pub(crate) async fn settled(&mut self) {
        self.until(|progress| progress.settled).await;
    }

    /// The caller bounds it.
    pub(crate) async fn settled_however_long(&mut self) {
        let ended = self.progress.wait_for(|progress| progress.settled).await;
        ended.unwrap();
    }

    pub(crate) async fn record(&self) -> Record {
        self.agent.standing.record().await
    }
}

impl Line {
    fn to(&self, peer: &DeclaredNode) -> Result<Agent, PeerError> {
        let cut = self.town.cut.lock().unwrap();
        let agents = self.town.agents.lock().unwrap();
        let reached = agents.get(&peer.name).cloned();
        reached
            .filter(|_| !cut.contains(&peer.name) && !cut.contains(&self.own))
            .ok_or_else(|| fault(peer, "connection refused"))
    }

    fn caller(&self) -> Caller {
        Caller::control_plane(self.own.clone())
    }
}

fn fault(peer: &DeclaredNode, reason: &str) -> PeerError {
    PeerError {
        peer: peer.name.clone(),
        reason: reason.to_owned(),
    }
}

impl Peers for Line {
    async fn standing(&self, peer: &DeclaredNode) -> Result<StandingAnswer, PeerError> {
        let agent = self.to(peer)?;
        let node = agent.operations.node();
        let lying = here::read(&*agent.host, &node, &Paths::system()).await;
        let record = agent.standing.record().await;
        Ok(record.answer(&node.spec, &lying.evidence, lying.healthy))
    }

    async fn request_grant(
        &self,
        peer: &DeclaredNode,
        request: GrantRequest,
    ) -> Result<GrantVerdict, PeerError> {
        let agent = self.to(peer)?;
        let node = agent.operations.node();
        let lying = here::read(&*agent.host, &node, &Paths::system()).await;
        let rule = |record: &Record| {
            voter::grant(
                record,
                &node.spec,
                &lying.evidence,
                &self.caller(),
                &request,
            )
        };
        Ok(agent.standing.change(rule).await.unwrap())
    }

    async fn announce(
        &self,
        peer: &DeclaredNode,
        announcement: MemberAnnouncement,
    ) -> Result<(), PeerError> {
        let agent = self.to(peer)?;
        let node = agent.operations.node();
        let rule = |record: &Record| {
            let learnt = voter::learn(record, &node.spec, &self.caller(), &announcement);
            learnt.map(|next| (next, ()))
        };
        let taken = agent.standing.change(rule).await.unwrap();
        taken.map_err(|refusal| fault(peer, &refusal.to_string()))
    }

    async fn admit(
        &self,
        peer: &DeclaredNode,
        applicant: Applicant,
        waiting: UnboundedSender<Waiting>,
    ) -> Result<Admitted, PeerError> {
        let agent = self.to(peer)?;
        let answers = agent.sponsor.admit(applicant).await;
        let mut answers = answers.map_err(|failure| fault(peer, &failure.to_string()))?;
        while let Some(answer) = answers.recv().await {
            match answer.map_err(|failure| fault(peer, &format!("{failure:?}")))? {
                Admission::Waiting(wait) => drop(waiting.send(wait)),
                Admission::Admitted { credentials, fence } => {
                    return Ok(Admitted { credentials, fence });
                }
            }
        }
        Err(fault(peer, "it ended without admitting"))
    }

    async fn complete(
        &self,
        peer: &DeclaredNode,
        node: NodeName,
        outcome: Outcome,
    ) -> Result<(), PeerError> {
        let agent = self.to(peer)?;
        let done = duties::Sponsor::complete(&agent.sponsor, node, outcome).await;
        done.map_err(|failure| fault(peer, &format!("{failure:?}")))
    }
}
