//! `certs rotate-hactl-ca`: another root for what agents and people know each other by, and the old one is given up when the operator says so.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use hactl_cluster_plan::observed::Answer;
use hactl_cluster_plan::succession::{Part, SeenNode, Stage, ordered};
use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::rotation::Fingerprint;
use hactl_proto::trust::OwnTrustSeen;

use super::super::Common;
use super::super::session::{Session, targets, wait};
use super::wanted::Wanted;
use crate::exit::{Exit, Failure};
use crate::observe::{Operator, Target, chain, each};
use crate::present::{Screen, SuccessionView};
use crate::succession::{Held, Step, Trusted, succeed};
use crate::trust::Authority;

/// Replace hactl's own CA, by which agents and operators know each other; it can be turned back until --finish
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller certs rotate-hactl-ca
  hactl-controller certs rotate-hactl-ca --finish
  hactl-controller certs rotate-hactl-ca --abort

A fresh root is made in the state folder, and every agent believes it beside the old one; when all do, control planes are given issuers by it
(their keys are made on the nodes), all agents certificates, and the people of the state folder new keys. There it stops: --finish has every
agent believe the fresh one alone, and end connections of who is of the old one. Nothing restarts. A node that does not answer holds it up, by
name. Interrupted anywhere, the same again goes on from what the nodes say. Bundles made before are of the old root: make those anew that are
still to be used. Not the CA of Kubernetes, see `certs rotate-ca`.")]
pub(in crate::cli) struct RotateHactlCa {
    #[command(flatten)]
    wanted: Wanted,
}

impl RotateHactlCa {
    pub(in crate::cli) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let session = Session::open(common)?;
        let folder = common.places().existing()?;
        let authority =
            Authority::open(&folder).map_err(Failure::failed("open the cluster's authority"))?;
        let end = wait(async {
            let observed = session.observe().await;
            let targets = targets(&observed, session.kept.spec.policies.agent_port);
            let without = self.wanted.without(&targets)?;
            let mut roots = Roots {
                session: &session,
                operator: Arc::clone(&session.operator),
                folder,
                person: common.person.clone(),
                targets,
                authority,
                given: String::new(),
                screen,
            };
            roots.refuse_if_older().await?;
            let tell = |node: &NodeName, stage: Stage| {
                screen.note(&format!("{node}: {}", stage.word()));
            };
            succeed(&mut roots, self.wanted.wish(), &without, tell).await
        })?;
        let view = SuccessionView {
            of: "hactl's own CA",
            end,
            without: self.wanted.without.clone(),
            names: BTreeMap::new(),
        };
        screen.show(&view)?;
        Ok(view.exit())
    }
}

/// The operator's roots, and all agents.
struct Roots<'a> {
    session: &'a Session,
    /// Who asks: another certificate's holder after the stage use.
    operator: Arc<Operator>,
    folder: PathBuf,
    person: NodeName,
    targets: Vec<Target>,
    authority: Authority,
    /// What the stage that was entered has nodes believe, PEM.
    given: String,
    screen: Screen,
}

impl Roots<'_> {
    async fn ask(&self) -> Vec<(Target, Answer<OwnTrustSeen>)> {
        let (operator, targets) = (&self.operator, self.targets.clone());
        each(operator, targets, self.session.limit, |agent| async move {
            agent.own_trust().await.map_err(|error| chain(&error))
        })
        .await
    }

    /// Where another state folder has rotated it since, this one's roots are out of date.
    async fn refuse_if_older(&self) -> Result<(), Failure> {
        for (target, seen) in self.ask().await {
            if let Some(seen) = seen.said()
                && seen.revision > self.authority.trust_revision()
            {
                return Err(Failure::Refused(format!(
                    "what {} has of hactl's own CA is of revision {}, that of this state folder of {}: another one has rotated it since; use \
                     that one. Nothing was changed",
                    target.name,
                    seen.revision,
                    self.authority.trust_revision()
                )));
            }
        }
        Ok(())
    }

    /// New keys and certificates for people, once every agent believes their root; from now on this one asks with its own.
    fn reissue_persons(&mut self) -> Result<(), Failure> {
        let reissued = self.authority.reissue_persons(Timestamp::now());
        for name in reissued.map_err(Failure::failed("issue people's certificates anew"))? {
            self.screen.note(&format!(
                "{name} has a new key and certificate; where copies are in use, ca.crt has to follow now, {name}.crt and {name}.key before --finish"
            ));
        }
        let operator = Operator::in_folder(&self.folder, &self.person, self.session.limit);
        let operator = operator.map_err(Failure::failed("use the new certificate"))?;
        self.operator = Arc::new(operator);
        Ok(())
    }

    async fn issue(&self, target: &Target, step: &Step) -> Result<(), String> {
        let agent = self.operator.agent(target).await;
        let agent = agent.map_err(|error| chain(&error))?;
        let revision = self.authority.trust_revision();
        let done = match (step.stage, target.role) {
            (Stage::Install | Stage::Remove, _) => {
                agent.put_roots(revision, self.given.clone()).await
            }
            (Stage::Use, NodeRole::Worker) => agent.renew_identity(&step.to).await,
            (Stage::Use, NodeRole::ControlPlane) => {
                let request = agent.request_issuer().await;
                let request = request.map_err(|error| chain(&error))?;
                let (authority, now) = (&self.authority, Timestamp::now());
                let certificate = authority.sign_issuer(&target.name, &request, now);
                let certificate = certificate.map_err(|error| chain(&error))?;
                agent.put_issuer(revision, certificate).await
            }
        };
        done.map_err(|error| chain(&error))
    }
}

impl Trusted for Roots<'_> {
    fn held(&self) -> Held {
        self.authority.own_roots()
    }

    async fn look(&self) -> Vec<SeenNode> {
        let asked = self.ask().await.into_iter();
        asked
            .map(|(target, seen)| SeenNode {
                name: target.name,
                part: match seen {
                    Answer::Said(seen) => Answer::Said(Part {
                        believes: seen.believes,
                        uses: seen.shows,
                    }),
                    Answer::Silent(silence) => Answer::Silent(silence),
                },
            })
            .collect()
    }

    fn begin(&mut self) -> Result<(), Failure> {
        let begun = self.authority.begin_own_root(Timestamp::now());
        begun.map_err(Failure::failed("make a root"))
    }

    fn enter(&mut self, step: &Step) -> Result<(), Failure> {
        let order = ordered(step.stage, &step.to, step.other.as_ref());
        let given = self.authority.give_own_roots(&order);
        self.given = given.map_err(Failure::failed("keep the roots"))?;
        // In the last stage too: who has none of the root that stays is let in nowhere any more.
        if step.stage != Stage::Install {
            self.reissue_persons()?;
        }
        Ok(())
    }

    async fn order(&self, node: &NodeName, step: &Step) -> Result<(), String> {
        let target = self.targets.iter().find(|target| target.name == *node);
        let target = target.ok_or_else(|| "it is not known".to_owned())?;
        self.issue(target, step).await
    }

    fn settle(&mut self, only: &Fingerprint) -> Result<(), Failure> {
        let settled = self.authority.settle_own_root(only);
        settled.map_err(Failure::failed("keep the root"))
    }
}
