//! After a restart: what the journal says was under way is finished, or named.

use std::time::Duration;

use hactl_node_plan::command::Command;
use hactl_proto::instruction::{Instruction, Order};
use hactl_proto::report::{Outcome, ReportEvent, Waiting};

use super::Operations;
use crate::causes::chain;
use crate::execute::{last_lines, unit_name};
use crate::host::Host;
use crate::journal::{Entry, PastOperation};

/// How long a program that outlived the agent is awaited; its own unit ends it before (`kubeadm reset` may take six minutes).
const LIMIT: Duration = Duration::from_hours(1);

impl<H: Host> Operations<H> {
    /// Takes up the operation that was under way when the agent ended, in a task of its own; until that has ended, other
    /// instructions are refused. To be called once, before any instruction is taken. Gives what there was.
    pub async fn recover(&self) -> Option<PastOperation> {
        let mut unfinished: Vec<PastOperation> = self.state().past.unfinished().cloned().collect();
        let last = unfinished.pop()?;
        // At once, so that no instruction comes before it.
        self.begin(last.status(), last.fence);
        for lost in unfinished {
            // One at a time is under way: an end of these was in a line that is damaged.
            self.record_lost(&lost).await;
        }
        tracing::warn!(id = %last.id, kind = last.kind, "was interrupted by a restart");
        let engine = self.clone();
        let one = last.clone();
        tokio::spawn(async move { engine.take_up(&one).await });
        Some(last)
    }

    async fn take_up(&self, one: &PastOperation) {
        let resumed = Entry::Resumed { id: one.id.clone() };
        if let Err(error) = self.record(resumed).await {
            tracing::error!("failed to {}", chain(&error));
        }
        let Some(order) = resumable(one) else {
            let ended = self.await_program(one).await;
            self.end(&one.id, interrupted(one, &ended)).await;
            return;
        };
        self.drive(Instruction {
            id: one.id.clone(),
            generation: one.generation,
            fence: one.fence,
            order,
        })
        .await;
    }

    /// Waits for the program of the step that was under way: its unit outlives the agent, and nothing may be begun beside it.
    /// Gives what is known of its end.
    async fn await_program(&self, one: &PastOperation) -> String {
        let Some((_, _, step)) = &one.step else {
            return "no step was under way".to_owned();
        };
        self.tell(ReportEvent::Waiting(Waiting {
            condition: format!("the end of {step}, begun before the agent's restart"),
            since: self.inner.host.now(),
            observed: "its unit is looked for".to_owned(),
        }));
        // Where the unit is there, its result is read and nothing is started. Where it is not, `true` does nothing.
        let look = Command::new("true", [""; 0])
            .limit(LIMIT)
            .unit(unit_name(&one.id, step));
        match self.inner.host.run(&look).await {
            Ok(output) if output.success() => format!("{step}: what ran of it has ended"),
            Ok(output) => format!("{step}: its program failed: {}", last_lines(&output)),
            Err(error) => format!("{step}: its program's end is unknown: {}", chain(&error)),
        }
    }

    /// Names an operation whose end was lost.
    async fn record_lost(&self, one: &PastOperation) {
        let ended = Entry::Ended {
            id: one.id.clone(),
            outcome: interrupted(one, "the journal's line about its end is lost"),
        };
        if let Err(error) = self.record(ended).await {
            tracing::error!("failed to {}", chain(&error));
        }
    }
}

/// The order of an operation that can be planned again from what the journal knows.
///
/// Joins can't: their credentials were in memory only. An init must not: its right to run was checked when it was given (the
/// grants of the other control planes), and has to be checked again by whoever gives it.
fn resumable(one: &PastOperation) -> Option<Order> {
    let kept = one.order.clone().map(Order::Rollout);
    [Order::Prepare, Order::Clean]
        .into_iter()
        .chain(kept)
        .find(|order| order.kind() == one.kind)
}

fn interrupted(one: &PastOperation, ended: &str) -> Outcome {
    Outcome::Failed {
        step: one
            .step
            .as_ref()
            .map_or_else(|| "plan".to_owned(), |(_, _, step)| step.clone()),
        error: format!("carry {} on after the agent's restart: {ended}", one.kind),
        done: one.done.clone(),
        remedy: "Nothing to do: the facts are read again, and what is missing is done by a new \
                 operation, with credentials of its own."
            .to_owned(),
    }
}
