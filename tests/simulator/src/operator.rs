//! Operators: they plan an upgrade, drive it, change their minds, die and come again; two of them at once.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hactl_cluster_plan::rollout::{Policy, Request, RolloutPlan};
use hactl_controller::rollout::{End, Tale, Told, drive, newest, put, wish};
use hactl_proto::name::NodeName;
use hactl_proto::report::ReportEvent;
use hactl_proto::rollout::{RolloutRecord, RolloutWish};
use hactl_proto::spec::ClusterSpec;
use hactl_proto::version::KubernetesVersion;
use tokio::time::{sleep, timeout};

use crate::chance::Chance;
use crate::controller::Controller;
use crate::town::Town;

/// What operators want.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    pub(crate) to: KubernetesVersion,
    /// Workers that are meant; empty: all.
    pub(crate) nodes: BTreeSet<NodeName>,
    /// Rollouts that were through before.
    pub(crate) before: u64,
}

/// An operator.
pub(crate) struct Operator {
    pub(crate) town: Town,
    pub(crate) name: &'static str,
    pub(crate) wish: Wish,
    pub(crate) chance: Chance,
    /// While faults happen operators do foolish things.
    pub(crate) stormy: Arc<AtomicBool>,
    /// Whether this one comes to help only, or is responsible until the end.
    pub(crate) stays: bool,
    controller: Arc<Controller>,
}

impl Operator {
    pub(crate) fn new(
        town: &Town,
        spec: &ClusterSpec,
        name: &'static str,
        wish: Wish,
        chance: Chance,
        stormy: &Arc<AtomicBool>,
    ) -> Self {
        Self {
            town: town.clone(),
            name,
            wish,
            chance,
            stormy: Arc::clone(stormy),
            stays: name == "ann",
            controller: Arc::new(Controller::new(town.clone(), spec.clone())),
        }
    }

    fn stormy(&self) -> bool {
        self.stormy.load(Ordering::Relaxed)
    }

    fn say(&self, text: impl Into<String>) {
        let text = text.into();
        self.town.log.event(|| format!("{}: {text}", self.name));
    }

    /// Upgrades the cluster, whatever comes between. One who only helps goes away when the faults stop.
    pub(crate) async fn upgrade(mut self) {
        loop {
            if !self.stays && !self.stormy() {
                return;
            }
            match newest(&*self.controller).await {
                Err(error) => self.say(error.to_string()),
                Ok(None) => self.begin(1).await,
                Ok(Some(record)) => {
                    if self.go_on(record).await {
                        self.say("the upgrade is through");
                        return;
                    }
                }
            }
            let pause = self.chance.millis(1_000, 10_000);
            sleep(pause).await;
        }
    }

    /// Plans anew and has the plan kept.
    async fn begin(&mut self, number: u64) {
        let policy = Policy {
            drain_limit_seconds: 30,
            ..Policy::default()
        };
        let request = Request {
            to: self.wish.to.clone(),
            policy,
            zones: [].into(),
            nodes: self.wish.nodes.clone(),
        };
        match self.controller.plan(&request, number).await {
            Err(blockers) => self.say(format!("no plan: {blockers}")),
            Ok(plan) => {
                let record = RolloutRecord {
                    number,
                    revision: 0,
                    wish: RolloutWish::Running,
                    by: self.name.to_owned(),
                    at: self.town.world.state().now(),
                    plan: serde_json::to_string(&plan).unwrap_or_default(),
                };
                match put(&*self.controller, &record).await {
                    Ok(()) => self.say(format!("plans rollout {number} to {}", self.wish.to)),
                    Err(error) => self.say(error.to_string()),
                }
            }
        }
    }

    /// Goes on with what is kept; whether all is through.
    async fn go_on(&mut self, record: RolloutRecord) -> bool {
        let Ok(plan) = serde_json::from_str::<RolloutPlan>(&record.plan) else {
            self.begin(record.number + 1).await;
            return false;
        };
        match record.wish {
            RolloutWish::Finished
                if plan.to >= self.wish.to && record.number > self.wish.before =>
            {
                return true;
            }
            RolloutWish::Finished | RolloutWish::Aborted => {
                self.begin(record.number + 1).await;
                return false;
            }
            RolloutWish::Paused => {
                self.wish(&record, RolloutWish::Running).await;
                return false;
            }
            RolloutWish::Running => {}
        }
        if self.stormy() && self.chance.per_mille(150) {
            let foolish = [RolloutWish::Paused, RolloutWish::Aborted];
            if let Some(wanted) = self.chance.pick(&foolish).copied() {
                self.wish(&record, wanted).await;
                return false;
            }
        }
        self.drive(&record, &plan).await
    }

    async fn wish(&self, record: &RolloutRecord, wanted: RolloutWish) {
        let at = self.town.world.state().now();
        let said = wish(&*self.controller, record, wanted, self.name, at).await;
        match said {
            Ok(_) => self.say(format!("wishes rollout {} {wanted:?}", record.number)),
            Err(error) => self.say(error.to_string()),
        }
    }

    /// Drives until the end, or until this controller is killed.
    async fn drive(&mut self, record: &RolloutRecord, plan: &RolloutPlan) -> bool {
        let tale = self.tale();
        let driven = drive(&self.controller, record, plan, 1, self.name, &tale);
        let life = if self.stormy() && self.chance.per_mille(400) {
            self.chance.millis(5_000, 200_000)
        } else if self.stays {
            Duration::from_hours(24)
        } else {
            Duration::from_mins(10)
        };
        let ended = tokio::select! {
            biased;
            ended = timeout(life, driven) => ended.ok(),
            () = self.controller.killed() => None,
        };
        match ended {
            None => {
                self.say("this controller is killed");
                false
            }
            Some(Err(error)) => {
                self.say(format!("failed to {error}"));
                false
            }
            Some(Ok(End::Finished)) => plan.to >= self.wish.to,
            Some(Ok(end)) => {
                self.say(format!("{end:?}"));
                false
            }
        }
    }

    fn tale(&self) -> Tale {
        let (clock, log, name) = (self.town.world.clone(), self.town.log.clone(), self.name);
        Tale::new(
            move || clock.state().now(),
            move |told| match told {
                Told::Note(text) => log.event(|| format!("{name}: {text}")),
                Told::Waits { reasons, .. } => {
                    log.event(|| format!("{name} waits: {}", reasons.join("; ")));
                }
                Told::Event {
                    node,
                    order,
                    event: ReportEvent::Ended(outcome),
                    ..
                } => log.event(|| format!("{name} hears: {order} on {node} ended: {outcome:?}")),
                Told::Event { .. } => {}
            },
        )
    }
}
