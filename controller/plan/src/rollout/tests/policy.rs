//! Windows and canaries: when a node may be begun, and who goes first.

use hactl_proto::rollout::UpgradePart;
use hactl_proto::rollout::survey::Unfinished;

use super::carried_out::{after, carry_out, told, until};
use super::{cluster, name, survey};
use crate::observed::samples::ago;
use crate::rollout::samples::{request, seen, version};
use crate::rollout::*;

#[test]
fn outside_of_its_windows_no_node_is_begun_and_one_under_way_is_finished() {
    let mut seen = seen(2);
    let mut wanted = request(version(36, 3));
    // All samples are of Sunday, 17:20 UTC.
    wanted.policy.windows =
        serde_json::from_str(r#"[{"days":["sun"],"from":"22:00","to":"04:00","zone":"UTC"}]"#)
            .unwrap();
    let plan = plan(&seen, &wanted, 1).unwrap();
    let window = "the window sun 22:00 to 04:00 UTC, which opens at 2026-11-22 22:00 UTC";
    let at = after(&version(36, 3));
    // Staging touches nothing that runs.
    let staged = decide(&plan, &seen, &at);
    assert!(matches!(staged, Decision::Stage { .. }), "{staged:?}");
    carry_out(&mut seen, &staged, "3.6.11-0");
    assert_eq!(told(&plan, &seen, &Memory::default()), window);
    assert_eq!(told(&plan, &seen, &at), window);
    survey(&mut seen, "cp1").unfinished = Some(Unfinished {
        target: version(36, 3),
        part: UpgradePart::Whole,
    });
    assert_eq!(told(&plan, &seen, &at), "cp1");
    survey(&mut seen, "cp1").unfinished = None;
    cluster(&mut seen).nodes[0].cordoned_by_hactl = true;
    assert_eq!(told(&plan, &seen, &at), "cp1");
    cluster(&mut seen).nodes[0].cordoned_by_hactl = false;

    let open = ago(-6 * 3600);
    let closed = std::mem::replace(&mut seen.at, open);
    until(
        &plan,
        &mut seen,
        "3.6.11-0",
        |decision| matches!(decision, Decision::Upgrade(works) if works[0].node.as_str() == "w1"),
    );
    assert_eq!(told(&plan, &seen, &at), "w1");
    seen.at = closed;
    assert_eq!(told(&plan, &seen, &at), window);
    survey(&mut seen, "w1").unfinished = Some(Unfinished {
        target: version(36, 3),
        part: UpgradePart::Whole,
    });
    assert_eq!(told(&plan, &seen, &at), "w1");
}

#[test]
fn others_follow_a_canary_after_so_many_looks_in_a_row() {
    let mut seen = seen(3);
    let mut wanted = request(version(36, 3));
    wanted.policy.canary.workers = vec![name("w2")];
    wanted.policy.canary.control_plane = Some(name("cp2"));
    let plan = plan(&seen, &wanted, 1).unwrap();
    until(&plan, &mut seen, "3.6.11-0", |decision| {
        matches!(decision, Decision::Soak(_))
    });
    let mut memory = after(&version(36, 3));
    assert_eq!(told(&plan, &seen, &memory), "soak cp2");
    let Decision::Soak(soak) = decide(&plan, &seen, &memory) else {
        panic!("no soak");
    };
    memory.passed(soak.clone(), 2);
    cluster(&mut seen).nodes[2].ready = false;
    assert_eq!(told(&plan, &seen, &memory), "Node cp3 is not Ready");
    cluster(&mut seen).nodes[2].ready = true;
    memory.interrupted();
    memory.passed(soak.clone(), 2);
    assert_eq!(told(&plan, &seen, &memory), "soak cp2");
    memory.passed(soak, 2);
    assert_eq!(told(&plan, &seen, &memory), "cp1");
    // Another controller, later: cp1 was begun, so the canary had its soak.
    survey(&mut seen, "cp1").unfinished = Some(Unfinished {
        target: version(36, 3),
        part: UpgradePart::Whole,
    });
    assert_eq!(told(&plan, &seen, &after(&version(36, 3))), "cp1");
    survey(&mut seen, "cp1").unfinished = None;
    until(
        &plan,
        &mut seen,
        "3.6.11-0",
        |decision| matches!(decision, Decision::Soak(soak) if soak.kind == PhaseKind::Workers),
    );
    assert_eq!(told(&plan, &seen, &after(&version(36, 3))), "soak w2");
    // Upgraded, and not Ready any more: it is waited for, not drained once more.
    cluster(&mut seen).nodes[4].ready = false;
    assert_eq!(
        told(&plan, &seen, &after(&version(36, 3))),
        "w2 to be Ready at v1.36.3"
    );
}
