//! What is put right after a run that died.

use hactl_proto::rollout::UpgradePart;
use hactl_proto::rollout::survey::{NodeSeen, Unfinished};

use super::{cluster, name, survey};
use crate::observed::samples::ago;
use crate::observed::{Answer, Silence};
use crate::rollout::gate::control_planes_unwell;
use crate::rollout::samples::{seen, version};
use crate::rollout::*;

fn told(leftovers: &[Leftover]) -> String {
    let one = |one: &Leftover| {
        let words = [(one.back, "back"), (one.uncordon, "uncordon")];
        let words: Vec<&str> = words
            .iter()
            .filter(|(is, _)| *is)
            .map(|(_, word)| *word)
            .collect();
        format!("{} {}", one.node, words.join("+"))
    };
    leftovers.iter().map(one).collect::<Vec<_>>().join(", ")
}

fn cordon<'a>(seen: &'a mut Seen, node: &str) -> &'a mut NodeSeen {
    let found = cluster(seen)
        .nodes
        .iter_mut()
        .find(|one| one.name.as_str() == node);
    let found = found.unwrap();
    found.cordoned_by_hactl = true;
    found.cordoned = true;
    found
}

#[test]
fn one_that_was_let_go_of_and_never_cordoned_is_taken_back_at_once() {
    let to = version(36, 3);
    let mut seen = seen(1);
    assert!(leftovers(&seen, &to).is_empty() && abandoned(&seen).is_empty());
    survey(&mut seen, "cp1").released.insert(name("cp2"));
    assert_eq!(told(&leftovers(&seen, &to)), "cp2 back");
    assert_eq!(told(&abandoned(&seen)), "cp2 back");
    // Its turn has begun, and ends in it; only who gives up takes it back before.
    cordon(&mut seen, "cp2");
    assert_eq!(told(&leftovers(&seen, &to)), "");
    assert_eq!(told(&abandoned(&seen)), "cp2 back+uncordon");
}

#[test]
fn one_that_is_through_is_taken_back_and_uncordoned() {
    let to = version(36, 3);
    let mut seen = seen(1);
    cordon(&mut seen, "cp2").kubelet = Some(to.clone());
    cordon(&mut seen, "w1").kubelet = Some(to.clone());
    assert_eq!(
        told(&leftovers(&seen, &to)),
        "cp2 back+uncordon, w1 uncordon"
    );
    cordon(&mut seen, "cp2").ready = false;
    assert_eq!(told(&leftovers(&seen, &to)), "w1 uncordon");
    assert_eq!(told(&abandoned(&seen)), "cp2 back+uncordon, w1 uncordon");
}

#[test]
fn nobody_in_the_middle_or_silent_is_touched_and_nothing_is_done_unseen() {
    let to = version(36, 3);
    let mut seen = seen(1);
    survey(&mut seen, "cp1").released = ["cp2", "cp3"].map(name).into();
    cordon(&mut seen, "cp2");
    survey(&mut seen, "cp2").unfinished = Some(Unfinished {
        target: to.clone(),
        part: UpgradePart::Whole,
    });
    seen.nodes[2].survey = Answer::Silent(Silence {
        since: ago(5),
        tried_ms: 1,
        reason: "no route".to_owned(),
    });
    assert_eq!(told(&leftovers(&seen, &to)), "");
    assert_eq!(told(&abandoned(&seen)), "");
    assert_eq!(in_the_middle(&seen), ["cp2", "cp3"].map(name));
    survey(&mut seen, "cp2").unfinished = None;
    seen.cluster = Err("no control plane answers".to_owned());
    assert_eq!(told(&abandoned(&seen)), "");
}

#[test]
fn a_load_balancer_that_does_not_tell_is_unknown_and_waited_for() {
    let to = version(36, 3);
    let mut seen = seen(1);
    let why = "connect to /run/haproxy/admin.sock: timed out".to_owned();
    survey(&mut seen, "cp1").released_unknown = Some(why.clone());
    assert_eq!(untold(&seen), [(name("cp1"), why)]);
    assert_eq!(
        control_planes_unwell(&seen, None),
        [
            "cp1's load balancer does not tell whom it lets go of: connect to /run/haproxy/admin.sock: timed out"
        ]
    );
    assert!(control_planes_unwell(&seen, Some(&name("cp1"))).is_empty());
    assert!(leftovers(&seen, &to).is_empty() && abandoned(&seen).is_empty());
}
