//! Cordon, drain and their undoing, through the API by a control plane. A drain that can't end leaves the node schedulable and
//! names who kept it (I12).

use std::time::Duration;

use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::output::{self, NodeObject};
use hactl_node_plan::rollout::budget::{blocking, pods};
use hactl_node_plan::rollout::{CORDONED_ANNOTATION, FENCE_ANNOTATION};
use hactl_proto::name::NodeName;
use hactl_proto::rollout::{Drain, RolloutOrder};
use serde_json::{Map, Value, json};

use super::{misfit, order};
use crate::execute::{ExecuteContext, StepError, last_lines};
use crate::host::Host;
use crate::inspect::rollout::ask;

/// One round of evictions; after each it is said what keeps the rest.
const ROUND_SECONDS: u32 = 15;
/// Between two rounds.
const BETWEEN: Duration = Duration::from_secs(2);

fn kubectl<H>(cx: &ExecuteContext<H>) -> Kubectl {
    Kubectl::admin(cx.node.address)
}

fn drain<H>(cx: &ExecuteContext<H>) -> Result<&Drain, StepError> {
    match order(cx)? {
        RolloutOrder::Drain(drain) => Ok(drain),
        other => Err(misfit(other.kind())),
    }
}

/// One write marks the Node: no pod comes in between the mark and the cordon. A cordon that somebody else made is not called ours.
pub(super) async fn cordon<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let node = &drain(cx)?.node;
    let found = look(cx, node).await?;
    let fence = cx.instruction.fence.map_or(0, |fence| fence.0).to_string();
    let mut marks = Map::new();
    marks.insert(FENCE_ANNOTATION.to_owned(), json!(fence));
    if !found.unschedulable {
        marks.insert(CORDONED_ANNOTATION.to_owned(), json!("true"));
    }
    let patch = json!({ "metadata": { "annotations": marks }, "spec": { "unschedulable": true } });
    write(cx, node, &patch).await
}

/// Evicts round after round until nothing is left or the time is over; then the node is made schedulable again.
pub(super) async fn evict<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let order = drain(cx)?.clone();
    let end = tokio::time::Instant::now() + Duration::from_secs(u64::from(order.limit_seconds));
    let condition = format!("{} drained", order.node);
    loop {
        let round = kubectl(cx).drain(
            &order.node,
            ROUND_SECONDS,
            order.unmanaged,
            order.local_data,
        );
        let answer = cx.host.run(&round).await?;
        if answer.success() {
            cx.progress.resumed();
            return Ok(());
        }
        let said = last_lines(&answer);
        let kept = keeping(cx, &order.node, &said).await;
        cx.progress.waiting(&condition, &kept, cx.host.now());
        let hopeless = said.contains("use --force") || said.contains("use --delete-emptydir-data");
        if hopeless || tokio::time::Instant::now() >= end {
            unmark(cx, &order.node).await?;
            return Err(StepError::state(
                format!("drain {}", order.node),
                format!("{kept}; the node is schedulable again"),
                "Give the budget's owner one more ready pod or relax the budget, let go of pods that nobody makes again \
                 (--delete-unmanaged) or whose local data may go (--delete-local-data), then `hactl-controller resume`.",
            ));
        }
        tokio::time::sleep(BETWEEN).await;
    }
}

/// Takes the marks away.
pub(super) async fn uncordon<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    match order(cx)? {
        RolloutOrder::Uncordon { node } => unmark(cx, node).await,
        other => Err(misfit(other.kind())),
    }
}

async fn unmark<H: Host>(cx: &ExecuteContext<H>, node: &NodeName) -> Result<(), StepError> {
    let found = look(cx, node).await?;
    let mut patch = json!({ "metadata": { "annotations": {
        FENCE_ANNOTATION: Value::Null,
        CORDONED_ANNOTATION: Value::Null,
    } } });
    if found.annotations.contains_key(CORDONED_ANNOTATION) {
        patch["spec"] = json!({ "unschedulable": Value::Null });
    }
    write(cx, node, &patch).await
}

async fn look<H: Host>(cx: &ExecuteContext<H>, node: &NodeName) -> Result<NodeObject, StepError> {
    let answer = cx.host.run(&kubectl(cx).node(node)).await?;
    let observed = match output::object(&answer, output::node) {
        Known::Is(Some(found)) => return Ok(found),
        Known::Is(None) => "there is none".to_owned(),
        Known::Unknown(reason) => reason,
    };
    Err(StepError::state(
        format!("read the Node {node}"),
        observed,
        "Look whether the API answers and the node is registered.",
    ))
}

async fn write<H: Host>(
    cx: &ExecuteContext<H>,
    node: &NodeName,
    patch: &Value,
) -> Result<(), StepError> {
    cx.run(&kubectl(cx).patch_node(node, &patch.to_string()))
        .await
        .map(drop)
}

/// Who keeps the pods that are left, in one line: budgets with owners and pods, else kubectl's own last words.
async fn keeping<H: Host>(cx: &ExecuteContext<H>, node: &NodeName, said: &str) -> String {
    let budgets = async {
        let on_node = pods(&ask(&*cx.host, &kubectl(cx).pods(Some(node))).await?.stdout)
            .ok_or("the pods can't be read")?;
        blocking(
            &ask(&*cx.host, &kubectl(cx).budgets()).await?.stdout,
            &on_node,
        )
        .ok_or_else(|| "the budgets can't be read".to_owned())
    };
    let last = said.lines().last().unwrap_or_default().to_owned();
    let named: Vec<String> = match budgets.await {
        Ok(budgets) => budgets
            .into_iter()
            .map(|budget| {
                let pods: Vec<&str> = budget.pods.iter().map(|(pod, _)| pod.as_str()).collect();
                format!(
                    "PodDisruptionBudget {} of {} allows no disruption: {}",
                    budget.name,
                    if budget.owner.is_empty() {
                        "no owner"
                    } else {
                        &budget.owner
                    },
                    pods.join(", ")
                )
            })
            .collect(),
        Err(reason) => vec![reason],
    };
    if named.is_empty() {
        last
    } else {
        named.join("; ")
    }
}
