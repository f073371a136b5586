//! Reports over the wire.

use super::v1::{outcome, report_event};
use super::{WireError, field, instant, list, moment, optional, v1};
use crate::instruction::OperationId;
use crate::report::{OperationStatus, Outcome, ReportEvent, Waiting};

impl From<Waiting> for v1::Waiting {
    fn from(waiting: Waiting) -> Self {
        Self {
            condition: waiting.condition,
            since: Some(instant(waiting.since)),
            observed: waiting.observed,
        }
    }
}

impl TryFrom<v1::Waiting> for Waiting {
    type Error = WireError;
    fn try_from(waiting: v1::Waiting) -> Result<Self, WireError> {
        Ok(Self {
            condition: waiting.condition,
            since: moment("since", waiting.since)?,
            observed: waiting.observed,
        })
    }
}

impl From<Outcome> for v1::Outcome {
    fn from(outcome: Outcome) -> Self {
        let outcome = match outcome {
            Outcome::Succeeded => outcome::Outcome::Succeeded(outcome::Succeeded {}),
            Outcome::Refused { findings } => outcome::Outcome::Refused(outcome::Refused {
                findings: findings.into_iter().map(Into::into).collect(),
            }),
            Outcome::Failed {
                step,
                error,
                done,
                remedy,
            } => outcome::Outcome::Failed(outcome::Failed {
                step,
                error,
                done,
                remedy,
            }),
        };
        Self {
            outcome: Some(outcome),
        }
    }
}

impl TryFrom<v1::Outcome> for Outcome {
    type Error = WireError;
    fn try_from(outcome: v1::Outcome) -> Result<Self, WireError> {
        Ok(
            match outcome
                .outcome
                .ok_or_else(|| WireError::absent("outcome"))?
            {
                outcome::Outcome::Succeeded(_) => Self::Succeeded,
                outcome::Outcome::Refused(refused) => Self::Refused {
                    findings: list("refused.findings", refused.findings)?,
                },
                outcome::Outcome::Failed(failed) => Self::Failed {
                    step: failed.step,
                    error: failed.error,
                    done: failed.done,
                    remedy: failed.remedy,
                },
            },
        )
    }
}

impl From<ReportEvent> for v1::ReportEvent {
    fn from(event: ReportEvent) -> Self {
        let event = match event {
            ReportEvent::Planned { steps } => {
                report_event::Event::Planned(report_event::Planned { steps })
            }
            ReportEvent::Started { index, step } => {
                report_event::Event::Started(report_event::Step { index, step })
            }
            ReportEvent::Waiting(waiting) => report_event::Event::Waiting(waiting.into()),
            ReportEvent::Finished { index, step } => {
                report_event::Event::Finished(report_event::Step { index, step })
            }
            ReportEvent::Ended(outcome) => report_event::Event::Ended(outcome.into()),
        };
        Self { event: Some(event) }
    }
}

impl TryFrom<v1::ReportEvent> for ReportEvent {
    type Error = WireError;
    fn try_from(event: v1::ReportEvent) -> Result<Self, WireError> {
        Ok(
            match event.event.ok_or_else(|| WireError::absent("event"))? {
                report_event::Event::Planned(planned) => Self::Planned {
                    steps: planned.steps,
                },
                report_event::Event::Started(report_event::Step { index, step }) => {
                    Self::Started { index, step }
                }
                report_event::Event::Waiting(waiting) => {
                    Self::Waiting(field("waiting", Some(waiting))?)
                }
                report_event::Event::Finished(report_event::Step { index, step }) => {
                    Self::Finished { index, step }
                }
                report_event::Event::Ended(outcome) => Self::Ended(field("ended", Some(outcome))?),
            },
        )
    }
}

impl From<OperationStatus> for v1::OperationStatus {
    fn from(status: OperationStatus) -> Self {
        let step = |(index, of, step)| v1::operation_status::StepUnderWay { index, of, step };
        Self {
            id: status.id.to_string(),
            kind: status.kind,
            accepted: Some(instant(status.accepted)),
            step: status.step.map(step),
            waiting: status.waiting.map(Into::into),
            outcome: status.outcome.map(Into::into),
        }
    }
}

impl TryFrom<v1::OperationStatus> for OperationStatus {
    type Error = WireError;
    fn try_from(status: v1::OperationStatus) -> Result<Self, WireError> {
        Ok(Self {
            id: OperationId::new(status.id).map_err(|error| WireError::wrong("id", error))?,
            kind: status.kind,
            accepted: moment("accepted", status.accepted)?,
            step: status.step.map(|step| (step.index, step.of, step.step)),
            waiting: optional("waiting", status.waiting)?,
            outcome: optional("outcome", status.outcome)?,
        })
    }
}
