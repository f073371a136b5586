use hactl_cluster_plan::observed::samples;
use hactl_cluster_plan::rollout::plan;
use hactl_cluster_plan::rollout::samples::{request, seen, version};
use hactl_proto::instruction::OperationId;
use hactl_proto::report::OperationStatus;

use super::*;
use hactl_cluster_plan::observed::Answer;

fn record(revision: u64, wish: RolloutWish) -> RolloutRecord {
    let plan = plan(&seen(1), &request(version(36, 3)), 4).unwrap();
    RolloutRecord {
        number: 4,
        revision,
        wish,
        by: "ann@desk/7".to_owned(),
        at: samples::ago(90),
        plan: serde_json::to_string(&plan).unwrap(),
    }
}

fn kept(records: [Kept; 3]) -> Vec<(NodeName, Kept)> {
    let names = ["cp1", "cp2", "cp3"].map(|name| NodeName::new(name).unwrap());
    names.into_iter().zip(records).collect()
}

fn at_work(observed: &mut Observed, id: &str, waiting: &str, ended: Option<Outcome>) {
    let Answer::Said(status) = &mut observed.nodes[1].status else {
        panic!("cp2 is silent");
    };
    status.operation = Some(OperationStatus {
        id: OperationId::new(id).unwrap(),
        kind: "upgrade".to_owned(),
        accepted: samples::ago(60),
        step: Some((3, 4, "kubeadm-upgrade".to_owned())),
        waiting: Some(Waiting {
            condition: "kubeadm".to_owned(),
            since: samples::ago(42),
            observed: waiting.to_owned(),
        }),
        outcome: ended,
    });
}

fn running() -> Vec<(NodeName, Kept)> {
    let running = || Ok(Some(record(1, RolloutWish::Running)));
    kept([
        running(),
        Ok(Some(record(0, RolloutWish::Paused))),
        running(),
    ])
}

#[test]
fn a_rollout_is_drawn_from_what_control_planes_keep_and_agents_report() {
    let mut observed = samples::healthy();
    at_work(&mut observed, "r4-f3-1-upgrade", "it runs\u{1b}[2J", None);
    let text = Glance::new(&observed, &running()).screen(Style::Plain);
    assert!(
        text.contains(
            "rollout 4 to v1.36.3: running by ann@desk/7, since 17:18:30Z (90 s)\n\ncp1 "
        ),
        "{text}"
    );
    assert!(
        text.contains(
            "[########--------] upgrade kubeadm-upgrade (3 of 4) waits for kubeadm: it runs\\u{1b}"
        ),
        "{text}"
    );
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn only_what_changed_is_a_line_and_time_that_passes_is_no_change() {
    let mut observed = samples::healthy();
    at_work(&mut observed, "r4-f3-1-upgrade", "it runs", None);
    let first = Glance::new(&observed, &running());
    assert!(first.changes(None).len() >= observed.nodes.len());
    observed.at = samples::ago(-30);
    let later = Glance::new(&observed, &running());
    assert_eq!(later.changes(Some(&first)), [] as [String; 0]);

    at_work(
        &mut observed,
        "r4-f3-1-upgrade",
        "it runs",
        Some(Outcome::Succeeded),
    );
    let paused = || Ok(Some(record(2, RolloutWish::Paused)));
    let done = Glance::new(&observed, &kept([paused(), paused(), paused()]));
    assert_eq!(
        done.changes(Some(&later)),
        [
            "2026-11-22 17:20:30Z cp2's agent: upgrade is done",
            "2026-11-22 17:20:30Z rollout: 4 to v1.36.3: paused by ann@desk/7",
        ]
    );
    let troubled = Glance::new(&samples::troubled(), &kept([paused(), paused(), paused()]));
    let said = troubled.changes(Some(&done));
    assert!(
        said.iter()
            .any(|line| line.contains("cp2: ready: ?; kubelet -")),
        "{said:#?}"
    );
    assert!(
        said.iter().any(|line| line.contains(" found cp2 ")),
        "{said:#?}"
    );
    let back = done.changes(Some(&troubled));
    assert!(
        back.iter().any(|line| line.contains(" gone: cp2 ")),
        "{back:#?}"
    );
}

#[test]
fn what_was_done_before_and_for_others_is_not_shown() {
    let mut observed = samples::healthy();
    for id in ["r3-f3-1-upgrade", "r44-f3-1-upgrade", "boot-1"] {
        at_work(&mut observed, id, "", Some(Outcome::Succeeded));
        let glance = Glance::new(&observed, &running());
        assert_eq!(glance.nodes[1].operation, None, "{id}");
    }
}

#[test]
fn fewer_than_a_majority_leave_a_doubt_and_a_foreign_plan_is_no_failure() {
    let away = || Err("no route".to_owned());
    let glance = Glance::new(&samples::healthy(), &kept([away(), away(), Ok(None)]));
    assert_eq!(
        glance.doubt.as_deref(),
        Some(
            "1 of 3 control planes tell of the rollout, a newer one may be kept: cp1: no route; cp2: no route"
        )
    );
    assert!(
        glance
            .screen(Style::Plain)
            .contains("no rollout was ever begun")
    );
    let mut foreign = record(1, RolloutWish::Running);
    foreign.plan = "{\"number\":4,\"later\":1}".to_owned();
    let glance = Glance::new(
        &samples::healthy(),
        &kept([Ok(Some(foreign)), Ok(None), Ok(None)]),
    );
    assert_eq!(glance.doubt, None);
    assert!(
        glance
            .screen(Style::Plain)
            .contains("rollout 4 to a plan that this version can't read: running"),
    );
}
