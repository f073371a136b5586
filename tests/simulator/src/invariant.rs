//! What must never be, looked at after every event: the safety rules of the product, each with its text.
//!
//! A rule is judged by the true state of the simulated world, never by what an agent believes. Where an agent decided on facts
//! that were true when it read them, only what has been so since before it could have read them counts against it.

/// What the rules have to remember of before.
mod books;
/// The first boot: one cluster, by grants that are durable.
mod cluster;
/// Rollouts: what may be disrupted, when.
mod disruption;
/// etcd's members.
mod member;
/// Operations of one node, by its journal.
mod operation;

use std::fmt;
use std::time::Duration;

use hactl_agent::journal::Entry;
use hactl_node_plan::plan::NodeContext;
use hactl_proto::instruction::Instruction;
use hactl_proto::name::NodeName;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::Grant;
use hactl_simulation::{Event, State, Watcher};

use crate::log::Log;
use books::Books;
pub(crate) use books::{PROGRESS, under_way};

/// A rule of the product.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its name.
    pub name: &'static str,
    /// Its text.
    pub text: &'static str,
}

macro_rules! rules {
    ($($(#[$doc:meta])* $constant:ident = $name:literal: $text:literal;)*) => {
        $($(#[$doc])* pub const $constant: Rule = Rule { name: $name, text: $text };)*
        /// All of them.
        pub const RULES: &[Rule] = &[$($constant),*];
    };
}

rules! {
    /// First boot.
    NEVER_TWO = "never two clusters": "there is never a second cluster beside one whose data lies on a disk, and no init once a node is settled";
    /// First boot.
    GRANTS = "grants": "kubeadm init runs only with a durable grant of every declared control plane, for the spec that both hold";
    /// First boot.
    DURABLE = "durable before said": "a grant is on the disk before it is answered";
    /// Rollouts.
    I1 = "I1": "one mutating operation in the cluster, by a lease whose number the agent verifies";
    /// Rollouts.
    I2 = "I2": "unknown is unhealthy: nothing is disrupted while a control plane is silent";
    /// Rollouts.
    I3 = "I3": "quorum is computed on the members as they will be after the step, a learner blocks";
    /// Rollouts.
    I4 = "I4": "etcd's leadership is moved off before a member is stopped";
    /// Rollouts.
    I5 = "I5": "a verified snapshot precedes a mutation of etcd";
    /// Rollouts.
    I6 = "I6": "the load balancer lets go of a backend before it is touched and takes it back after health";
    /// Rollouts.
    I7 = "I7": "all API servers run one version and every node is within the skew before a rollout starts";
    /// Rollouts.
    I8 = "I8": "one canary first, then consecutive healthy passes; what is called done is done";
    /// Joins.
    I9 = "I9": "an etcd member is removed only after a second check, by id, through etcd itself, before any kubeadm reset";
    /// Joins.
    I10 = "I10": "never the last member, never one whose removal leaves no healthy quorum";
    /// Joins.
    I11 = "I11": "an empty data folder or member list refuses: no empty etcd where a member lived";
    /// Rollouts.
    I12 = "I12": "a drain that fails uncordons, and says so only where it did";
    /// Operations.
    I13 = "I13": "an instruction that comes again is the operation that it became";
    /// Overrides.
    I14 = "I14": "an override names every machine that it dispenses with, gives its reason, counts for its epoch alone, and frees nobody who may have begun";
    /// Operations.
    ONE = "one at a time": "a node carries out one operation at a time";
    /// At the end of a run.
    SECRETS = "nothing minted stays": "tokens and certificates of joins are gone once the cluster is whole";
    /// At the end of a run.
    GOAL = "goal": "after the faults stop everything reaches its goal within a bound of time";
}

/// A rule that was broken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub rule: Rule,
    /// When, in virtual time.
    pub at: Duration,
    /// What was seen.
    pub seen: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rule { name, text } = self.rule;
        let at = self.at.as_secs_f64();
        write!(f, "{name} ({text}) at {at:.3} s: {}", self.seen)
    }
}

/// Looks at everything that happens.
#[derive(Debug)]
pub struct Checker {
    log: Log,
    spec: ClusterSpec,
    books: Books,
    violation: Option<Violation>,
}

impl Checker {
    /// Of a cluster of that spec.
    pub fn new(spec: &ClusterSpec, log: Log) -> Self {
        Self {
            log,
            spec: spec.clone(),
            books: Books::new(spec),
            violation: None,
        }
    }

    /// The first rule that was broken.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// A rule is broken. The first counts: what comes of it may break others.
    pub fn broken(&mut self, rule: Rule, seen: impl Into<String>) {
        if self.violation.is_none() {
            let violation = Violation {
                rule,
                at: self.log.elapsed(),
                seen: seen.into(),
            };
            self.log.event(|| format!("BROKEN {violation}"));
            self.violation = Some(violation);
        }
    }

    fn judge(&mut self, verdict: Result<(), (Rule, String)>) {
        if let Err((rule, seen)) = verdict {
            self.broken(rule, seen);
        }
    }

    /// The world is as it is at the beginning: nothing that happened before counts.
    pub fn begin(&mut self, state: &State) {
        self.books.begin(state, self.log.elapsed());
    }

    /// An agent is up, or not any more.
    pub fn agent(&mut self, node: &NodeName, up: bool) {
        self.books.agent(node, up, self.log.elapsed());
    }

    /// A machine lost its disk: nothing that it had counts.
    pub fn wiped(&mut self, node: &NodeName) {
        self.books.wiped(node);
    }

    /// A node is about to answer with this grant.
    pub fn granted(&mut self, state: &State, voter: &NodeContext, grant: &Grant) {
        let verdict = cluster::granted(state, voter, grant);
        self.judge(verdict);
    }

    /// A controller gives an order, on what it saw from `looked` on.
    pub fn ordered(&mut self, node: &NodeName, instruction: &Instruction, looked: Duration) {
        let verdict = disruption::ordered(&mut self.books, node, instruction, looked);
        self.judge(verdict);
    }

    /// A controller has made a plan.
    pub fn planned(&mut self, state: &State, request: &hactl_cluster_plan::rollout::Request) {
        let verdict = disruption::planned(state, &self.spec, request);
        self.judge(verdict);
    }

    fn rules(&mut self, state: &State, node: &NodeName, event: Event<'_>) {
        let now = self.log.elapsed();
        self.books.look(state, now);
        let entry = journaled(event);
        let books = &mut self.books;
        let mut verdict = cluster::judge(books, state, &self.spec, node, event);
        if verdict.is_ok() {
            verdict = member::judge(books, state, node, event, now);
        }
        if let (Ok(()), Some(entry)) = (&verdict, &entry) {
            verdict = operation::judge(books, state, node, entry, now);
        }
        if verdict.is_ok() {
            verdict = disruption::judge(books, state, &self.spec, node, event);
        }
        self.judge(verdict);
    }
}

impl Watcher for Checker {
    fn saw(&mut self, state: &State, node: &NodeName, event: Event<'_>) {
        if !silent(event) {
            self.log.event(|| format!("{node} {}", told(event)));
        }
        if self.violation.is_none() {
            self.rules(state, node, event);
        }
    }
}

/// Looks that change nothing and that nothing is decided on alone: the log is to be read by people.
fn silent(event: Event<'_>) -> bool {
    match event {
        Event::Begins(_) => true,
        Event::Etcd(call) => !matches!(
            call.request,
            hactl_node_plan::etcd::EtcdRequest::MoveLeader(_)
                | hactl_node_plan::etcd::EtcdRequest::Remove(_)
        ),
        Event::Ran(command, Some(output)) => {
            let reads = [
                "get",
                "show",
                "list-units",
                "is-active",
                "is-enabled",
                "version",
            ];
            let read = command
                .arguments
                .iter()
                .any(|word| reads.contains(&word.as_str()));
            let small = ["ip", "true", "kubelet", "haproxy", "apt-cache", "ctr"];
            output.success() && (read || small.contains(&command.program.as_str()))
        }
        _ => false,
    }
}

/// An event in one line.
fn told(event: Event<'_>) -> String {
    match event {
        Event::Begins(command) => format!("begins {}", command.line()),
        Event::Ran(command, None) => format!("ran {}: hangs", command.line()),
        Event::Ran(command, Some(output)) if output.success() => format!("ran {}", command.line()),
        Event::Ran(command, Some(output)) => {
            let words = output.stderr.lines().last().unwrap_or_default();
            format!("ran {}: failed: {words}", command.line())
        }
        Event::Replaced(path) => format!("wrote {}", path.display()),
        Event::Appended(_, bytes) => match journaled(event) {
            Some(entry) => format!(
                "journal {}",
                serde_json::to_string(&entry).unwrap_or_default()
            ),
            None => format!("appended {} bytes", bytes.len()),
        },
        Event::Removed(path) => format!("removed {}", path.display()),
        Event::Etcd(call) => format!("asks etcd {:?} at {}", call.request, call.endpoint),
        Event::Snapshot(path, verified) => {
            let verified = if verified { "verified" } else { "refused" };
            format!("snapshot {} {verified}", path.display())
        }
        Event::Said(line) => format!("tells haproxy {line:?}"),
        Event::Cut(place) => format!("is cut {place}"),
    }
}

/// The journal's line that an event is.
fn journaled(event: Event<'_>) -> Option<Entry> {
    let Event::Appended(path, bytes) = event else {
        return None;
    };
    if !path.ends_with("journal/journal") {
        return None;
    }
    let text = std::str::from_utf8(bytes).ok()?;
    let (_, json) = text.trim_end().split_once(' ')?;
    serde_json::from_str(json).ok()
}
