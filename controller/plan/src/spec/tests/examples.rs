//! The worked examples: each is accepted, and says what it says on purpose.

use super::super::{Report, read};

/// Every example of docs/examples.
pub(super) const ALL: [&str; 6] = [
    "external-endpoint",
    "one-zone",
    "single-node",
    "three-zones",
    "three-zones-small-third",
    "two-zones",
];

/// An example's text.
pub(super) fn example(name: &str) -> &'static str {
    macro_rules! text {
        ($name:literal) => {
            include_str!(concat!("../../../../../docs/examples/", $name, ".yaml"))
        };
    }
    match name {
        "external-endpoint" => text!("external-endpoint"),
        "one-zone" => text!("one-zone"),
        "single-node" => text!("single-node"),
        "three-zones" => text!("three-zones"),
        "three-zones-small-third" => text!("three-zones-small-third"),
        "two-zones" => text!("two-zones"),
        "pod-network" => text!("pod-network"),
        _ => panic!("no example {name}"),
    }
}

fn said(name: &str) -> String {
    let mut load = |path: &str| Ok(example(path.trim_end_matches(".yaml")).to_owned());
    let accepted = read(example(name).as_bytes(), &mut load).unwrap();
    Report {
        file: name,
        problems: &accepted.warnings,
    }
    .to_string()
}

#[test]
fn every_example_is_listed_here_and_accepted() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/examples");
    let mut names: Vec<String> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .map(|name| name.trim_end_matches(".yaml").to_owned())
        .filter(|name| name != "pod-network")
        .collect();
    names.sort();
    assert_eq!(names, ALL);
    for name in ALL {
        said(name);
    }
}

#[test]
fn examples_that_outlive_the_loss_of_a_zone_have_no_warning() {
    assert_eq!(said("three-zones"), "");
    assert_eq!(said("three-zones-small-third"), "");
    assert_eq!(said("external-endpoint"), "");
}

#[test]
fn examples_that_cannot_say_so() {
    insta::assert_snapshot!(said("one-zone"), @"
    one-zone:13:10: warning: spec.zones: there is one zone only
        why:    whatever takes the zone down (power, switch, storage) takes the whole cluster with it
        remedy: declare three zones with control planes in each, if the machines do not share everything
    ");
    insta::assert_snapshot!(said("two-zones"), @"
    two-zones:17:7: warning: spec.controlPlanes: zone east holds 2 of 3 control planes (cp1, cp2): its loss takes the cluster down
        why:    1 of 3 etcd members would be left, and 2 make a majority: no write, no API, no new pod
        remedy: accepted by spec.policies.acceptZoneLoss; a third zone would cure it
    ");
    insta::assert_snapshot!(said("single-node"), @"
    single-node:14:5: warning: spec.controlPlanes: one control plane is not highly available
        why:    its loss, or its restart, is the loss of the API
        remedy: declare three
    ");
}
