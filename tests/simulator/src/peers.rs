//! One agent's way to the others, over the simulated network. What answers is what the daemon's duties are: the pure rules
//! applied to the one record, on disk before they are answered.

use std::sync::Arc;
use std::time::Duration;

use hactl_agent::api::duties::Sponsor as _;
use hactl_agent::first_boot::here;
use hactl_agent::first_boot::peers::{Admitted, PeerError, Peers};
use hactl_agent::paths::Paths;
use hactl_node_plan::bootstrap::record::Record;
use hactl_node_plan::bootstrap::voter::{self, Caller};
use hactl_proto::join::{Admission, Applicant};
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, Waiting};
use hactl_proto::spec::DeclaredNode;
use hactl_proto::standing::{GrantRequest, GrantVerdict, MemberAnnouncement, StandingAnswer};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::timeout;

use crate::network::Work;
use crate::town::{Agent, Town};

/// A call over a connection that stands.
const LIMIT: Duration = Duration::from_secs(10);
/// Completing looks at the join for a minute, and the API may be away meanwhile.
const COMPLETE: Duration = Duration::from_mins(3);
/// HTTP/2's keepalive finds a dead connection within this.
const KEEPALIVE: Duration = Duration::from_secs(10);

/// One agent's way to the others.
pub(crate) struct Line {
    town: Town,
    own: NodeName,
}

impl Line {
    pub(crate) const fn new(town: Town, own: NodeName) -> Self {
        Self { town, own }
    }

    /// A call to a peer's agent.
    async fn call<T, F>(
        &self,
        peer: &DeclaredNode,
        what: &'static str,
        limit: Duration,
        work: impl Fn(Town, Agent) -> F + Send + Sync + 'static,
    ) -> Result<T, PeerError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, String>> + Send + 'static,
    {
        let own = self.town.address(&self.own);
        let own = own.ok_or_else(|| fault(peer, "this node has no address"))?;
        let (town, to) = (self.town.clone(), peer.name.clone());
        let serve = move || -> Work<T> {
            let agent = town.agent(&to)?;
            Some(Box::pin(work(town.clone(), agent)))
        };
        let network = &self.town.network;
        let answer = network.call(own, peer.address, what, limit, serve).await;
        answer.map_err(|reason| fault(peer, &reason))
    }
}

fn fault(peer: &DeclaredNode, reason: &str) -> PeerError {
    PeerError {
        peer: peer.name.clone(),
        reason: reason.to_owned(),
    }
}

async fn lying(agent: &Agent) -> here::Lying {
    here::read(&*agent.host, &agent.operations.node(), &Paths::system()).await
}

impl Peers for Line {
    async fn standing(&self, peer: &DeclaredNode) -> Result<StandingAnswer, PeerError> {
        self.call(peer, "standing", LIMIT, |_, agent| async move {
            let lying = lying(&agent).await;
            let record = agent.standing.record().await;
            let node = agent.operations.node();
            Ok(record.answer(&node.spec, &lying.evidence, lying.healthy))
        })
        .await
    }

    async fn request_grant(
        &self,
        peer: &DeclaredNode,
        request: GrantRequest,
    ) -> Result<GrantVerdict, PeerError> {
        let caller = Caller::control_plane(self.own.clone());
        self.call(peer, "request-grant", LIMIT, move |town, agent| {
            let (caller, request) = (caller.clone(), request.clone());
            async move {
                let evidence = lying(&agent).await.evidence;
                let node = agent.operations.node();
                let rule = |record: &Record| {
                    voter::grant(record, &node.spec, &evidence, &caller, &request)
                };
                let verdict = agent
                    .standing
                    .change(rule)
                    .await
                    .map_err(|error| error.to_string())?;
                if let Ok(grant) = &verdict {
                    let state = town.world.state();
                    town.checker().granted(&state, &node, grant);
                }
                Ok(verdict)
            }
        })
        .await
    }

    async fn announce(
        &self,
        peer: &DeclaredNode,
        announcement: MemberAnnouncement,
    ) -> Result<(), PeerError> {
        let caller = Caller::control_plane(self.own.clone());
        self.call(peer, "announce", LIMIT, move |_, agent| {
            let (caller, announcement) = (caller.clone(), announcement.clone());
            async move {
                let node = agent.operations.node();
                let rule = |record: &Record| {
                    voter::learn(record, &node.spec, &caller, &announcement).map(|next| (next, ()))
                };
                let taken = agent
                    .standing
                    .change(rule)
                    .await
                    .map_err(|error| error.to_string())?;
                taken.map_err(|refusal| refusal.to_string())
            }
        })
        .await
    }

    async fn admit(
        &self,
        peer: &DeclaredNode,
        applicant: Applicant,
        waiting: UnboundedSender<Waiting>,
    ) -> Result<Admitted, PeerError> {
        let asked = self.call(peer, "admit", LIMIT, move |_, agent| {
            let applicant = applicant.clone();
            async move {
                let life = agent.life;
                let answers = agent.sponsor.admit(applicant).await;
                answers
                    .map(|answers| (life, answers))
                    .map_err(|failure| failure.to_string())
            }
        });
        let (life, mut answers) = asked.await?;
        let own = self.town.address(&self.own);
        let own = own.ok_or_else(|| fault(peer, "this node has no address"))?;
        loop {
            let answer = timeout(KEEPALIVE, answers.recv()).await;
            let same = self
                .town
                .agent(&peer.name)
                .is_some_and(|agent| agent.life == life);
            if !same || !self.town.network.connected(own, peer.address) {
                return Err(fault(peer, "the connection was lost"));
            }
            match answer {
                Err(_) => {}
                Ok(None) => return Err(fault(peer, "it ended without admitting")),
                Ok(Some(Err(failure))) => return Err(fault(peer, &failure.to_string())),
                Ok(Some(Ok(Admission::Waiting(wait)))) => drop(waiting.send(wait)),
                Ok(Some(Ok(Admission::Admitted { credentials, fence }))) => {
                    return Ok(Admitted { credentials, fence });
                }
            }
        }
    }

    async fn complete(
        &self,
        peer: &DeclaredNode,
        node: NodeName,
        outcome: Outcome,
    ) -> Result<(), PeerError> {
        let told = Arc::new((node, outcome));
        self.call(peer, "complete", COMPLETE, move |_, agent| {
            let told = Arc::clone(&told);
            async move {
                let (node, outcome) = (told.0.clone(), told.1.clone());
                let done = agent.sponsor.complete(node, outcome).await;
                done.map_err(|failure| failure.to_string())
            }
        })
        .await
    }
}
