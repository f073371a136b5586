//! Layouts that cannot lose a zone.

use super::{GOOD, changed, judge, said, with};

const TWO: &str = "  zones: [a, b, c]";

#[test]
fn a_zone_that_holds_the_majority() {
    insta::assert_snapshot!(changed("zone: b", "zone: a"), @"
    cluster.yaml:15:14: warning: spec.zones[1]: zone b has no node
        why:    a zone without nodes adds nothing, and is often a slip in a node's zone
        remedy: remove it, or put a node into it
    cluster.yaml:17:7: error: spec.controlPlanes: zone a holds 2 of 3 control planes (cp1, cp2): its loss takes the cluster down
        why:    1 of 3 etcd members would be left, and 2 make a majority: no write, no API, no new pod
        remedy: spread the control planes so that no zone holds half of them; or accept it: policies.acceptZoneLoss: [a]
    ");
}

#[test]
fn two_zones_can_never_both_be_lost() {
    let text = with(TWO, "  zones: [a, b]").replace("zone: c", "zone: b");
    insta::assert_snapshot!(said(&text), @"
    cluster.yaml:18:7: error: spec.controlPlanes: zone b holds 2 of 3 control planes (cp2, cp3): its loss takes the cluster down
        why:    1 of 3 etcd members would be left, and 2 make a majority: no write, no API, no new pod
        remedy: with two zones one of them always holds a majority: put one control plane into a third zone, however small; or accept it: policies.acceptZoneLoss: [b]
    ");
    let accepted = format!("{text}  policies:\n    acceptZoneLoss: [b]\n");
    insta::assert_snapshot!(said(&accepted), @"
    cluster.yaml:18:7: warning: spec.controlPlanes: zone b holds 2 of 3 control planes (cp2, cp3): its loss takes the cluster down
        why:    1 of 3 etcd members would be left, and 2 make a majority: no write, no API, no new pod
        remedy: accepted by spec.policies.acceptZoneLoss; a third zone would cure it
    ");
    assert!(judge(accepted).is_ok());
}

#[test]
fn one_zone_is_the_operators_choice() {
    let text = with(TWO, "  zones: [a]")
        .replace(", zone: a", "")
        .replace(", zone: b", "")
        .replace(", zone: c", "");
    insta::assert_snapshot!(said(&text), @"
    cluster.yaml:15:10: warning: spec.zones: there is one zone only
        why:    whatever takes the zone down (power, switch, storage) takes the whole cluster with it
        remedy: declare three zones with control planes in each, if the machines do not share everything
    ");
    assert!(
        judge(text)
            .unwrap()
            .spec
            .workers
            .iter()
            .all(|node| node.zone.as_str() == "a")
    );
}

#[test]
fn zones_that_are_undeclared_unused_or_twice() {
    insta::assert_snapshot!(changed("zone: b", "zone: d"), @"
    cluster.yaml:18:45: error: spec.controlPlanes[1].zone: zone d is not declared
        why:    spec.zones names a, b, c
        remedy: add d to spec.zones, or name a declared one
    ");
    let slip = GOOD
        .replace("[a, b, c]", "[a, berlin, c]")
        .replace("zone: b", "zone: berlim");
    assert!(said(slip).contains("remedy: did you mean \"berlin\"?"));
    insta::assert_snapshot!(changed("[a, b, c]", "[a, b, c, d]"), @"
    cluster.yaml:15:20: warning: spec.zones[3]: zone d has no node
        why:    a zone without nodes adds nothing, and is often a slip in a node's zone
        remedy: remove it, or put a node into it
    ");
    insta::assert_snapshot!(changed("[a, b, c]", "[a, b, c, b]"), @"
    cluster.yaml:15:20: error: spec.zones[3]: zone b is named twice
        why:    it is named at line 15 already
        remedy: remove one
    ");
    insta::assert_snapshot!(said(format!("{GOOD}  policies:\n    acceptZoneLoss: [z]\n")), @"
    cluster.yaml:25:22: error: spec.policies.acceptZoneLoss[0]: zone z is not declared
        why:    only the loss of a declared zone can be accepted
        remedy: name a zone of spec.zones, or remove it
    ");
}

#[test]
fn a_node_without_a_zone_where_there_are_several() {
    insta::assert_snapshot!(changed("10.0.0.12, zone: b", "10.0.0.12"), @r#"
    cluster.yaml:18:7: error: spec.controlPlanes[1]: field "zone" is missing
        why:    the node shares the fate of its zone; there are several
        remedy: add spec.controlPlanes[1].zone
    "#);
}

#[test]
fn with_external_etcd_one_server_left_is_enough() {
    let etcd = "  etcd: {topology: external, endpoints: [https://192.0.2.1:2379], caFile: /a, certFile: /b, keyFile: /c}\n";
    let text = with("  zones:", &format!("{etcd}  zones:"));
    assert!(judge(text.replace("zone: b", "zone: a")).is_ok());
    let one = text
        .replace("zone: b", "zone: a")
        .replace("zone: c}", "zone: a}");
    insta::assert_snapshot!(said(one), @"
    cluster.yaml:16:14: warning: spec.zones[1]: zone b has no node
        why:    a zone without nodes adds nothing, and is often a slip in a node's zone
        remedy: remove it, or put a node into it
    cluster.yaml:16:17: warning: spec.zones[2]: zone c has no node
        why:    a zone without nodes adds nothing, and is often a slip in a node's zone
        remedy: remove it, or put a node into it
    cluster.yaml:18:7: error: spec.controlPlanes: zone a holds 3 of 3 control planes (cp1, cp2, cp3): its loss takes the cluster down
        why:    no API server would be left
        remedy: spread the control planes so that no zone holds half of them; or accept it: policies.acceptZoneLoss: [a]
    ");
}
