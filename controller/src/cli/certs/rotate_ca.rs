//! `certs rotate-ca`: a CA is replaced by a fresh one, one control plane after another, until where the operator is asked, and to the end.

use std::time::Duration;

use clap::Args;
use hactl_cluster_plan::observed::{Answer, Silence};
use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use hactl_proto::role::NodeRole;
use hactl_proto::rotation::{Authority, Fingerprint, Stage, TrustSeen};
use tokio::time::timeout;

use super::super::Common;
use super::super::session::{Session, wait};
use crate::exit::{Exit, Failure};
use crate::observe::{Target, chain, declared};
use crate::present::{RotationView, Screen};
use crate::rotation::{Agents, Told, Wish, rotate};

/// A story that says nothing for so long has lost its connection: the agent says every ten seconds what it waits for.
const QUIET: Duration = Duration::from_mins(2);
/// Looking at a node's part asks its API server and kubelet, one of which may be beginning anew.
const PATIENCE: Duration = Duration::from_secs(30);

/// Replace a CA by a fresh one, one control plane after another; it can be turned back until --finish
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller certs rotate-ca --authority etcd
  hactl-controller certs rotate-ca --authority etcd --finish
  hactl-controller certs rotate-ca --authority etcd --abort

A fresh CA is made on a control plane and brought to the others; then everything believes both; then everything is issued anew by the fresh
one. There it stops: --finish has the old one believed no more. Each control plane's turn takes the cluster's lease, waits until all others
are well, and restarts what has to read its files again, one process after another. Interrupted anywhere, the same again goes on from what
the nodes say. Not for the CA of Kubernetes itself yet.")]
pub(in crate::cli) struct RotateCa {
    /// Which CA: etcd or front-proxy
    #[arg(long, value_name = "CA")]
    authority: Authority,
    /// Give the old CA up: from then on it can't be turned back
    #[arg(long, conflicts_with = "abort")]
    finish: bool,
    /// Go back to the old CA
    #[arg(long)]
    abort: bool,
}

impl RotateCa {
    pub(in crate::cli) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        if self.authority == Authority::Kubernetes {
            return Err(Failure::Usage(
                "the CA of Kubernetes itself is not rotated yet: etcd and front-proxy are"
                    .to_owned(),
            ));
        }
        let session = Session::open_patiently(common, PATIENCE)?;
        let mut targets = declared(&session.kept.spec);
        targets.retain(|target| target.role == NodeRole::ControlPlane);
        let wish = match (self.finish, self.abort) {
            (true, _) => Wish::Finish,
            (_, true) => Wish::Back,
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

/// The control planes' agents.
struct Reached<'a> {
    session: &'a Session,
    targets: Vec<Target>,
}

impl Reached<'_> {
    fn target(&self, node: &NodeName) -> Result<&Target, String> {
        let found = self.targets.iter().find(|one| one.name == *node);
        found.ok_or_else(|| format!("{node} is not declared"))
    }

    async fn asked(&self, node: &NodeName, authority: Authority) -> Result<TrustSeen, String> {
        let target = self.target(node)?;
        let agent = self.session.operator.agent(target).await;
        let agent = agent.map_err(|error| chain(&error))?;
        agent.trust(authority).await.map_err(|error| chain(&error))
    }
}

impl Agents for Reached<'_> {
    fn control_planes(&self) -> Vec<NodeName> {
        self.targets.iter().map(|one| one.name.clone()).collect()
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
        authority: Authority,
        stage: Stage,
        to: Option<&Fingerprint>,
        tell: &(dyn Fn(ReportEvent) + Send + Sync),
    ) -> Result<Outcome, String> {
        let agent = self.session.operator.agent(self.target(node)?).await;
        let agent = agent.map_err(|error| chain(&error))?;
        let story = agent.rotate_authority(authority, stage, to).await;
        let mut story = story.map_err(|error| chain(&error))?;
        loop {
            match timeout(QUIET, story.next()).await {
                Ok(Ok(Some(ReportEvent::Ended(outcome)))) => return Ok(outcome),
                Ok(Ok(Some(event))) => tell(event),
                Ok(Ok(None)) => return Err("its story has no end".to_owned()),
                Ok(Err(error)) => return Err(chain(&error)),
                Err(_) => {
                    return Err("it says nothing any more; what it began goes on there".to_owned());
                }
            }
        }
    }
}
