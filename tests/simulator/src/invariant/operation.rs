//! Operations of one node, by what its journal says.

use std::time::Duration;

use hactl_agent::journal::Entry;
use hactl_node_plan::rollout::{CORDONED_ANNOTATION, FENCE_ANNOTATION};
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::rollout::RolloutOrder;
use hactl_simulation::State;

use super::books::{Books, Operation, live};
use super::{I1, I12, I13, ONE, Rule};

type Verdict = Result<(), (Rule, String)>;

/// A line of a node's journal.
pub(super) fn judge(
    books: &mut Books,
    state: &State,
    node: &NodeName,
    entry: &Entry,
    now: Duration,
) -> Verdict {
    match entry {
        Entry::Accepted {
            id,
            kind,
            fence,
            order,
            ..
        } => {
            let fence = fence.map(|fence| fence.0);
            let subject = match order {
                Some(RolloutOrder::Drain(drain)) => Some(drain.node.clone()),
                _ => None,
            };
            let accepted = Operation {
                id: id.clone(),
                kind: kind.clone(),
                fence,
                accepted: now,
                ended: false,
                subject,
            };
            accept(books, node, accepted)
        }
        Entry::Ended { id, outcome } => {
            let Some(operation) = books.operations.get_mut(node).filter(|one| one.id == *id) else {
                return Ok(());
            };
            operation.ended = true;
            let operation = operation.clone();
            drained(state, node, &operation, outcome)
        }
        _ => Ok(()),
    }
}

fn accept(books: &mut Books, node: &NodeName, operation: Operation) -> Verdict {
    let id = operation.id.clone();
    if !books
        .accepted
        .entry(node.clone())
        .or_default()
        .insert(id.clone())
    {
        return Err((I13, format!("{node} begins {id} a second time")));
    }
    if let Some(fence) = operation.fence {
        let highest = books.fences.entry(node.clone()).or_default();
        if fence < *highest {
            return Err((
                I1,
                format!("{node} begins {id} under number {fence} after it saw {highest}"),
            ));
        }
        *highest = fence;
    }
    match books.operations.insert(node.clone(), operation) {
        Some(before) if !before.ended => Err((
            ONE,
            format!(
                "{node} begins {id} while {} ({}) is under way",
                before.id, before.kind
            ),
        )),
        _ => Ok(()),
    }
}

/// A drain that says that it made the node schedulable again did so.
fn drained(state: &State, steward: &NodeName, operation: &Operation, outcome: &Outcome) -> Verdict {
    let (Some(node), Outcome::Failed { error, .. }) = (&operation.subject, outcome) else {
        return Ok(());
    };
    if !error.contains("schedulable again") {
        return Ok(());
    }
    let object = live(state).and_then(|cluster| cluster.objects.get(&format!("node//{node}")));
    let fence = operation.fence.map(|fence| fence.to_string());
    // A cordon of another's, or under a later number, is none of this drain's.
    let marked = |object: &serde_json::Value| {
        let marks = &object["metadata"]["annotations"];
        object["spec"]["unschedulable"] == true
            && marks[CORDONED_ANNOTATION] == "true"
            && marks[FENCE_ANNOTATION].as_str() == fence.as_deref()
    };
    if object.is_some_and(marked) {
        return Err((
            I12,
            format!(
                "{steward} says that {node} is schedulable again after its drain failed, and it is cordoned"
            ),
        ));
    }
    Ok(())
}
