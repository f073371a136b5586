//! The operator's place while a rollout is looked at, wanted otherwise or carried on: spec, certificate, the agents' addresses, the
//! report's folder. What a verb means is not here.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use hactl_cluster_plan::rollout::RolloutPlan;
use hactl_proto::Timestamp;
use hactl_proto::rollout::{RolloutRecord, RolloutWish};

use crate::cli::session::{Session, targets};
use crate::cli::{Common, kubeconfig};
use crate::connect::Endpoint;
use crate::exit::{Exit, Failure};
use crate::observe::{Operator, chain};
use crate::present::{Live, ReportView, Run, Screen};
use crate::rollout::{
    Agents, DriveError, End, EndpointWatch, Fleet, KeepError, Tale, drive, newest, wish,
};
use crate::state::{self, Kept};

/// A survey runs programs on the node.
const SURVEY_LIMIT: Duration = Duration::from_secs(45);

/// The rollout that is neither finished nor given up.
pub(super) async fn open_rollout<A: Agents>(agents: &Arc<A>) -> Result<RolloutRecord, Failure> {
    let kept = newest(&**agents).await.map_err(kept_failure)?;
    let open = kept.filter(|kept| matches!(kept.wish, RolloutWish::Running | RolloutWish::Paused));
    open.ok_or_else(|| {
        Failure::Refused(
            "no rollout is open: begin one with `hactl-controller upgrade --to VERSION`".to_owned(),
        )
    })
}

pub(super) fn read_plan(record: &RolloutRecord) -> Result<RolloutPlan, Failure> {
    serde_json::from_str(&record.plan).map_err(Failure::failed(format!(
        "read the plan of rollout {}",
        record.number
    )))
}

pub(super) fn kept_failure(error: KeepError) -> Failure {
    match error {
        KeepError::NoMajority(_) => Failure::unreachable("read or change the rollout")(error),
        KeepError::Newer { .. } => Failure::Refused(format!("failed to {error}")),
    }
}

/// The exit code of a run.
pub(in crate::cli) fn ended(end: Result<End, DriveError>) -> Result<Exit, Failure> {
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
pub(in crate::cli) struct Desk {
    session: Session,
    operator: Arc<Operator>,
    limit: Duration,
    pub(in crate::cli) kept: Kept,
    folder: PathBuf,
    pub(in crate::cli) who: String,
}

impl Desk {
    pub(in crate::cli) fn open(common: &Common) -> Result<Self, Failure> {
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
    pub(in crate::cli) async fn agents(&self) -> Arc<Fleet> {
        let observed = self.session.observe().await;
        let targets = targets(&observed, self.kept.spec.policies.agent_port);
        let operator = Arc::clone(&self.operator);
        let spec = self.kept.spec.clone();
        Arc::new(Fleet::new(operator, spec, targets, self.limit))
    }

    /// Where runs leave their reports.
    pub(in crate::cli) fn reports(&self) -> PathBuf {
        self.folder.join("rollouts")
    }

    /// Has something else wanted of the rollout that is open.
    pub(super) async fn wants<A: Agents>(
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
    pub(super) async fn carry_on<A: Agents>(
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
        report.write(&self.reports())?;
        screen.show(&report)?;
        self::ended(ended)
    }
}
