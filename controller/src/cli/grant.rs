//! `grant override`: the operator's word where a machine that holds a promise of the first boot is lost.

use clap::{Args, Subcommand};
use hactl_cluster_plan::overrule::{Assertion, overrule};
use hactl_proto::name::NodeName;
use hactl_proto::role::NodeRole;
use hactl_proto::standing::{Override, StandingAnswer};
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::Common;
use super::session::{Session, wait};
use crate::exit::{Exit, Failure};
use crate::observe::{Target, chain, declared};
use crate::present::{OverrideView, Screen, Taken};

/// The grants of the first boot
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller grant override --help")]
pub(super) struct Grant {
    #[command(subcommand)]
    verb: GrantVerb,
}

#[derive(Debug, Subcommand)]
enum GrantVerb {
    Override(OverrideGrant),
}

/// Raise the epoch of the first boot: some machines are lost, and another may be the candidate
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller grant override --candidate cp2 --lost cp1 --reason 'cp1 burned' --never-run-again

You assert that each machine called lost or replaced never runs again with the disk that it had. Nothing can check that:
if it is wrong, two clusters may come to be. Where a control plane knows a cluster, has begun kubeadm init or holds data
of one, the override is refused and nothing is changed.")]
struct OverrideGrant {
    /// Who may run kubeadm init from now on
    #[arg(long, value_name = "NODE")]
    candidate: NodeName,
    /// A machine that never runs again; its grant is dispensed with
    #[arg(long, value_name = "NODE")]
    lost: Vec<NodeName>,
    /// A machine that was wiped or replaced: what answers by its name now stands in for it
    #[arg(long, value_name = "NODE")]
    replaced: Vec<NodeName>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    reason: String,
    /// You assert that each machine called lost or replaced never runs again with the disk that it had
    #[arg(long, required = true)]
    never_run_again: bool,
}

impl Grant {
    pub(super) fn run(self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let GrantVerb::Override(verb) = self.verb;
        verb.run(common, screen)
    }
}

impl OverrideGrant {
    fn run(self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let session = Session::open(common)?;
        let said = Assertion {
            candidate: self.candidate,
            lost: self.lost.into_iter().collect(),
            replaced: self.replaced.into_iter().collect(),
            reason: self.reason,
        };
        let view = wait(async {
            let (answers, mut silent) = standings(&session).await;
            match overrule(
                &session.kept.spec,
                session.operator.cluster(),
                &answers,
                &said,
            ) {
                Err(findings) => Ok(OverrideView {
                    word: None,
                    findings,
                    answers: Vec::new(),
                    silent,
                }),
                Ok(word) => {
                    silent.retain(|(node, _)| !said.lost.contains(node));
                    let heard: Vec<NodeName> =
                        answers.into_iter().map(|answer| answer.node).collect();
                    let answers = give(&session, &heard, &word).await;
                    Ok(OverrideView {
                        word: Some(word),
                        findings: Vec::new(),
                        answers,
                        silent,
                    })
                }
            }
        })?;
        screen.show(&view)?;
        Ok(exit(&view))
    }
}

fn exit(view: &OverrideView) -> Exit {
    let refused = view.word.is_none()
        || view
            .answers
            .iter()
            .any(|(_, taken)| matches!(taken, Taken::Refused(_)));
    let unknown = view
        .answers
        .iter()
        .any(|(_, taken)| matches!(taken, Taken::Unknown(_)));
    let found = if refused { Exit::Refused } else { Exit::Done };
    found.or(if unknown { Exit::Partial } else { Exit::Done })
}

fn control_planes(session: &Session) -> Vec<Target> {
    let mut targets = declared(&session.kept.spec);
    targets.retain(|target| target.role == NodeRole::ControlPlane);
    targets
}

/// What each control plane says it is, and who says nothing.
async fn standings(session: &Session) -> (Vec<StandingAnswer>, Vec<(NodeName, String)>) {
    let mut asking = JoinSet::new();
    for target in control_planes(session) {
        let (operator, limit) = (session.operator.clone(), session.limit);
        asking.spawn(async move {
            let answer = timeout(limit, async {
                operator.agent(&target).await?.standing().await
            })
            .await;
            (target.name, answer)
        });
    }
    let (mut answers, mut silent) = (Vec::new(), Vec::new());
    for (node, answer) in asking.join_all().await {
        match answer {
            Ok(Ok(answer)) => answers.push(answer),
            Ok(Err(error)) => silent.push((node, chain(&error))),
            Err(_) => silent.push((node, "no answer in time".to_owned())),
        }
    }
    answers.sort_by(|a, b| a.node.cmp(&b.node));
    silent.sort();
    (answers, silent)
}

/// Gives the override to all that were heard, one after another: whoever is not reached any more is told apart.
async fn give(session: &Session, heard: &[NodeName], word: &Override) -> Vec<(NodeName, Taken)> {
    let mut taken = Vec::new();
    for target in control_planes(session)
        .into_iter()
        .filter(|target| heard.contains(&target.name))
    {
        let giving = async {
            session
                .operator
                .agent(&target)
                .await?
                .override_grant(word.clone())
                .await
        };
        let answer = match timeout(session.limit, giving).await {
            Ok(Ok(Ok(()))) => Taken::Taken,
            Ok(Ok(Err(refusal))) => Taken::Refused(refusal.to_string()),
            Ok(Err(error)) => Taken::Unknown(chain(&error)),
            Err(_) => Taken::Unknown("no answer in time".to_owned()),
        };
        taken.push((target.name, answer));
    }
    taken
}
