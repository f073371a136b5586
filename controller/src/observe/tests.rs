//! Asking made-up agents under virtual time.

use std::future::pending;
use std::sync::Mutex;

use hactl_cluster_plan::observed::samples;
use hactl_proto::certificate::CertificateInventory;

use super::*;

const LIMIT: Duration = Duration::from_secs(5);

/// What each node does when it is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Manner {
    Answers,
    Refuses,
    Hangs,
    HangsAfterStatus,
}

struct Made {
    sample: Observed,
    manners: Vec<(&'static str, Manner)>,
    asked: Mutex<Vec<String>>,
}

struct MadeAgent {
    node: Option<ObservedNode>,
    manner: Manner,
}

impl Made {
    fn new(manners: &[(&'static str, Manner)]) -> Arc<Self> {
        Arc::new(Self {
            sample: samples::healthy(),
            manners: manners.to_vec(),
            asked: Mutex::default(),
        })
    }
}

impl Reach for Made {
    type Agent = MadeAgent;

    async fn reach(&self, target: &Target) -> Result<MadeAgent, String> {
        self.asked.lock().unwrap().push(target.name.to_string());
        let of_node = self
            .manners
            .iter()
            .find(|(name, _)| *name == target.name.as_str());
        let manner = of_node.map_or(Manner::Answers, |(_, manner)| *manner);
        match manner {
            Manner::Refuses => Err("connection refused".to_owned()),
            Manner::Hangs => pending().await,
            Manner::Answers | Manner::HangsAfterStatus => Ok(MadeAgent {
                node: self.sample.node(&target.name).cloned(),
                manner,
            }),
        }
    }
}

impl Converse for MadeAgent {
    async fn certificates(&self) -> Result<CertificateInventory, String> {
        Err("it is not asked here".to_owned())
    }

    async fn status(&self) -> Result<NodeStatus, String> {
        let status = self.node.as_ref().and_then(|node| node.status.said());
        status.cloned().ok_or_else(|| "no such node".to_owned())
    }

    async fn members(&self) -> Result<Vec<MemberView>, String> {
        if self.manner == Manner::HangsAfterStatus {
            return pending().await;
        }
        let members = self.node.as_ref().and_then(|node| node.members.said());
        members.cloned().ok_or_else(|| "no such node".to_owned())
    }

    async fn inspect(&self) -> Result<Vec<Finding>, String> {
        Ok(Vec::new())
    }

    async fn rollout(&self) -> Kept {
        match self.manner {
            Manner::HangsAfterStatus => pending().await,
            _ => Ok(None),
        }
    }
}

fn inquiry(spec: ClusterSpec) -> Inquiry {
    Inquiry {
        cluster: samples::healthy().cluster,
        generation: 3,
        spec,
        limit: LIMIT,
    }
}

#[tokio::test(start_paused = true)]
async fn all_answers_are_kept_in_the_order_of_the_spec() {
    let made = Made::new(&[]);
    let observed = observe(&made, &inquiry(samples::cluster_spec())).await;
    let names: Vec<_> = observed
        .nodes
        .iter()
        .map(|node| node.name.to_string())
        .collect();
    assert_eq!(names, ["cp1", "cp2", "cp3", "w1"]);
    assert!(observed.complete());
}

#[tokio::test(start_paused = true)]
async fn one_that_hangs_costs_its_limit_once_and_hides_nobody() {
    let made = Made::new(&[
        ("cp1", Manner::Hangs),
        ("cp2", Manner::Refuses),
        ("cp3", Manner::HangsAfterStatus),
    ]);
    let begun = Instant::now();
    let observed = observe(&made, &inquiry(samples::cluster_spec())).await;
    assert_eq!(begun.elapsed(), LIMIT);
    let silence = |at: usize| observed.nodes[at].status.silence().cloned();
    let hung = silence(0).unwrap();
    assert_eq!(
        (hung.reason.as_str(), hung.tried_ms),
        ("no answer in time", 5_000)
    );
    assert_eq!(silence(1).unwrap().reason, "connection refused");
    assert_eq!(silence(2), None);
    assert_eq!(
        observed.nodes[2].members.silence().unwrap().reason,
        "no answer in time"
    );
    assert!(observed.nodes[3].status.said().is_some() && !observed.complete());
}

#[tokio::test(start_paused = true)]
async fn workers_that_enrolled_are_found_and_asked() {
    let mut spec = samples::cluster_spec();
    spec.workers.clear();
    let made = Made::new(&[]);
    let observed = observe(&made, &inquiry(spec)).await;
    let last = observed.nodes.last().unwrap();
    assert_eq!((last.name.as_str(), last.declared), ("w1", false));
    assert!(last.status.said().is_some());
    assert_eq!(made.asked.lock().unwrap().len(), 4);
}

#[tokio::test(start_paused = true)]
async fn checks_are_asked_of_all_at_once() {
    let made = Made::new(&[("cp2", Manner::Hangs), ("w1", Manner::Hangs)]);
    let begun = Instant::now();
    let answers = inspect(&made, declared(&samples::cluster_spec()), LIMIT).await;
    assert_eq!(begun.elapsed(), LIMIT);
    let silent: Vec<_> = answers
        .iter()
        .filter(|(_, answer)| answer.said().is_none())
        .collect();
    assert_eq!(
        silent
            .iter()
            .map(|(target, _)| target.name.as_str())
            .collect::<Vec<_>>(),
        ["cp2", "w1"]
    );
}

#[tokio::test(start_paused = true)]
async fn control_planes_alone_are_asked_for_the_rollout_and_each_has_its_limit() {
    let made = Made::new(&[("cp1", Manner::Refuses), ("cp2", Manner::HangsAfterStatus)]);
    let kept = rollouts(&made, &made.sample.spec, LIMIT).await;
    let said: Vec<(&str, &str)> = kept
        .iter()
        .map(|(node, kept)| {
            (
                node.as_str(),
                kept.as_ref().map_or_else(String::as_str, |_| ""),
            )
        })
        .collect();
    assert_eq!(
        said,
        [
            ("cp1", "connection refused"),
            ("cp2", "no answer in time"),
            ("cp3", "")
        ]
    );
    assert_eq!(made.asked.lock().unwrap().len(), 3);
}
