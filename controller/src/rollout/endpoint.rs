//! What a client sees of the API while a rollout goes on: one request a second through the endpoint, counted, with the nodes that
//! were in work where one failed. It is a witness and no load; nothing is decided by it.

use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use serde::Serialize;
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

use super::Tale;

/// Between two requests.
const EVERY: Duration = Duration::from_secs(1);
/// So many tries show whether the endpoint is reachable from here at all.
const FIRST_TRIES: u32 = 3;
/// So many failures are told one by one; the others are counted.
const TOLD: usize = 100;

/// What was seen of the endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    tag = "state",
    rename_all = "kebab-case",
    rename_all_fields = "camelCase"
)]
pub enum EndpointSeen {
    /// It was not to be reached from here at the start, or not to be asked: nothing is known of it.
    NotObserved {
        /// Why.
        reason: String,
    },
    /// It was asked.
    Observed {
        /// So many requests came to an end.
        asked: u64,
        /// So many of them had no answer, or another one than 200.
        failed: u64,
        /// The slowest answer, in milliseconds.
        slowest_ms: u64,
        /// The failures, the first ones.
        failures: Vec<Missed>,
    },
}

/// A request that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Missed {
    /// When it was made, by the operator's clock.
    pub at: Timestamp,
    /// The nodes in work then.
    pub nodes: Vec<NodeName>,
    /// What came in place of an answer.
    pub why: String,
}

/// Asks until it is ended.
#[derive(Debug)]
pub struct EndpointWatch {
    seen: Arc<Mutex<EndpointSeen>>,
    task: Option<JoinHandle<()>>,
}

impl EndpointWatch {
    /// Begins. `ask` makes one bounded request and gives the answer's status.
    pub fn begin<F, A>(tale: &Tale, ask: A) -> Self
    where
        F: Future<Output = Result<u16, String>> + Send,
        A: Fn() -> F + Send + Sync + 'static,
    {
        let seen = Arc::new(Mutex::new(EndpointSeen::NotObserved {
            reason: "it was not asked yet".to_owned(),
        }));
        let (tale, shared) = (tale.clone(), Arc::clone(&seen));
        let task = tokio::spawn(async move { watch(&tale, &shared, ask).await });
        Self {
            seen,
            task: Some(task),
        }
    }

    /// There is nothing to ask with.
    pub fn none(reason: impl Into<String>) -> Self {
        Self {
            seen: Arc::new(Mutex::new(EndpointSeen::NotObserved {
                reason: reason.into(),
            })),
            task: None,
        }
    }

    /// Ends, and tells.
    pub fn end(self) -> EndpointSeen {
        locked(&self.seen).clone()
    }
}

impl Drop for EndpointWatch {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

fn locked(seen: &Mutex<EndpointSeen>) -> std::sync::MutexGuard<'_, EndpointSeen> {
    seen.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn watch<F, A>(tale: &Tale, seen: &Mutex<EndpointSeen>, ask: A)
where
    F: Future<Output = Result<u16, String>> + Send,
    A: Fn() -> F + Send + Sync,
{
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut tries = 0;
    loop {
        ticks.tick().await;
        let (at, nodes, begun) = (tale.now(), tale.in_work(), Instant::now());
        let answer = ask().await;
        let took = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
        let mut seen = locked(seen);
        if let EndpointSeen::NotObserved { reason } = &mut *seen {
            match &answer {
                Ok(200) => *seen = EndpointSeen::first(),
                // Anonymous requests are refused: no answer will ever tell anything.
                Ok(status @ (401 | 403)) => {
                    *reason = format!("/readyz is not open to this client (HTTP {status})");
                    return;
                }
                other => {
                    *reason = words(other);
                    tries += 1;
                    if tries >= FIRST_TRIES {
                        return;
                    }
                    continue;
                }
            }
        }
        seen.count(
            Missed {
                at,
                nodes,
                why: words(&answer),
            },
            answer == Ok(200),
            took,
        );
    }
}

fn words(answer: &Result<u16, String>) -> String {
    match answer {
        Ok(status) => format!("HTTP {status}"),
        Err(reason) => reason.clone(),
    }
}

impl EndpointSeen {
    const fn first() -> Self {
        Self::Observed {
            asked: 0,
            failed: 0,
            slowest_ms: 0,
            failures: Vec::new(),
        }
    }

    fn count(&mut self, request: Missed, answered: bool, took_ms: u64) {
        let Self::Observed {
            asked,
            failed,
            slowest_ms,
            failures,
        } = self
        else {
            return;
        };
        *asked += 1;
        if answered {
            *slowest_ms = (*slowest_ms).max(took_ms);
            return;
        }
        *failed += 1;
        if failures.len() < TOLD {
            failures.push(request);
        }
    }

    /// In a line.
    pub fn words(&self) -> String {
        match self {
            Self::NotObserved { reason } => format!("endpoint not observed: {reason}"),
            Self::Observed {
                asked,
                failed,
                slowest_ms,
                ..
            } => format!("endpoint asked {asked} times, {failed} failed, slowest {slowest_ms} ms"),
        }
    }

    /// The failures that are told one by one, and how many more there were.
    pub fn failures(&self) -> (&[Missed], u64) {
        match self {
            Self::NotObserved { .. } => (&[], 0),
            Self::Observed {
                failed, failures, ..
            } => (failures, failed.saturating_sub(failures.len() as u64)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_proto::report::{Outcome, ReportEvent};
    use tokio::time::sleep;

    /// An endpoint that gives these answers in order, then none any more; each takes 20 ms.
    fn answers(
        list: &[Result<u16, &str>],
    ) -> impl Fn() -> std::pin::Pin<Box<dyn Future<Output = Result<u16, String>> + Send>> + use<>
    {
        let list: Vec<_> = list.iter().map(|one| one.map_err(str::to_owned)).collect();
        let list = Arc::new(Mutex::new(list.into_iter()));
        move || {
            let next = list.lock().unwrap().next();
            Box::pin(async move {
                sleep(Duration::from_millis(20)).await;
                match next {
                    Some(answer) => answer,
                    None => std::future::pending().await,
                }
            })
        }
    }

    fn tale() -> Tale {
        Tale::new(|| Timestamp::UNIX_EPOCH, |_| {})
    }

    async fn seen(list: &[Result<u16, &str>]) -> EndpointSeen {
        let watch = EndpointWatch::begin(&tale(), answers(list));
        sleep(Duration::from_mins(1)).await;
        watch.end()
    }

    #[tokio::test(start_paused = true)]
    async fn requests_are_counted_with_the_node_that_was_in_work() {
        let tale = tale();
        let cp2 = NodeName::new("cp2").unwrap();
        let event = |event| tale.event(&cp2, &cp2, "upgrade", event);
        let list = [
            Ok(200),
            Err("connection refused"),
            Ok(200),
            Ok(500),
            Ok(200),
        ];
        let watch = EndpointWatch::begin(&tale, answers(&list));
        sleep(Duration::from_millis(500)).await;
        event(ReportEvent::Started {
            index: 1,
            step: "kubeadm-upgrade".to_owned(),
        });
        sleep(Duration::from_secs(1)).await;
        event(ReportEvent::Ended(Outcome::Succeeded));
        sleep(Duration::from_mins(1)).await;
        let seen = watch.end();
        assert_eq!(
            seen.words(),
            "endpoint asked 5 times, 2 failed, slowest 20 ms"
        );
        let missed = |nodes: &[NodeName], why: &str| Missed {
            at: Timestamp::UNIX_EPOCH,
            nodes: nodes.to_vec(),
            why: why.to_owned(),
        };
        assert_eq!(
            seen.failures(),
            (
                &[
                    missed(std::slice::from_ref(&cp2), "connection refused"),
                    missed(&[], "HTTP 500")
                ][..],
                0
            )
        );
    }

    #[tokio::test(start_paused = true)]
    async fn an_endpoint_that_is_not_to_be_asked_is_not_observed_rather_than_without_failure() {
        for (list, reason) in [
            (
                &[Ok(401)][..],
                "/readyz is not open to this client (HTTP 401)",
            ),
            (&[Err("a"), Err("b"), Err("no route"), Ok(200)], "no route"),
            (&[], "it was not asked yet"),
        ] {
            assert_eq!(
                seen(list).await.words(),
                format!("endpoint not observed: {reason}")
            );
        }
        // One that answers at the second try is.
        let late = seen(&[Err("a"), Ok(200), Ok(401)]).await;
        assert_eq!(
            late.words(),
            "endpoint asked 2 times, 1 failed, slowest 20 ms"
        );
    }

    #[test]
    fn failures_without_end_are_counted_and_the_first_are_told() {
        let mut seen = EndpointSeen::first();
        for _ in 0..5000 {
            let missed = Missed {
                at: Timestamp::UNIX_EPOCH,
                nodes: Vec::new(),
                why: "gone".to_owned(),
            };
            seen.count(missed, false, 5);
        }
        let (told, more) = seen.failures();
        assert_eq!((told.len(), more), (TOLD, 4900));
        assert!(
            seen.words()
                .starts_with("endpoint asked 5000 times, 5000 failed")
        );
    }
}
