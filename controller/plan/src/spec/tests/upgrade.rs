//! `spec.upgrade`.

use hactl_proto::spec::upgrade::{Day, UpgradePolicy};

use super::{GOOD, judge, said};

fn upgrade(text: &str) -> String {
    format!("{GOOD}  upgrade:\n{text}")
}

#[test]
fn what_is_left_out_has_its_default() {
    assert_eq!(judge(GOOD).unwrap().spec.upgrade, UpgradePolicy::default());
    let text = upgrade("    maxUnavailable: 4\n    deleteLocalData: false\n");
    let policy = judge(text).unwrap().spec.upgrade;
    assert_eq!(
        policy,
        UpgradePolicy {
            max_unavailable: 4,
            delete_local_data: false,
            ..UpgradePolicy::default()
        }
    );
}

#[test]
fn windows_and_canaries() {
    let text = upgrade(
        "    windows:\n      - {days: [sat, fri], from: \"22:00\", to: 04:30, zone: europe/berlin}\n      - {from: \"01:00\", to: \"02:00\", zone: UTC}\n    canary: {controlPlane: cp2, workers: [w1], passes: 20, passSeconds: 30}\n",
    );
    let policy = judge(text).unwrap().spec.upgrade;
    assert_eq!(
        policy.windows[0].to_string(),
        "fri,sat 22:00 to 04:30 Europe/Berlin"
    );
    assert_eq!(policy.windows[1].days, Day::ALL.into());
    assert_eq!(policy.canary.control_plane.unwrap().as_str(), "cp2");
    assert_eq!(policy.canary.workers[0].as_str(), "w1");
    assert_eq!((policy.canary.passes, policy.canary.pass_seconds), (20, 30));
}

#[test]
fn windows_that_never_open_or_that_nobody_can_tell() {
    insta::assert_snapshot!(said(upgrade("    windows:\n      - {days: [], from: 22:00, zone: Europe/Berlim}\n      - {days: [monday], from: 9:00, to: \"24:00\", zone: Mars/Olympus}\n")), @r#"
    cluster.yaml:26:9: error: spec.upgrade.windows[0]: field "to" is missing
        why:    a window has a time at which it opens and one at which it closes
        remedy: add spec.upgrade.windows[0].to
    cluster.yaml:26:16: error: spec.upgrade.windows[0].days: no day is named
        why:    such a window never opens
        remedy: name the days that it opens on, or leave days out: every day
    cluster.yaml:26:39: error: spec.upgrade.windows[0].zone: there is no time zone "Europe/Berlim"
        why:    a window opens by the clocks of its zone, summer time included
        remedy: did you mean "Europe/Berlin"?
    cluster.yaml:27:17: error: spec.upgrade.windows[1].days[0]: "monday" is not known
        why:    this field takes mon or tue or wed or thu or fri or sat or sun
        remedy: write mon or tue or wed or thu or fri or sat or sun
    cluster.yaml:27:32: error: spec.upgrade.windows[1].from: "9:00" cannot be used
        why:    "9:00" is not a time between 00:00 and 23:59
        remedy: give a time in quotes, such as "22:00"
    cluster.yaml:27:42: error: spec.upgrade.windows[1].to: "24:00" cannot be used
        why:    "24:00" is not a time between 00:00 and 23:59
        remedy: give a time in quotes, such as "22:00"
    cluster.yaml:27:57: error: spec.upgrade.windows[1].zone: there is no time zone "Mars/Olympus"
        why:    a window opens by the clocks of its zone, summer time included
        remedy: give a name of the IANA database, such as Europe/Berlin or UTC
    "#);
}

#[test]
fn canaries_that_are_no_such_nodes() {
    insta::assert_snapshot!(said(upgrade("    canary: {controlPlane: w1, workers: [cp1, w1, w1, w7], passes: 0}\n")), @r#"
    cluster.yaml:25:28: error: spec.upgrade.canary.controlPlane: w1 is a worker
        why:    upgrades begin with it, as a control plane
        remedy: name one of cp1, cp2, cp3
    cluster.yaml:25:42: error: spec.upgrade.canary.workers[0]: cp1 is a control plane
        why:    upgrades begin with it, as a worker
        remedy: name one of w1
    cluster.yaml:25:51: error: spec.upgrade.canary.workers[2]: w1 is named twice
        why:    a node goes once
        remedy: remove one of them
    cluster.yaml:25:55: error: spec.upgrade.canary.workers[3]: w7 is not declared
        why:    upgrades begin with it, as a worker
        remedy: did you mean "w1"?
    cluster.yaml:25:68: error: spec.upgrade.canary.passes: "0" is of the wrong type or out of range
        why:    this field takes a whole number from 1 to 10000
        remedy: give a whole number from 1 to 10000
    "#);
    let enrols =
        format!("{GOOD}  workerEnrolment: true\n  upgrade: {{canary: {{workers: [w7]}}}}\n");
    assert_eq!(said(enrols), "");
}

#[test]
fn a_canary_is_not_called_undeclared_where_the_nodes_of_its_kind_can_not_be_read() {
    let canary = "  upgrade: {canary: {controlPlane: cp7, workers: [w7]}}\n";
    let undeclared = |text: String| {
        let said = said(text + canary);
        ["cp7", "w7"].map(|name| said.contains(&format!("{name} is not declared")))
    };
    assert_eq!(undeclared(GOOD.to_owned()), [true, true]);
    assert_eq!(
        undeclared(GOOD.replace("name: w1", "name: W_1")),
        [true, false]
    );
    assert_eq!(
        undeclared(GOOD.replace("name: cp1", "name: CP_1")),
        [false, true]
    );
}
