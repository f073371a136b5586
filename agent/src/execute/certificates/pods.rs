//! Pods that began before they were given the successor begin anew: their owners are told to, once each, and do it as their own strategies say.
//! What nobody can be told to is waited for, by name.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hactl_node_plan::certificate::trust::pods::{restarted, settled};
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_proto::rotation::PodsSeen;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::rotate::order;
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::rollout::ask;
use crate::inspect::trust;

const EVERY: Duration = Duration::from_secs(10);
/// Pulling an image and beginning takes minutes; many owners go at once.
const LIMIT: Duration = Duration::from_mins(30);
/// An owner whose pods are still old by then is told again: a clock was ahead when it was told.
const AGAIN: Duration = Duration::from_mins(10);

/// Tells each owner, and waits until no pod is left that began before.
pub(super) async fn restart<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (order, _) = order(cx)?;
    let told: Mutex<BTreeMap<String, Instant>> = Mutex::default();
    let name = format!("every pod that uses the API to believe the CA {}", order.to);
    cx.wait(&name, EVERY, LIMIT, || async {
        let seen = trust::pods(&*cx.host, &cx.node).await;
        Ok(if let Some(reason) = seen.unknown {
            Condition::Pending(reason)
        } else if !seen.given.contains(&order.to) {
            Condition::Pending("not every namespace has been given it yet".to_owned())
        } else if seen.older.is_empty() {
            Condition::Met(())
        } else if !settled(&seen, cx.host.now()) {
            Condition::Pending("kubelets to renew what pods have mounted".to_owned())
        } else {
            tell(cx, &seen, &mut *told.lock().await).await;
            Condition::Pending(left(&seen.older))
        })
    })
    .await
}

async fn tell<H: Host>(
    cx: &ExecuteContext<H>,
    seen: &PodsSeen,
    told: &mut BTreeMap<String, Instant>,
) {
    let kubectl = Kubectl::admin(cx.node.address);
    for owner in &seen.older {
        let Some((kind, namespace, name)) = restarted(owner) else {
            continue;
        };
        if told.get(owner).is_some_and(|at| at.elapsed() < AGAIN) {
            continue;
        }
        let command = kubectl.rollout_restart(kind, namespace, name);
        match ask(&*cx.host, &command).await {
            Ok(_) => drop(told.insert(owner.clone(), Instant::now())),
            // One that is gone meanwhile has no pods either.
            Err(reason) => tracing::warn!(owner, reason, "failed to have pods begin anew"),
        }
    }
}

fn left(older: &BTreeSet<String>) -> String {
    let (own, others): (Vec<&str>, Vec<&str>) = older
        .iter()
        .map(String::as_str)
        .partition(|owner| restarted(owner).is_some());
    let mut parts = Vec::new();
    if !own.is_empty() {
        parts.push(format!("{} begin anew", own.join(", ")));
    }
    if !others.is_empty() {
        parts.push(format!(
            "{} have to be begun anew by hand",
            others.join(", ")
        ));
    }
    parts.join("; ")
}
