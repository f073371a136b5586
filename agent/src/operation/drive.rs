//! From facts to the outcome: inspect, plan, journal, execute, and look again whether all is there.

use std::sync::Arc;

use hactl_node_plan::facts::Facts;
use hactl_node_plan::plan::restore::restore;
use hactl_node_plan::plan::{NodeContext, Plan, plan};
use hactl_node_plan::step::Step;
use hactl_proto::finding::Finding;
use hactl_proto::instruction::{Instruction, OperationId, Order};
use hactl_proto::report::{Outcome, ReportEvent};
use tracing::Instrument;

use super::Operations;
use crate::causes::chain;
use crate::execute::{ExecuteContext, Progress, StepError, clear, execute};
use crate::host::Host;
use crate::inspect::{inspect, inspect_for_rollout};
use crate::journal::{Entry, JournalError};

/// So often the plan is computed: once to begin with, then until it is empty. A plan that is not empty by then does not
/// do what it says.
const ROUNDS: usize = 3;

/// What was done so far, for the report of a failure.
#[derive(Debug, Default)]
struct Done(Vec<String>);

impl<H: Host> Operations<H> {
    /// Carries an accepted instruction to its end and records it.
    pub(super) async fn drive(&self, instruction: Instruction) {
        let span = tracing::info_span!(
            "operation",
            id = %instruction.id,
            kind = instruction.order.kind(),
            generation = instruction.generation,
        );
        let shared = Arc::new(instruction.clone());
        let mut outcome = self
            .carry_out(Arc::clone(&shared))
            .instrument(span.clone())
            .await;
        if matches!(outcome, Outcome::Failed { .. }) {
            outcome = self
                .put_back(shared, outcome)
                .instrument(span.clone())
                .await;
        }
        self.end(&instruction.id, outcome).instrument(span).await;
    }

    /// Records how an operation ended and tells it. Whoever reads "ended" may rely on the journal.
    pub(super) async fn end(&self, id: &OperationId, outcome: Outcome) {
        match &outcome {
            Outcome::Succeeded => tracing::info!("succeeded"),
            Outcome::Refused { findings } => {
                tracing::warn!(reasons = findings.len(), "refused: {}", checks(findings));
            }
            Outcome::Failed { step, error, .. } => tracing::error!(step, "failed to {error}"),
        }
        if let Err(error) = clear(&*self.inner.host, &self.inner.paths).await {
            tracing::error!("failed to {}: a secret may be left on tmpfs", chain(&error));
        }
        let ended = Entry::Ended {
            id: id.clone(),
            outcome: outcome.clone(),
        };
        if let Err(error) = self.record(ended).await {
            tracing::error!(
                "failed to {}; the next start will look again",
                chain(&error)
            );
        }
        self.tell(ReportEvent::Ended(outcome));
    }

    /// Takes back what a failed order began, where it can be, and says in the outcome what came of it.
    async fn put_back(&self, instruction: Arc<Instruction>, outcome: Outcome) -> Outcome {
        let node = self.node();
        let steps = restore(&instruction, &node, &self.facts(&instruction, &node).await);
        let Outcome::Failed {
            step,
            error,
            mut done,
            remedy,
        } = outcome
        else {
            return outcome;
        };
        if steps.is_empty() {
            return Outcome::Failed {
                step,
                error,
                done,
                remedy,
            };
        }
        tracing::warn!(step, "failed to {error}; putting the node back as it was");
        let mut restored = Done::default();
        let ended = self
            .run_plan(&instruction, Plan { steps }, &mut restored)
            .await;
        done.extend(restored.0);
        let (error, remedy) = match ended {
            Ok(()) => (
                format!("{error}; the node was put back as it was, and is well"),
                format!(
                    "{remedy} The node runs what it ran before; `hactl-controller resume` tries it again."
                ),
            ),
            Err(Outcome::Failed {
                step, error: why, ..
            }) => (
                format!("{error}; putting the node back stopped at {step}: failed to {why}"),
                format!("{remedy} What was kept aside lies in /var/lib/hactl/upgrade/kept."),
            ),
            Err(_) => (error, remedy),
        };
        Outcome::Failed {
            step,
            error,
            done,
            remedy,
        }
    }

    /// All that a plan is computed from, now.
    async fn facts(&self, instruction: &Instruction, node: &NodeContext) -> Facts {
        let (host, paths) = (&*self.inner.host, &*self.inner.paths);
        let machine = &self.inner.machine;
        match &instruction.order {
            Order::Rollout(order) => inspect_for_rollout(host, node, paths, machine, order).await,
            _ => inspect(host, node, paths, machine).await,
        }
    }

    async fn carry_out(&self, instruction: Arc<Instruction>) -> Outcome {
        let mut done = Done::default();
        for round in 0..ROUNDS {
            let node = self.node();
            let facts = self.facts(&instruction, &node).await;
            let plan = match plan(&instruction, &node, &facts) {
                Ok(plan) if plan.steps.is_empty() => return Outcome::Succeeded,
                Ok(plan) => plan,
                Err(refusal) if done.0.is_empty() && round == 0 => {
                    return Outcome::Refused {
                        findings: refusal.findings,
                    };
                }
                Err(refusal) => return done.refused(&refusal.findings),
            };
            if round == ROUNDS - 1 || (round > 0 && plan.resets()) {
                return done.unfinished(&plan);
            }
            if let Err(outcome) = self.run_plan(&instruction, plan, &mut done).await {
                return outcome;
            }
        }
        Outcome::Succeeded
    }

    /// Runs the steps in order; the journal knows each before its effect.
    async fn run_plan(
        &self,
        instruction: &Arc<Instruction>,
        plan: Plan,
        done: &mut Done,
    ) -> Result<(), Outcome> {
        let steps: Vec<String> = plan
            .steps
            .iter()
            .map(|step| step.name().to_owned())
            .collect();
        let of = steps.len();
        let id = &instruction.id;
        self.note(
            "plan",
            done,
            Entry::Planned {
                id: id.clone(),
                steps: steps.clone(),
            },
        )
        .await?;
        self.tell(ReportEvent::Planned { steps });
        for (index, step) in (1..).zip(&plan.steps) {
            let name = step.name().to_owned();
            let begun = Entry::Started {
                id: id.clone(),
                index,
                step: name.clone(),
            };
            self.note(&name, done, begun).await?;
            self.tell(ReportEvent::Started {
                index,
                step: name.clone(),
            });
            let span = tracing::info_span!("step", index, of, name);
            self.run_step(instruction, step)
                .instrument(span)
                .await
                .map_err(|error| done.failed(&name, &error))?;
            let ended = Entry::Finished {
                id: id.clone(),
                index,
                step: name.clone(),
            };
            self.note(&name, done, ended).await?;
            self.tell(ReportEvent::Finished {
                index,
                step: name.clone(),
            });
            done.0.push(name);
        }
        Ok(())
    }

    /// Runs one step and passes on what it waits for.
    async fn run_step(&self, instruction: &Arc<Instruction>, step: &Step) -> Result<(), StepError> {
        let (progress, mut waiting) = Progress::new();
        let cx = ExecuteContext {
            host: Arc::clone(&self.inner.host),
            node: self.node(),
            paths: Arc::clone(&self.inner.paths),
            instruction: Arc::clone(instruction),
            progress,
        };
        let running = execute(step, &cx);
        tokio::pin!(running);
        loop {
            tokio::select! {
                // In a fixed order: the simulator runs this the same way each time.
                biased;
                ended = &mut running => return ended,
                Ok(()) = waiting.changed() => {
                    let wait = waiting.borrow_and_update().clone();
                    match wait {
                        Some(wait) => self.tell(ReportEvent::Waiting(wait)),
                        None => self.state().ledger.resumed(),
                    }
                }
            }
        }
    }

    pub(super) async fn record(&self, entry: Entry) -> Result<(), JournalError> {
        self.inner.journal.lock().await.record(entry).await
    }

    /// Records, or fails the operation: an effect without its line in the journal is not made.
    async fn note(&self, step: &str, done: &Done, entry: Entry) -> Result<(), Outcome> {
        self.record(entry).await.map_err(|error| Outcome::Failed {
            step: step.to_owned(),
            error: chain(&error),
            done: done.0.clone(),
            remedy: "Make the agent's state folder writable, then give the instruction again."
                .to_owned(),
        })
    }
}

impl Done {
    fn failed(&self, step: &str, error: &StepError) -> Outcome {
        Outcome::Failed {
            step: step.to_owned(),
            error: chain(error),
            done: self.0.clone(),
            remedy: error.remedy(),
        }
    }

    /// A refusal after something was changed is a failure that names the reasons.
    fn refused(&self, findings: &[Finding]) -> Outcome {
        let remedies: Vec<&str> = findings.iter().map(|one| one.remedy.as_str()).collect();
        Outcome::Failed {
            step: "plan".to_owned(),
            error: format!("go on after the steps that were done: {}", checks(findings)),
            done: self.0.clone(),
            remedy: remedies.join(" "),
        }
    }

    /// The steps ended well and the state is not there.
    fn unfinished(&self, plan: &Plan) -> Outcome {
        let names: Vec<&str> = plan.steps.iter().map(Step::name).collect();
        Outcome::Failed {
            step: names.first().copied().unwrap_or("plan").to_owned(),
            error: format!(
                "reach the state that the instruction wants: after all steps ended well, these are needed again: {}",
                names.join(", ")
            ),
            done: self.0.clone(),
            remedy: "Look at what undoes these steps on the node (another tool, a timer), then give the instruction again.".to_owned(),
        }
    }
}

/// What was observed and wanted, in one line.
fn checks(findings: &[Finding]) -> String {
    let each = findings.iter().map(|finding| {
        format!(
            "{}: {} (wanted: {})",
            finding.check, finding.observed, finding.wanted
        )
    });
    each.collect::<Vec<_>>().join("; ")
}
