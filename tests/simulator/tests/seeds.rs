//! The simulator itself: the same seed is the same run, and what a log tells is told again.

#![allow(clippy::unwrap_used, reason = "all of this is test code")]

use std::collections::BTreeSet;

use hactl_simulator::invariant::RULES;
use hactl_simulator::replay::{file_of, replay, seed_of};
use hactl_simulator::run::run;
use hactl_simulator::story::{Scene, Story};

/// The first seed of a scene.
fn first(scene: Scene) -> u64 {
    (1..1000)
        .find(|seed| Story::of(*seed).scene == scene)
        .unwrap()
}

#[test]
fn the_same_seed_gives_the_same_log_twice() {
    for scene in [Scene::FirstBoot, Scene::Rejoin, Scene::Upgrade] {
        let seed = first(scene);
        let (one, other) = (run(seed, true).unwrap(), run(seed, true).unwrap());
        assert_eq!(one.violation, None, "seed {seed}");
        assert!(
            one.events > 100,
            "{} events are too few to be true",
            one.events
        );
        let parted = one
            .log
            .lines()
            .zip(other.log.lines())
            .find(|(one, other)| one != other);
        assert_eq!(parted, None, "seed {seed}");
        assert_eq!(one, other, "seed {seed}");
    }
}

#[test]
fn a_run_without_a_log_is_the_same_run() {
    let seed = first(Scene::FirstBoot);
    let (told, untold) = (run(seed, true).unwrap(), run(seed, false).unwrap());
    assert_eq!((told.events, told.time), (untold.events, untold.time));
    assert!(untold.log.is_empty());
}

#[test]
fn other_seeds_are_other_runs() {
    let seed = first(Scene::FirstBoot);
    let next = (seed + 1..1000)
        .find(|next| Story::of(*next).scene == Scene::FirstBoot)
        .unwrap();
    assert_ne!(run(seed, true).unwrap().log, run(next, true).unwrap().log);
}

#[test]
fn a_log_is_replayed_and_one_that_tells_something_else_is_not() {
    let report = run(first(Scene::FirstBoot), true).unwrap();
    let text = file_of(&report);
    assert_eq!(replay(&text).unwrap(), report);
    let other = text.replacen("agent is up", "agent is down", 1);
    let said = replay(&other).unwrap_err().to_string();
    assert!(
        said.contains("agent is down") && said.contains("agent is up"),
        "{said}"
    );
    let torn = &text[..text.len() / 2];
    assert!(replay(torn).is_err());
    for garbage in ["", "garbage", "# hactl-simulator seed x\n"] {
        assert!(seed_of(garbage).is_err(), "{garbage}");
    }
}

#[test]
fn every_scene_and_every_size_comes_up() {
    let stories: Vec<Story> = (1..200).map(Story::of).collect();
    let sizes: BTreeSet<_> = stories.iter().map(|story| story.size).collect();
    assert!(sizes.len() >= 5, "{sizes:?}");
    let rules: BTreeSet<_> = RULES.iter().map(|rule| rule.name).collect();
    assert_eq!(rules.len(), RULES.len());
}
