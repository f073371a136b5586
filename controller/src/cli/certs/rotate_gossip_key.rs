//! `certs rotate-gossip-key`: another key seals what agents tell each other, node by node, and the old one is given up when the operator says so.

use clap::Args;
use hactl_cluster_plan::observed::Answer;
use hactl_cluster_plan::succession::{Part, SeenNode, Stage, ordered};
use hactl_proto::gossip::{GossipRing, KeyRingSeen};
use hactl_proto::name::NodeName;
use hactl_proto::rotation::Fingerprint;

use super::super::Common;
use super::super::session::{Session, targets, wait};
use super::wanted::Wanted;
use crate::exit::{Exit, Failure};
use crate::observe::{Target, chain, each};
use crate::present::{Screen, SuccessionView};
use crate::succession::{Held, Step, Trusted, succeed};
use crate::trust::Authority;

/// Replace the key that seals gossip between agents; it can be turned back until --finish
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller certs rotate-gossip-key
  hactl-controller certs rotate-gossip-key --finish
  hactl-controller certs rotate-gossip-key --abort

Every agent is given a fresh key beside the one that it has; when all have it, every agent seals with it. There it stops: --finish has every
agent forget the old one. Nothing restarts, and nobody loses sight of anybody. A node that does not answer holds it up, by name. Interrupted
anywhere, the same again goes on from what the nodes say. Bundles made before hold the old key: make those anew that are still to be used.")]
pub(in crate::cli) struct RotateGossipKey {
    #[command(flatten)]
    wanted: Wanted,
}

impl RotateGossipKey {
    pub(in crate::cli) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let session = Session::open(common)?;
        let folder = common.places().existing()?;
        let authority =
            Authority::open(&folder).map_err(Failure::failed("open the cluster's authority"))?;
        let (end, authority) = wait(async {
            let observed = session.observe().await;
            let targets = targets(&observed, session.kept.spec.policies.agent_port);
            let without = self.wanted.without(&targets)?;
            let mut keys = Keys {
                session: &session,
                targets,
                authority,
                ring: None,
            };
            keys.refuse_if_older().await?;
            let tell = |node: &NodeName, stage: Stage| {
                screen.note(&format!("{node}: {}", stage.word()));
            };
            let end = succeed(&mut keys, self.wanted.wish(), &without, tell).await?;
            Ok((end, keys.authority))
        })?;
        let view = SuccessionView {
            of: "gossip key",
            end,
            without: self.wanted.without.clone(),
            names: authority.gossip_key_ids(),
        };
        screen.show(&view)?;
        Ok(view.exit())
    }
}

/// The operator's keys, and all agents.
struct Keys<'a> {
    session: &'a Session,
    targets: Vec<Target>,
    authority: Authority,
    /// What the stage that was entered gives to nodes.
    ring: Option<GossipRing>,
}

impl Keys<'_> {
    async fn ask(&self) -> Vec<(Target, Answer<KeyRingSeen>)> {
        let (operator, targets) = (&self.session.operator, self.targets.clone());
        each(operator, targets, self.session.limit, |agent| async move {
            agent.key_ring().await.map_err(|error| chain(&error))
        })
        .await
    }

    /// Where another state folder has rotated them since, this one's keys are out of date.
    async fn refuse_if_older(&self) -> Result<(), Failure> {
        for (target, seen) in self.ask().await {
            if let Some(seen) = seen.said()
                && seen.revision > self.authority.gossip_revision()
            {
                return Err(Failure::Refused(format!(
                    "the gossip keys of {} are of revision {}, those of this state folder of {}: another one has rotated them since; use \
                     that one. Nothing was changed",
                    target.name,
                    seen.revision,
                    self.authority.gossip_revision()
                )));
            }
        }
        Ok(())
    }
}

impl Trusted for Keys<'_> {
    fn held(&self) -> Held {
        self.authority.gossip_keys()
    }

    async fn look(&self) -> Vec<SeenNode> {
        let asked = self.ask().await.into_iter();
        asked
            .map(|(target, seen)| SeenNode {
                name: target.name,
                part: match seen {
                    Answer::Said(seen) => Answer::Said(part(&seen)),
                    Answer::Silent(silence) => Answer::Silent(silence),
                },
            })
            .collect()
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let begun = self.authority.begin_gossip_key();
        begun.map_err(Failure::failed("make a gossip key"))
    }

    fn enter(&mut self, step: &Step) -> Result<(), Failure> {
        let order = ordered(step.stage, &step.to, step.other.as_ref());
        let ring = self.authority.gossip_ring(&order);
        self.ring = Some(ring.map_err(Failure::failed("keep the gossip keys"))?);
        Ok(())
    }

    async fn order(&self, node: &NodeName, _: &Step) -> Result<(), String> {
        let target = self.targets.iter().find(|target| target.name == *node);
        let (Some(target), Some(ring)) = (target, &self.ring) else {
            return Err("no stage was entered".to_owned());
        };
        let agent = self.session.operator.agent(target).await;
        let agent = agent.map_err(|error| chain(&error))?;
        let put = agent.put_key_ring(ring.clone()).await;
        put.map_err(|error| chain(&error))
    }

    fn settle(&mut self, only: &Fingerprint) -> Result<(), Failure> {
        let settled = self.authority.settle_gossip_key(only);
        settled.map_err(Failure::failed("keep the gossip key"))
    }
}

fn part(seen: &KeyRingSeen) -> Part {
    let names = seen.keys.iter().map(|key| key.fingerprint.clone());
    Part {
        uses: names.clone().take(1).collect(),
        believes: names.collect(),
    }
}
