//! `upgrade`, `resume`, `pause`, `abort`: a rolling upgrade, and what the operator wants of it.

mod desk;

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use hactl_cluster_plan::rollout::{Policy, Request, plan};
use hactl_proto::Timestamp;
use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::rollout::{RolloutRecord, RolloutWish};
use hactl_proto::version::KubernetesVersion;

use super::session::wait;
use super::{Common, agents};
use crate::exit::{Exit, Failure};
use crate::observe::chain;
use crate::present::{GivenUpView, Live, PlanView, Screen, WishView};
use crate::rollout::{Agents, Tale, give_up, newest, put, wish};
pub(super) use desk::{Desk, ended};
use desk::{kept_failure, open_rollout, read_plan};

/// So long nodes are taken back that a dead controller left; a lease of its own runs out in half a minute.
const TAKING_BACK: Duration = Duration::from_mins(3);

/// Upgrade Kubernetes on all nodes, one after another, and stop where going on could hurt
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller upgrade --to v1.36.3 --plan
  hactl-controller upgrade --to v1.36.3
  hactl-controller upgrade --to v1.36.3 --max-unavailable 3 --zone b
  hactl-controller upgrade --agents --packages ./packages

The plan is frozen, numbered and kept by the control planes' agents: this program may be killed at any moment, and `resume`
goes on from what the agents report, on any machine with the operator's certificate.")]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(super) struct Upgrade {
    /// The version to upgrade to; minors in between are hops of their own
    #[arg(long, value_name = "VERSION", required_unless_present = "agents")]
    to: Option<KubernetesVersion>,
    /// Bring new packages of hactl-agent to the nodes, one after another, in place of a Kubernetes version
    #[arg(long, requires = "packages", conflicts_with_all = ["to", "max_unavailable", "zone", "node", "drain_limit", "delete_unmanaged", "keep_local_data"])]
    agents: bool,
    /// The folder with the packages, as hactl-agent_0.2.0_amd64.deb or hactl-agent-0.2.0.x86_64.rpm
    // clap waives `requires` where the wanted one conflicts with what was given: --to has to be named here too.
    #[arg(long, value_name = "DIR", requires = "agents", conflicts_with = "to")]
    packages: Option<PathBuf>,
    /// Print the plan, or every reason against one, and change nothing
    #[arg(long)]
    plan: bool,
    /// So many workers may be away at a time, in place of the spec's upgrade.maxUnavailable
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..=1000))]
    max_unavailable: Option<u32>,
    /// Only workers of this zone; control planes always go first
    #[arg(long, value_name = "ZONE")]
    zone: Vec<ZoneName>,
    /// Only this worker
    #[arg(long, value_name = "NODE")]
    node: Vec<NodeName>,
    /// How long one drain may take, in seconds, in place of the spec's upgrade.drainLimitSeconds
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u32).range(10..=86_400))]
    drain_limit: Option<u32>,
    /// Let pods go that nobody makes again
    #[arg(long)]
    delete_unmanaged: bool,
    /// Keep pods that have data on the node (emptyDir): a drain that meets one waits
    #[arg(long)]
    keep_local_data: bool,
}

/// Go on with the rollout that was paused, stopped, or whose controller died
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller resume")]
pub(super) struct Resume {}

/// Have the rollout stop after the node under way
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller pause")]
pub(super) struct Pause {}

/// Give the rollout up after the node under way; what is upgraded stays so, and what a dead controller left is taken back
#[derive(Debug, Args)]
#[command(after_help = "Example:
  hactl-controller abort")]
pub(super) struct Abort {}

impl Upgrade {
    pub(super) fn run(self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let only_plan = self.plan;
        let Some(to) = self.to.clone() else {
            // The command line's own rules: without --to there are --agents and --packages.
            let folder = self.packages.unwrap_or_default();
            return agents::run(common, screen, &folder, only_plan);
        };
        let desk = Desk::open(common)?;
        let request = self.request(to, &desk.kept.spec.upgrade);
        wait(async {
            let agents = desk.agents().await;
            let kept = newest(&*agents).await;
            if let (false, Ok(Some(open))) = (only_plan, &kept)
                && matches!(open.wish, RolloutWish::Running | RolloutWish::Paused)
                && read_plan(open)?.to != request.to
            {
                return Err(Failure::Refused(format!(
                    "rollout {} to {} is not finished: `hactl-controller resume` goes on with it, `abort` gives it up",
                    open.number,
                    read_plan(open)?.to
                )));
            }
            let seen = agents.seen().await;
            let number = kept
                .as_ref()
                .ok()
                .and_then(Option::as_ref)
                .map_or(0, |kept| kept.number)
                + 1;
            let plan = match plan(&seen, &request, number) {
                Ok(plan) => plan,
                Err(blockers) => {
                    screen.show(&PlanView::refused(request.to.clone(), blockers))?;
                    return Ok(Exit::Refused);
                }
            };
            let empty = plan.hops.is_empty();
            if only_plan || empty {
                screen.show(&PlanView::of(plan))?;
                return Ok(Exit::Done);
            }
            kept.map_err(kept_failure)?;
            screen.note(&PlanView::of(plan.clone()).words());
            let record = RolloutRecord {
                number,
                revision: 0,
                wish: RolloutWish::Running,
                by: desk.who.clone(),
                at: Timestamp::now(),
                // Plain data with string keys: serializing it cannot fail.
                plan: serde_json::to_string(&plan).unwrap_or_default(),
            };
            put(&*agents, &record).await.map_err(kept_failure)?;
            desk.carry_on(&agents, &record, &plan, screen).await
        })
    }
}

impl Upgrade {
    /// What is asked for: the spec's policy, and flags in its place.
    fn request(self, to: KubernetesVersion, spec: &Policy) -> Request {
        Request {
            to,
            policy: Policy {
                max_unavailable: self.max_unavailable.unwrap_or(spec.max_unavailable),
                drain_limit_seconds: self.drain_limit.unwrap_or(spec.drain_limit_seconds),
                delete_unmanaged: self.delete_unmanaged || spec.delete_unmanaged,
                delete_local_data: !self.keep_local_data && spec.delete_local_data,
                ..spec.clone()
            },
            zones: self.zone.into_iter().collect::<BTreeSet<_>>(),
            nodes: self.node.into_iter().collect(),
        }
    }
}

impl Resume {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let Self {} = self;
        let desk = Desk::open(common)?;
        wait(async {
            let agents = desk.agents().await;
            let open = open_rollout(&agents).await?;
            let plan = read_plan(&open)?;
            let record = if open.wish == RolloutWish::Running {
                open
            } else {
                wish(
                    &*agents,
                    &open,
                    RolloutWish::Running,
                    &desk.who,
                    Timestamp::now(),
                )
                .await
                .map_err(kept_failure)?
            };
            desk.carry_on(&agents, &record, &plan, screen).await
        })
    }
}

impl Pause {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let Self {} = self;
        let desk = Desk::open(common)?;
        wait(async {
            let agents = desk.agents().await;
            let paused = desk.wants(&agents, RolloutWish::Paused).await?;
            screen.show(&WishView::of(&paused))?;
            Ok(Exit::Done)
        })
    }
}

impl Abort {
    pub(super) fn run(&self, common: &Common, screen: Screen) -> Result<Exit, Failure> {
        let Self {} = self;
        let desk = Desk::open(common)?;
        wait(async {
            let agents = desk.agents().await;
            let kept = newest(&*agents).await.map_err(kept_failure)?;
            // Given once more it takes back what could not be before.
            let record = match kept.filter(|kept| kept.wish == RolloutWish::Aborted) {
                Some(given_up) => given_up,
                None => desk.wants(&agents, RolloutWish::Aborted).await?,
            };
            let live = Live::of(screen, Vec::new());
            let tale = Tale::new(Timestamp::now, move |told| live.show(told));
            let number = record.number;
            let taking = give_up(&agents, number, desk.kept.generation, &desk.who, &tale);
            let came = match tokio::time::timeout(TAKING_BACK, taking).await {
                Ok(came) => came.map_err(|error| format!("failed to {}", chain(&error))),
                Err(_) => Err(format!("not within {} s", TAKING_BACK.as_secs())),
            };
            let view = GivenUpView::new(&record, came);
            screen.show(&view)?;
            Ok(if view.whole() {
                Exit::Done
            } else {
                Exit::Failed
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        upgrade: Upgrade,
    }

    fn policy(flags: &[&str], spec: &Policy) -> Policy {
        let line = ["upgrade", "--to", "v1.36.3"].iter().chain(flags).copied();
        let upgrade = Line::try_parse_from(line).unwrap().upgrade;
        let to = upgrade.to.clone().unwrap();
        upgrade.request(to, spec).policy
    }

    #[test]
    fn it_is_about_kubernetes_or_about_the_agents() {
        let fits = |line: &[&str]| {
            let line = ["upgrade"].iter().chain(line).copied();
            Line::try_parse_from(line).is_ok()
        };
        assert!(fits(&["--agents", "--packages", "out", "--plan"]));
        for wrong in [
            &[][..],
            &["--agents"],
            &["--packages", "out"],
            &["--agents", "--packages", "out", "--to", "v1.36.3"],
            &["--agents", "--packages", "out", "--zone", "a"],
            &["--to", "v1.36.3", "--packages", "out"],
        ] {
            assert!(!fits(wrong), "{wrong:?}");
        }
    }

    #[test]
    fn flags_take_the_place_of_the_specs_policy_and_the_rest_stays() {
        let mut spec = Policy {
            max_unavailable: 4,
            drain_limit_seconds: 60,
            ..Policy::default()
        };
        spec.canary.passes = 40;
        assert_eq!(policy(&[], &spec), spec);
        let flags = [
            "--max-unavailable",
            "2",
            "--drain-limit",
            "90",
            "--keep-local-data",
        ];
        let wanted = Policy {
            max_unavailable: 2,
            drain_limit_seconds: 90,
            delete_local_data: false,
            ..spec.clone()
        };
        assert_eq!(policy(&flags, &spec), wanted);
        spec.delete_local_data = false;
        assert!(!policy(&[], &spec).delete_local_data);
        assert!(policy(&["--delete-unmanaged"], &spec).delete_unmanaged);
    }
}
