//! The operator of a first boot in which a machine lost its disk: the grants are overruled, by the controller's own rules, and
//! sometimes against them.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use hactl_agent::first_boot::here;
use hactl_agent::paths::Paths;
use hactl_cluster_plan::overrule::{Assertion, overrule};
use hactl_node_plan::bootstrap::overrule::overrule as taken;
use hactl_node_plan::bootstrap::record::Record;
use hactl_node_plan::bootstrap::voter::Caller;
use hactl_proto::name::NodeName;
use hactl_proto::role::CallerRole;
use hactl_proto::spec::ClusterSpec;
use hactl_proto::standing::{Override, StandingAnswer};
use tokio::time::sleep;

use crate::chance::Chance;
use crate::spec::cluster;
use crate::town::Town;

const LIMIT: Duration = Duration::from_secs(10);
/// So often, and for so long, somebody without patience looks.
const LOOK: Duration = Duration::from_millis(200);
const LOOKS: u32 = 1_500;

/// Gives overrides while there are machines that need one.
pub(crate) struct Overruler {
    town: Town,
    spec: ClusterSpec,
    chance: Chance,
    /// While faults happen operators do foolish things.
    stormy: Arc<AtomicBool>,
}

impl Overruler {
    pub(crate) fn new(
        town: &Town,
        spec: &ClusterSpec,
        chance: Chance,
        stormy: &Arc<AtomicBool>,
    ) -> Self {
        Self {
            town: town.clone(),
            spec: spec.clone(),
            chance,
            stormy: Arc::clone(stormy),
        }
    }

    fn say(&self, text: impl FnOnce() -> String) {
        self.town.log.event(|| format!("overruler: {}", text()));
    }

    /// Looks now and then, for as long as the run lasts.
    pub(crate) async fn mend(mut self) {
        loop {
            let pause = self.chance.millis(5_000, 90_000);
            sleep(pause).await;
            let replaced = self.town.to_overrule();
            if !replaced.is_empty() {
                self.overrule(&replaced).await;
            }
        }
    }

    /// An operator without patience: an override is written while all machines still agree, and sent when its hour comes: whatever
    /// became of them meanwhile. Who did not take it gets the next one, for as long as no cluster is known.
    pub(crate) async fn hurry(mut self) {
        let nobody = BTreeSet::new();
        let Some(word) = self.early_word().await else {
            return;
        };
        if self.chance.per_mille(600)
            && let Some(node) = self.init_begun().await
            && self.stormy.load(Ordering::Relaxed)
            && self.chance.per_mille(500)
        {
            // What such an operator sees: the one that all wait for is gone.
            let back = self.chance.millis(10_000, 120_000);
            self.say(|| format!("{node}'s power goes while its init runs"));
            self.town.stop(&node);
            self.town.world.power_off(&node);
            self.town.start_after(&node, back, false);
        }
        let pause = self.chance.millis(0, 15_000);
        sleep(pause).await;
        let mut taken = self.give(&word).await;
        while !taken {
            let pause = self.chance.millis(5_000, 60_000);
            sleep(pause).await;
            // An agent that is away says nothing.
            let settled = self.town.progress().into_values().filter(|one| one.settled);
            if settled.count() == self.town.nodes().len() {
                return;
            }
            if let Some(word) = self.word(&nobody).await {
                taken = self.give(&word).await;
            }
        }
    }

    /// As soon as every machine answers.
    async fn early_word(&mut self) -> Option<Override> {
        for _ in 0..LOOKS {
            sleep(LOOK).await;
            if let Some(word) = self.word(&BTreeSet::new()).await {
                return Some(word);
            }
        }
        None
    }

    /// Until a node has written that its init begins; which one.
    async fn init_begun(&self) -> Option<NodeName> {
        for _ in 0..LOOKS {
            let begun = {
                let state = self.town.world.state();
                let mut machines = state.machines.iter();
                let begun = machines.find(|(_, one)| {
                    let text = one.tree.text("/var/lib/hactl/standing.json");
                    text.contains("\"initialising\"")
                });
                begun.map(|(node, _)| node.clone())
            };
            if begun.is_some() {
                return begun;
            }
            sleep(LOOK).await;
        }
        None
    }

    async fn overrule(&mut self, replaced: &BTreeSet<NodeName>) {
        let Some(mut word) = self.word(replaced).await else {
            return;
        };
        if self.stormy.load(Ordering::Relaxed) && self.chance.per_mille(300) {
            // Not by the controller: a word that says nothing of the machine before.
            word.lost.clear();
        }
        if self.give(&word).await {
            self.town.overruled(replaced);
        }
    }

    /// By the controller's own rules; `None`: something stands against it.
    async fn word(&mut self, replaced: &BTreeSet<NodeName>) -> Option<Override> {
        let mut answers = Vec::new();
        for node in self.control_planes() {
            match self.standing(&node).await {
                Ok(answer) => answers.push(answer),
                Err(reason) => self.say(|| format!("{node}: {reason}")),
            }
        }
        let candidate = self.candidate()?;
        let said = Assertion {
            candidate,
            lost: BTreeSet::new(),
            replaced: replaced.clone(),
            reason: "its disk burned".to_owned(),
        };
        match overrule(&self.spec, cluster(), &answers, &said) {
            Ok(word) => Some(word),
            Err(findings) => {
                let seen: Vec<_> = findings.into_iter().map(|one| one.observed).collect();
                self.say(|| format!("no override: {}", seen.join("; ")));
                None
            }
        }
    }

    /// Whether all took it.
    async fn give(&self, word: &Override) -> bool {
        self.say(|| format!("epoch {} for {}", word.epoch, word.candidate));
        let mut all = true;
        for node in self.control_planes() {
            let taken = self.hand(&node, word).await;
            all &= taken.is_ok();
            if let Err(reason) = taken {
                self.say(|| format!("{node} does not take it: {reason}"));
            }
        }
        all
    }

    fn control_planes(&self) -> Vec<NodeName> {
        let nodes = self.spec.control_planes.iter();
        nodes.map(|node| node.name.clone()).collect()
    }

    /// The one before, or another.
    fn candidate(&mut self) -> Option<NodeName> {
        if self.chance.per_mille(500) {
            return self.spec.candidate().cloned();
        }
        let all = self.control_planes();
        self.chance.pick(&all).cloned()
    }

    async fn standing(&self, node: &NodeName) -> Result<StandingAnswer, String> {
        self.town
            .ask(node, "standing", LIMIT, |agent| async move {
                let node = agent.operations.node();
                let lying = here::read(&*agent.host, &node, &Paths::system()).await;
                let record = agent.standing.record().await;
                Ok(record.answer(&node.spec, &lying.evidence, lying.healthy))
            })
            .await
    }

    async fn hand(&self, node: &NodeName, word: &Override) -> Result<(), String> {
        let word = word.clone();
        self.town
            .ask(node, "override", LIMIT, move |agent| {
                let word = word.clone();
                async move {
                    let node = agent.operations.node();
                    let lying = here::read(&*agent.host, &node, &Paths::system()).await;
                    let caller = Caller {
                        node: None,
                        role: CallerRole::Operator,
                    };
                    let rule = |record: &Record| {
                        taken(record, &node.spec, &lying.evidence, &caller, &word)
                            .map(|next| (next, ()))
                    };
                    let taken = agent.standing.change(rule).await;
                    taken
                        .map_err(|error| error.to_string())?
                        .map_err(|refusal| refusal.to_string())
                }
            })
            .await
    }
}
