//! The worked examples: each is accepted, and says what it says on purpose.

use super::super::{Report, read};

fn load(path: &str) -> Result<String, String> {
    match path {
        "pod-network.yaml" => {
            Ok(include_str!("../../../../../docs/examples/pod-network.yaml").to_owned())
        }
        _ => Err("no such file".to_owned()),
    }
}

fn said(text: &str) -> String {
    let accepted = read(text.as_bytes(), &mut load).unwrap();
    Report {
        file: "",
        problems: &accepted.warnings,
    }
    .to_string()
}

macro_rules! example {
    ($name:literal) => {
        include_str!(concat!("../../../../../docs/examples/", $name, ".yaml"))
    };
}

#[test]
fn examples_that_outlive_the_loss_of_a_zone_have_no_warning() {
    assert_eq!(said(example!("three-zones")), "");
    assert_eq!(said(example!("three-zones-small-third")), "");
    assert_eq!(said(example!("external-endpoint")), "");
}

#[test]
fn examples_that_cannot_say_so() {
    insta::assert_snapshot!(said(example!("one-zone")), @"
    :13:10: warning: spec.zones: there is one zone only
        why:    whatever takes the zone down (power, switch, storage) takes the whole cluster with it
        remedy: declare three zones with control planes in each, if the machines do not share everything
    ");
    insta::assert_snapshot!(said(example!("two-zones")), @"
    :17:7: warning: spec.controlPlanes: zone east holds 2 of 3 control planes (cp1, cp2): its loss takes the cluster down
        why:    1 of 3 etcd members would be left, and 2 make a majority: no write, no API, no new pod
        remedy: accepted by spec.policies.acceptZoneLoss; a third zone would cure it
    ");
    insta::assert_snapshot!(said(example!("single-node")), @"
    :14:5: warning: spec.controlPlanes: one control plane is not highly available
        why:    its loss, or its restart, is the loss of the API
        remedy: declare three
    ");
}
