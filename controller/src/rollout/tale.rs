//! What a rollout says of itself while it runs, and the timeline that is left of it.

use std::sync::{Arc, Mutex, PoisonError};

use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::report::{Outcome, ReportEvent};
use serde::Serialize;

/// One line of the timeline: a step of an order on a node, or an order without steps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Line {
    /// Who did it.
    pub node: NodeName,
    /// The node that it was about, where another one acted on it.
    pub subject: NodeName,
    /// The order's kind.
    pub order: String,
    /// The step.
    pub step: String,
    /// When it began, by the operator's clock.
    pub begun: Timestamp,
    /// When it ended.
    pub ended: Option<Timestamp>,
    /// Whether it failed.
    pub failed: bool,
}

/// Something that happened, for whoever shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// The rollout as a whole says something, once.
    Note(String),
    /// The rollout as a whole waits.
    Waits {
        /// For what, each in a line.
        reasons: Vec<String>,
        /// Since when.
        since: Timestamp,
    },
    /// An agent's story.
    Event {
        /// Who tells it.
        node: NodeName,
        /// The node that it is about.
        subject: NodeName,
        /// The order's kind.
        order: &'static str,
        /// The event.
        event: ReportEvent,
    },
}

/// The story so far, and who listens. Cheap to clone.
#[derive(Clone)]
pub struct Tale {
    inner: Arc<Inner>,
}

struct Inner {
    lines: Mutex<Vec<Line>>,
    waits: Mutex<Option<(Vec<String>, Timestamp)>>,
    show: Box<dyn Fn(&Told) + Send + Sync>,
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

impl Tale {
    /// A tale whose every word is shown at once; `now` is the operator's clock.
    pub fn new(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        show: impl Fn(&Told) + Send + Sync + 'static,
    ) -> Self {
        Self {
            inner: Arc::new(Inner {
                lines: Mutex::default(),
                waits: Mutex::default(),
                show: Box::new(show),
                now: Box::new(now),
            }),
        }
    }

    /// The timeline so far.
    pub fn lines(&self) -> Vec<Line> {
        self.inner
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The nodes that something is done about now.
    pub fn in_work(&self) -> Vec<NodeName> {
        let lines = self
            .inner
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let open = lines.iter().filter(|line| line.ended.is_none());
        let mut nodes: Vec<NodeName> = open.map(|line| line.subject.clone()).collect();
        nodes.sort();
        nodes.dedup();
        nodes
    }

    /// The operator's clock.
    pub fn now(&self) -> Timestamp {
        (self.inner.now)()
    }

    /// Says something.
    pub fn note(&self, text: impl Into<String>) {
        (self.inner.show)(&Told::Note(text.into()));
    }

    /// It waits; the first time of the same reasons fixes since when.
    pub fn waits(&self, reasons: Vec<String>) {
        let since = {
            let mut waits = self
                .inner
                .waits
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            match &*waits {
                Some((last, since)) if *last == reasons => *since,
                _ => {
                    let now = self.now();
                    *waits = Some((reasons.clone(), now));
                    now
                }
            }
        };
        (self.inner.show)(&Told::Waits { reasons, since });
    }

    /// It waits no more.
    pub fn goes_on(&self) {
        *self
            .inner
            .waits
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// An agent's word.
    pub fn event(
        &self,
        node: &NodeName,
        subject: &NodeName,
        order: &'static str,
        event: ReportEvent,
    ) {
        self.line(node, subject, order, &event);
        (self.inner.show)(&Told::Event {
            node: node.clone(),
            subject: subject.clone(),
            order,
            event,
        });
    }

    fn line(&self, node: &NodeName, subject: &NodeName, order: &str, event: &ReportEvent) {
        let now = self.now();
        let mut lines = self
            .inner
            .lines
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let open =
            |line: &&mut Line| line.ended.is_none() && line.node == *node && line.order == order;
        match event {
            ReportEvent::Started { step, .. } => {
                let known = lines.iter().any(|line| {
                    line.ended.is_none()
                        && line.node == *node
                        && line.order == order
                        && line.step == *step
                });
                if !known {
                    lines.push(Line {
                        node: node.clone(),
                        subject: subject.clone(),
                        order: order.to_owned(),
                        step: step.clone(),
                        begun: now,
                        ended: None,
                        failed: false,
                    });
                }
            }
            ReportEvent::Finished { step, .. } => {
                if let Some(line) = lines
                    .iter_mut()
                    .rev()
                    .find(|line| open(line) && line.step == *step)
                {
                    line.ended = Some(now);
                }
            }
            ReportEvent::Ended(outcome) => {
                let failed = *outcome != Outcome::Succeeded;
                for line in lines.iter_mut().filter(|line| {
                    line.ended.is_none() && line.node == *node && line.order == order
                }) {
                    line.ended = Some(now);
                    line.failed = failed;
                }
            }
            ReportEvent::Planned { .. } | ReportEvent::Waiting(_) => {}
        }
    }
}
