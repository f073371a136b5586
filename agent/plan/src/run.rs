//! Run: which instruction may become an operation now, and what an operation looks like from outside as it goes.
//!
//! Pure bookkeeping; what drives it, writes the journal and touches the node is `operation` in the agent.

use std::collections::VecDeque;

use hactl_proto::Timestamp;
use hactl_proto::instruction::{Fence, Instruction, OperationId};
use hactl_proto::report::{OperationStatus, Outcome, ReportEvent};

/// Ended operations that are remembered, so that the same id again is the same operation (I13).
const REMEMBERED: usize = 64;

/// What an agent knows of its operations. One at a time is under way.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Ledger {
    highest_fence: Option<Fence>,
    current: Option<OperationStatus>,
    ended: VecDeque<OperationStatus>,
}

/// An instruction that is not refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// It is new and may begin.
    New,
    /// It was given before: this is the operation that it became.
    Same(Box<OperationStatus>),
}

/// Why an instruction was not taken on. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// Another operation is under way.
    #[error("begin {asked}: operation {running} ({kind}) is under way since {since}")]
    Busy {
        /// The one that asks.
        asked: OperationId,
        /// The one under way.
        running: OperationId,
        /// Its order's kind.
        kind: String,
        /// When it was accepted.
        since: Timestamp,
    },
    /// Its lease has gone to another since: a later number was seen here (I1).
    #[error("begin {asked}: its lease number {given} is older than {highest}, which was seen here")]
    StaleFence {
        /// The one that asks.
        asked: OperationId,
        /// Its number.
        given: u64,
        /// The highest that was seen.
        highest: u64,
    },
    /// The id was used for another order.
    #[error("begin {asked} as {kind}: that id was used for {before}")]
    OtherOrder {
        /// The one that asks.
        asked: OperationId,
        /// Its order's kind.
        kind: String,
        /// The kind that the id was used for.
        before: String,
    },
}

impl Ledger {
    /// A ledger of what the journal tells: ended operations, oldest first, and the highest fence.
    pub fn of_past(
        highest_fence: Option<Fence>,
        ended: impl IntoIterator<Item = OperationStatus>,
    ) -> Self {
        let mut ledger = Self {
            highest_fence,
            ..Self::default()
        };
        ended.into_iter().for_each(|status| ledger.remember(status));
        ledger
    }

    /// Whether an instruction may begin, was given before, or is refused.
    pub fn admit(&self, instruction: &Instruction) -> Result<Admission, Rejection> {
        let asked = &instruction.id;
        if let Some(known) = self.status(asked) {
            if known.kind != instruction.order.kind() {
                return Err(Rejection::OtherOrder {
                    asked: asked.clone(),
                    kind: instruction.order.kind().to_owned(),
                    before: known.kind.clone(),
                });
            }
            return Ok(Admission::Same(Box::new(known.clone())));
        }
        if let (Some(given), Some(highest)) = (instruction.fence, self.highest_fence)
            && given < highest
        {
            return Err(Rejection::StaleFence {
                asked: asked.clone(),
                given: given.0,
                highest: highest.0,
            });
        }
        match &self.current {
            Some(running) => Err(Rejection::Busy {
                asked: asked.clone(),
                running: running.id.clone(),
                kind: running.kind.clone(),
                since: running.accepted,
            }),
            None => Ok(Admission::New),
        }
    }

    /// An operation is under way from now on.
    pub fn begin(&mut self, status: OperationStatus, fence: Option<Fence>) {
        self.highest_fence = self.highest_fence.max(fence);
        self.current = Some(status);
    }

    /// Takes in what the operation under way says of itself.
    pub fn apply(&mut self, event: &ReportEvent) {
        let Some(status) = &mut self.current else {
            return;
        };
        match event {
            // Place 0: the plan stands and its first step has not begun.
            ReportEvent::Planned { steps } => {
                let of = u32::try_from(steps.len()).unwrap_or(u32::MAX);
                status.step = steps.first().map(|first| (0, of, first.clone()));
            }
            ReportEvent::Started { index, step } => {
                let of = status.step.as_ref().map_or(*index, |(_, of, _)| *of);
                status.step = Some((*index, of, step.clone()));
                status.waiting = None;
            }
            ReportEvent::Waiting(waiting) => status.waiting = Some(waiting.clone()),
            ReportEvent::Finished { .. } => status.waiting = None,
            ReportEvent::Ended(outcome) => self.end(outcome.clone()),
        }
    }

    /// The step waits no more.
    pub fn resumed(&mut self) {
        if let Some(status) = &mut self.current {
            status.waiting = None;
        }
    }

    /// The operation under way.
    pub const fn current(&self) -> Option<&OperationStatus> {
        self.current.as_ref()
    }

    /// The operation of that id, under way or ended.
    pub fn status(&self, id: &OperationId) -> Option<&OperationStatus> {
        self.all().find(|status| status.id == *id)
    }

    /// All that is remembered, newest first.
    pub fn all(&self) -> impl Iterator<Item = &OperationStatus> {
        self.current.iter().chain(self.ended.iter().rev())
    }

    /// The highest fence that was seen.
    pub const fn highest_fence(&self) -> Option<Fence> {
        self.highest_fence
    }

    fn end(&mut self, outcome: Outcome) {
        if let Some(mut status) = self.current.take() {
            status.waiting = None;
            status.outcome = Some(outcome);
            self.remember(status);
        }
    }

    fn remember(&mut self, status: OperationStatus) {
        self.ended.push_back(status);
        if self.ended.len() > REMEMBERED {
            self.ended.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use hactl_proto::instruction::Order;

    use super::*;

    fn order(id: &str, fence: Option<u64>, order: Order) -> Instruction {
        Instruction {
            id: OperationId::new(id).unwrap(),
            generation: 1,
            fence: fence.map(Fence),
            order,
        }
    }

    fn status(instruction: &Instruction) -> OperationStatus {
        OperationStatus {
            id: instruction.id.clone(),
            kind: instruction.order.kind().to_owned(),
            accepted: Timestamp::UNIX_EPOCH,
            step: None,
            waiting: None,
            outcome: None,
        }
    }

    #[test]
    fn an_id_is_one_operation_for_good_and_another_order_does_not_get_it() {
        let first = order("a", Some(4), Order::Init);
        let mut ledger = Ledger::default();
        assert_eq!(ledger.admit(&first), Ok(Admission::New));
        ledger.begin(status(&first), first.fence);
        let same = Ok(Admission::Same(Box::new(status(&first))));
        assert_eq!(ledger.admit(&first), same);
        let refused = ledger.admit(&order("a", Some(4), Order::Clean));
        assert!(
            matches!(refused, Err(Rejection::OtherOrder { .. })),
            "{refused:?}"
        );
        let busy = ledger.admit(&order("b", Some(4), Order::Init));
        assert!(matches!(busy, Err(Rejection::Busy { .. })), "{busy:?}");
        ledger.apply(&ReportEvent::Ended(Outcome::Succeeded));
        let known = ledger.admit(&first);
        assert!(matches!(known, Ok(Admission::Same(_))), "{known:?}");
        assert_eq!(
            ledger.admit(&order("b", Some(4), Order::Init)),
            Ok(Admission::New)
        );
    }

    #[test]
    fn a_number_below_the_highest_is_stale_whatever_became_of_that_one() {
        let mut ledger = Ledger::of_past(Some(Fence(7)), []);
        let admit = |ledger: &Ledger, fence| ledger.admit(&order("c", fence, Order::Prepare));
        for (fence, stale) in [
            (Some(6), true),
            (Some(7), false),
            (Some(8), false),
            (None, false),
        ] {
            let refused = matches!(admit(&ledger, fence), Err(Rejection::StaleFence { .. }));
            assert_eq!(refused, stale, "{fence:?}");
        }
        let later = order("d", Some(9), Order::Prepare);
        ledger.begin(status(&later), later.fence);
        ledger.apply(&ReportEvent::Ended(Outcome::Succeeded));
        assert_eq!(ledger.highest_fence(), Some(Fence(9)));
        assert!(admit(&ledger, Some(8)).is_err());
    }

    #[test]
    fn the_last_ones_are_remembered_and_no_more() {
        let orders: Vec<Instruction> = (0..=REMEMBERED)
            .map(|number| order(&format!("o{number}"), None, Order::Prepare))
            .collect();
        let ledger = Ledger::of_past(None, orders.iter().map(status));
        assert_eq!(ledger.all().count(), REMEMBERED);
        assert_eq!(ledger.status(&orders[0].id), None);
        assert!(ledger.status(&orders[1].id).is_some());
    }
}
