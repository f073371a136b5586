//! `upgrade`, `resume`, `pause`, `abort`: a rolling upgrade, and what the operator wants of it.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use hactl_cluster_plan::rollout::{Policy, Request, RolloutPlan, plan};
use hactl_proto::Timestamp;
use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::rollout::{RolloutRecord, RolloutWish};
use hactl_proto::version::KubernetesVersion;

use super::session::{Session, targets, wait};
use super::{Common, agents, kubeconfig};
use crate::connect::Endpoint;
use crate::exit::{Exit, Failure};
use crate::observe::{Operator, chain};
use crate::present::{GivenUpView, Live, PlanView, ReportView, Run, Screen, WishView};
use crate::rollout::{
    Agents, DriveError, End, EndpointWatch, Fleet, KeepError, Tale, drive, give_up, newest, put,
    wish,
};
use crate::state::{self, Kept};

/// A survey runs programs on the node.
const SURVEY_LIMIT: Duration = Duration::from_secs(45);
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

/// The rollout that is neither finished nor given up.
async fn open_rollout<A: Agents>(agents: &Arc<A>) -> Result<RolloutRecord, Failure> {
    let kept = newest(&**agents).await.map_err(kept_failure)?;
    let open = kept.filter(|kept| matches!(kept.wish, RolloutWish::Running | RolloutWish::Paused));
    open.ok_or_else(|| {
        Failure::Refused(
            "no rollout is open: begin one with `hactl-controller upgrade --to VERSION`".to_owned(),
        )
    })
}

fn read_plan(record: &RolloutRecord) -> Result<RolloutPlan, Failure> {
    serde_json::from_str(&record.plan).map_err(Failure::failed(format!(
        "read the plan of rollout {}",
        record.number
    )))
}

fn kept_failure(error: KeepError) -> Failure {
    match error {
        KeepError::NoMajority(_) => Failure::unreachable("read or change the rollout")(error),
        KeepError::Newer { .. } => Failure::Refused(format!("failed to {error}")),
    }
}

/// The exit code of a run.
pub(super) fn ended(end: Result<End, DriveError>) -> Result<Exit, Failure> {
    match end {
        Ok(End::Finished | End::Paused | End::Aborted) => Ok(Exit::Done),
        Ok(End::Stopped { .. }) => Ok(Exit::Failed),
        Err(error @ (DriveError::Held { .. } | DriveError::LeaseLost(_))) => {
            Err(Failure::Refused(format!("failed to {error}")))
        }
        Err(DriveError::Keep(error)) => Err(kept_failure(error)),
        Err(error) => Err(Failure::failed("carry the rollout on")(error)),
    }
}

/// The operator's place: spec, certificate, name in the lease.
pub(super) struct Desk {
    session: Session,
    operator: Arc<Operator>,
    limit: Duration,
    pub(super) kept: Kept,
    folder: PathBuf,
    pub(super) who: String,
}

impl Desk {
    pub(super) fn open(common: &Common) -> Result<Self, Failure> {
        let folder = common.places().existing()?;
        let session = Session::open(common)?;
        // A call of a rollout runs programs on the node: it may take longer than a look at its status.
        let limit = common.limit().max(SURVEY_LIMIT);
        let operator = Operator::in_folder(&folder, &common.person, limit).map_err(
            Failure::failed(format!("use the certificate of {}", common.person)),
        )?;
        let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Self {
            kept: state::read_present(&folder)?,
            session,
            operator: Arc::new(operator),
            limit,
            folder,
            who: format!("{}@{}/{}", common.person, host.trim(), std::process::id()),
        })
    }

    /// All agents: the declared nodes' and those that enrolled.
    pub(super) async fn agents(&self) -> Arc<Arc<Fleet>> {
        let observed = self.session.observe().await;
        let targets = targets(&observed, self.kept.spec.policies.agent_port);
        let operator = Arc::clone(&self.operator);
        let spec = self.kept.spec.clone();
        Arc::new(Arc::new(Fleet::new(operator, spec, targets, self.limit)))
    }

    /// Has something else wanted of the rollout that is open.
    async fn wants<A: Agents>(
        &self,
        agents: &Arc<A>,
        wanted: RolloutWish,
    ) -> Result<RolloutRecord, Failure> {
        let open = open_rollout(agents).await?;
        wish(&**agents, &open, wanted, &self.who, Timestamp::now())
            .await
            .map_err(kept_failure)
    }

    /// Asks the endpoint while the rollout goes on, as far as it can be asked from here.
    async fn witness(&self, tale: &Tale) -> EndpointWatch {
        let spec = &self.kept.spec.endpoint;
        let seconds = self.session.limit.as_secs();
        let config = match kubeconfig::fetch(&self.session, seconds).await {
            Ok(config) => config,
            Err(failure) => return EndpointWatch::none(chain(&failure)),
        };
        match Endpoint::new(&spec.host, spec.port, &config) {
            Ok(endpoint) => {
                let endpoint = Arc::new(endpoint);
                EndpointWatch::begin(tale, move || {
                    let endpoint = Arc::clone(&endpoint);
                    async move { endpoint.readyz().await }
                })
            }
            Err(error) => EndpointWatch::none(chain(&error)),
        }
    }

    /// Drives the rollout, shows it, and keeps the report.
    async fn carry_on<A: Agents>(
        &self,
        agents: &Arc<A>,
        record: &RolloutRecord,
        plan: &RolloutPlan,
        screen: Screen,
    ) -> Result<Exit, Failure> {
        let live = Live::new(screen, plan);
        let tale = Tale::new(Timestamp::now, move |told| live.show(told));
        let begun = Timestamp::now();
        let endpoint = self.witness(&tale).await;
        let ended = drive(agents, record, plan, self.kept.generation, &self.who, &tale).await;
        let run = Run {
            begun,
            ended: Timestamp::now(),
            end: &ended,
            timeline: tale.lines(),
            endpoint: endpoint.end(),
        };
        let report = ReportView::new(plan, run);
        report.write(&self.folder.join("rollouts"))?;
        screen.show(&report)?;
        self::ended(ended)
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
