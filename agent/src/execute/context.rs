//! What a step may use: the host, who this node is, the instruction, and how to say what it waits for.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::plan::NodeContext;
use hactl_proto::instruction::{Instruction, OperationId};

use super::Progress;
use crate::host::{Host, HostError};
use crate::paths::Paths;

/// Lines of a program's own words that a failure carries.
const LAST_LINES: usize = 20;

/// What a step may use.
#[derive(Debug)]
pub struct ExecuteContext<H> {
    /// The node.
    pub host: Arc<H>,
    /// Who this node is, and its spec.
    pub node: Arc<NodeContext>,
    /// The agent's own folders.
    pub paths: Arc<Paths>,
    /// The instruction; a join's credentials are in its order, in memory only.
    pub instruction: Arc<Instruction>,
    /// Where the step says what it waits for.
    pub progress: Progress,
}

/// Why a step failed; something may have changed on the node.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The host could not do what was asked.
    #[error(transparent)]
    Host(#[from] HostError),
    /// A program ended with a failure.
    #[error("run {line}: {ended}: {words}")]
    Program {
        /// The command, without its input.
        line: String,
        /// "exit status 1" or "ended by a signal".
        ended: String,
        /// The program's own last lines.
        words: String,
    },
    /// A condition did not come true in its time.
    #[error("see {condition} within {seconds} s: {observed}")]
    Condition {
        /// The condition, as "etcd member cp2 started".
        condition: String,
        /// How long it was awaited.
        seconds: u64,
        /// What was seen of it last.
        observed: String,
    },
    /// The state after the step is not what it should be, or the state before it forbids the step.
    #[error("{what}: {observed}")]
    State {
        /// What was to be done, a lower-case verb phrase.
        what: String,
        /// What was seen.
        observed: String,
        /// What the operator can do.
        remedy: String,
    },
}

/// What a look at an awaited condition gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition<T> {
    /// It holds; here is what came with it.
    Met(T),
    /// Not yet; this was seen.
    Pending(String),
}

impl StepError {
    /// The state forbids the step, or is not what the step should have left.
    pub fn state(
        what: impl Into<String>,
        observed: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self::State {
            what: what.into(),
            observed: observed.into(),
            remedy: remedy.into(),
        }
    }

    /// What the operator can do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::State { remedy, .. } => remedy.clone(),
            Self::Host(HostError::Start { program, .. }) => {
                format!("Install {program}, then give the instruction again.")
            }
            _ => "Read the words above and the journal of the step's unit, put the cause right, \
                  then give the instruction again: what is done already is not done twice."
                .to_owned(),
        }
    }
}

impl<H: Host> ExecuteContext<H> {
    /// The name of the transient unit of a step's long command: `hactl-OPERATION-STEP`.
    pub fn unit(&self, step: &str) -> String {
        unit_name(&self.instruction.id, step)
    }

    /// Runs a command that has to exit with 0. That is never enough: look at the state after.
    pub async fn run(&self, command: &Command) -> Result<Output, StepError> {
        run_to_success(&*self.host, command).await
    }

    /// Looks at a condition each `every` until it holds or `limit` has passed, and says meanwhile what it waits for.
    pub async fn wait<T, F, R>(
        &self,
        condition: &str,
        every: Duration,
        limit: Duration,
        mut look: F,
    ) -> Result<T, StepError>
    where
        F: FnMut() -> R + Send,
        R: Future<Output = Result<Condition<T>, StepError>> + Send,
        T: Send,
    {
        let end = tokio::time::Instant::now() + limit;
        loop {
            let observed = match look().await? {
                Condition::Met(fact) => {
                    self.progress.resumed();
                    return Ok(fact);
                }
                Condition::Pending(observed) => observed,
            };
            self.progress.waiting(condition, &observed, self.host.now());
            if tokio::time::Instant::now() >= end {
                return Err(StepError::Condition {
                    condition: condition.to_owned(),
                    seconds: limit.as_secs(),
                    observed,
                });
            }
            tokio::time::sleep(every).await;
        }
    }
}

/// The name of the transient unit of an operation's step.
pub(crate) fn unit_name(operation: &OperationId, step: &str) -> String {
    format!("hactl-{operation}-{step}")
}

/// Runs a command that has to exit with 0.
pub(super) async fn run_to_success<H: Host>(
    host: &H,
    command: &Command,
) -> Result<Output, StepError> {
    let output = host.run(command).await?;
    if output.success() {
        return Ok(output);
    }
    Err(StepError::Program {
        line: command.line(),
        ended: output.status.map_or_else(
            || "ended by a signal".to_owned(),
            |status| format!("exit status {status}"),
        ),
        words: if command.secret_output {
            "its words may hold a secret and are not shown".to_owned()
        } else {
            last_lines(&output)
        },
    })
}

/// The last lines of what a program said, standard error after standard output.
pub(crate) fn last_lines(output: &Output) -> String {
    let lines: Vec<&str> = output
        .stdout
        .lines()
        .chain(output.stderr.lines())
        .map(str::trim_end)
        .filter(|line| !line.is_empty())
        .collect();
    lines[lines.len().saturating_sub(LAST_LINES)..].join("\n")
}
