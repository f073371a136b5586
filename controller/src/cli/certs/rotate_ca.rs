//! `certs rotate-ca`: a CA is replaced by a fresh one, one node after another, until where the operator is asked, and to the end.

use std::time::Duration;

use clap::Args;
use hactl_cluster_plan::observed::{Answer, Silence};
use hactl_proto::Timestamp;
use hactl_proto::instruction::Fence;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent, Waiting};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::LeaseAnswer;
use hactl_proto::rotation::{Authority, RotationTurn, TrustSeen};
use tokio::time::Instant;

use super::super::Common;
use super::super::session::{Session, wait};
use crate::connect::Agent;
use crate::exit::{Exit, Failure};
use crate::observe::{Target, chain, declared};
use crate::present::{RotationView, Screen};
use crate::rotation::{Agents, Told, Wish, rotate};

/// A story that says nothing for so long has lost its connection: the agent says every ten seconds what it waits for.
const QUIET: Duration = Duration::from_mins(2);
/// Joins and renewals of other nodes end within it.
const LEASE_LIMIT: Duration = Duration::from_mins(15);
/// Well within the lease's 20 seconds.
const LEASE_EVERY: Duration = Duration::from_secs(5);
/// Looking at a node's part asks its API server and kubelet, one of which may be beginning anew.
const PATIENCE: Duration = Duration::from_secs(30);

/// Replace a CA by a fresh one, one node after another; it can be turned back until --finish
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller certs rotate-ca --authority etcd
  hactl-controller certs rotate-ca --authority etcd --finish
  hactl-controller certs rotate-ca --authority etcd --abort
  hactl-controller certs rotate-ca --authority kubernetes
  hactl-controller certs rotate-ca --authority kubernetes --reissue

A fresh CA is made on a control plane and brought to the others; then everything believes both; then everything is issued anew by the fresh
one. There it stops: --finish has the old one believed no more. Each control plane's turn takes the cluster's lease, waits until all others
are well, and restarts what has to read its files again, one process after another. Interrupted anywhere, the same again goes on from what
the nodes say.

With kubernetes workers have turns too, and pods that use the API begin anew, as their owners' strategies say. It stops once more, before
anything of the fresh CA is presented: clients outside of the cluster have to believe it by then (hactl-controller kubeconfig fetches a
kubeconfig that does). --reissue says that they do.")]
pub(in crate::cli) struct RotateCa {
    /// Which CA: kubernetes, etcd or front-proxy
    #[arg(long, value_name = "CA")]
    authority: Authority,
    /// Clients outside of the cluster believe the fresh CA of Kubernetes: issue everything anew by it
    #[arg(long, conflicts_with_all = ["finish", "abort"])]
    reissue: bool,
    /// Give the old CA up: from then on it can't be turned back
    #[arg(long, conflicts_with = "abort")]
    finish: bool,
    /// Go back to the old CA
    #[arg(long)]
    abort: bool,
}

impl RotateCa {
    pub(in crate::cli) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        if self.reissue && self.authority != Authority::Kubernetes {
            return Err(Failure::Usage(
                "--reissue is for the CA of Kubernetes: of the others' nobody outside knows"
                    .to_owned(),
            ));
        }
        let session = Session::open_patiently(common, PATIENCE)?;
        let targets = declared(&session.kept.spec);
        let wish = match (self.finish, self.abort, self.reissue) {
            (true, ..) => Wish::Finish,
            (_, true, _) => Wish::Back,
            (.., true) => Wish::Reissue,
            _ => Wish::Forward,
        };
        let line = std::sync::Mutex::new(String::new());
        let tell = |told: Told<'_>| {
            let Some(text) = said(&told) else { return };
            if let Ok(mut last) = line.lock()
                && *last != text
            {
                screen.note(&text);
                *last = text;
            }
        };
        let reach = Reached {
            session: &session,
            targets,
        };
        let end =
            wait(async { Ok(rotate(&reach, self.authority, wish, Timestamp::now, tell).await) })?;
        let view = RotationView {
            authority: self.authority,
            end,
        };
        screen.show(&view)?;
        Ok(view.exit())
    }
}

fn said(told: &Told<'_>) -> Option<String> {
    Some(match told {
        Told::Turn(node, stage) => format!("{node}: {stage}"),
        Told::Waits(reasons) => format!("waits: {}", reasons.join("; ")),
        Told::Event(node, ReportEvent::Started { step, .. }) => format!("{node}: {step}"),
        Told::Event(node, ReportEvent::Waiting(wait)) => {
            format!("{node}: waits for {}: {}", wait.condition, wait.observed)
        }
        Told::Event(..) => return None,
    })
}

/// The agents.
struct Reached<'a> {
    session: &'a Session,
    targets: Vec<Target>,
}

impl Reached<'_> {
    fn target(&self, node: &NodeName) -> Result<&Target, String> {
        let found = self.targets.iter().find(|one| one.name == *node);
        found.ok_or_else(|| format!("{node} is not declared"))
    }

    async fn agent(&self, node: &NodeName) -> Result<Agent, String> {
        let agent = self.session.operator.agent(self.target(node)?).await;
        agent.map_err(|error| chain(&error))
    }

    async fn asked(&self, node: &NodeName, authority: Authority) -> Result<TrustSeen, String> {
        let agent = self.agent(node).await?;
        agent.trust(authority).await.map_err(|error| chain(&error))
    }

    /// Asks the first control plane that answers.
    async fn of_lease(&self, who: &str, word: Word) -> Result<Option<LeaseAnswer>, String> {
        let mut reasons = Vec::new();
        for target in &self.targets {
            if target.role != NodeRole::ControlPlane {
                continue;
            }
            let answer = match self.agent(&target.name).await {
                Ok(agent) => said_of_lease(&agent, who, word).await,
                Err(reason) => Err(reason),
            };
            match answer {
                Ok(answer) => return Ok(answer),
                Err(reason) => reasons.push(format!("{}: {reason}", target.name)),
            }
        }
        Err(reasons.join("; "))
    }

    /// The cluster's lease, for a worker's turn: it can read no lease itself.
    async fn lease(
        &self,
        who: &str,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> Result<Fence, String> {
        let since = Timestamp::now();
        let end = Instant::now() + LEASE_LIMIT;
        loop {
            let observed = match self.of_lease(who, Word::Take).await {
                Ok(Some(LeaseAnswer::Taken(fence))) => return Ok(fence),
                Ok(Some(LeaseAnswer::Held { by, .. })) => format!("{by} holds it"),
                Ok(None) => "no answer".to_owned(),
                Err(reason) => reason,
            };
            if Instant::now() >= end {
                return Err(format!("take the cluster's lease: {observed}"));
            }
            tell(ReportEvent::Waiting(Waiting {
                condition: "the cluster's lease".to_owned(),
                since,
                observed,
            }));
            tokio::time::sleep(LEASE_EVERY).await;
        }
    }

    /// Tells a turn to its end; the lease, where one is held for it, is renewed meanwhile.
    async fn follow(
        &self,
        node: &NodeName,
        turn: RotationTurn,
        held: Option<(&str, Fence)>,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> Result<Outcome, String> {
        let agent = self.agent(node).await?;
        let story = agent.rotate_authority(turn).await;
        let mut story = story.map_err(|error| chain(&error))?;
        let mut renewals = tokio::time::interval(LEASE_EVERY);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                event = story.next() => match event {
                    Ok(Some(ReportEvent::Ended(outcome))) => return Ok(outcome),
                    Ok(Some(event)) => {
                        heard = Instant::now();
                        tell(event);
                    }
                    Ok(None) => return Err("its story has no end".to_owned()),
                    Err(error) => return Err(chain(&error)),
                },
                _ = renewals.tick() => {
                    if heard.elapsed() >= QUIET {
                        return Err("it says nothing any more; what it began goes on there".to_owned());
                    }
                    if let Some((who, fence)) = held {
                        // One that can't be renewed now may be in a moment; one that was lost is seen by the next turn.
                        let _ = self.of_lease(who, Word::Renew(fence)).await;
                    }
                }
            }
        }
    }
}

/// What is done with the lease.
#[derive(Debug, Clone, Copy)]
enum Word {
    Take,
    Renew(Fence),
    Release(Fence),
}

async fn said_of_lease(
    agent: &Agent,
    who: &str,
    word: Word,
) -> Result<Option<LeaseAnswer>, String> {
    let said = match word {
        Word::Take => agent.take_lease(who).await.map(Some),
        Word::Renew(fence) => agent.renew_lease(who, fence).await.map(|_| None),
        Word::Release(fence) => agent.release_lease(who, fence).await.map(|()| None),
    };
    said.map_err(|error| chain(&error))
}

impl Agents for Reached<'_> {
    fn nodes(&self) -> Vec<(NodeName, NodeRole)> {
        let mut nodes: Vec<_> = self
            .targets
            .iter()
            .map(|one| (one.name.clone(), one.role))
            .collect();
        nodes.sort_by_key(|(_, role)| *role == NodeRole::Worker);
        nodes
    }

    async fn trust(&self, node: &NodeName, authority: Authority) -> Answer<TrustSeen> {
        let since = Timestamp::now();
        match self.asked(node, authority).await {
            Ok(seen) => Answer::Said(seen),
            Err(reason) => Answer::Silent(Silence {
                since,
                tried_ms: u64::try_from(self.session.limit.as_millis()).unwrap_or(u64::MAX),
                reason,
            }),
        }
    }

    async fn rotate(
        &self,
        node: &NodeName,
        turn: RotationTurn,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> Result<Outcome, String> {
        if self.target(node)?.role == NodeRole::ControlPlane {
            return self.follow(node, turn, None, tell).await;
        }
        let who = format!("rotation-{node}");
        let fence = self.lease(&who, tell).await?;
        let fenced = RotationTurn {
            fence: Some(fence),
            ..turn
        };
        let outcome = self.follow(node, fenced, Some((&who, fence)), tell).await;
        // One that can't be let go runs out.
        let _ = self.of_lease(&who, Word::Release(fence)).await;
        outcome
    }
}
