//! Tests by name of what an operator may write, as the operator reads the answer.

mod endpoint;
mod examples;
mod fields;
mod kubernetes;
mod networks;
mod nodes;
mod policies;
mod schema;
mod text;
mod upgrade;
mod zones;

use hactl_proto::name::ZoneName;

use super::{Accepted, Refused, Report, read};

/// A good spec that the tests spoil.
const GOOD: &str = "\
apiVersion: hactl.io/v1alpha1
kind: Cluster
metadata:
  name: prod
spec:
  kubernetes:
    version: v1.36.2
  networks:
    pods: 10.244.0.0/16
    services: 10.96.0.0/12
    nodes: 10.0.0.0/24
  endpoint:
    host: api.example.org
    address: 10.0.0.10
  zones: [a, b, c]
  controlPlanes:
    - {name: cp1, address: 10.0.0.11, zone: a}
    - {name: cp2, address: 10.0.0.12, zone: b}
    - {name: cp3, address: 10.0.0.13, zone: c}
  workers:
    - {name: w1, address: 10.0.0.21, zone: a}
  podNetwork:
    manifest: net.yaml
";

/// A folder with one file, `net.yaml`.
fn load(path: &str) -> Result<String, String> {
    match path {
        "net.yaml" => Ok("apiVersion: v1\nkind: Namespace\nmetadata: {name: net}\n".to_owned()),
        "empty.yaml" => Ok(String::new()),
        _ => Err("no such file".to_owned()),
    }
}

fn judge(text: impl AsRef<[u8]>) -> Result<Accepted, Refused> {
    read(text.as_ref(), &mut load)
}

/// What the operator reads about this text.
fn said(text: impl AsRef<[u8]>) -> String {
    let problems = match judge(text) {
        Ok(accepted) => accepted.warnings,
        Err(refused) => refused.problems,
    };
    Report {
        file: "cluster.yaml",
        problems: &problems,
    }
    .to_string()
}

/// The good spec with one part replaced by another.
fn with(part: &str, other: &str) -> String {
    assert!(GOOD.contains(part), "the good spec has no {part:?}");
    GOOD.replacen(part, other, 1)
}

/// What the operator reads about the good spec with that change.
fn changed(part: &str, other: &str) -> String {
    said(with(part, other))
}

#[test]
fn the_good_spec_is_accepted_without_a_word() {
    assert_eq!(said(GOOD), "");
    let spec = judge(GOOD).unwrap().spec;
    let zones: Vec<&str> = spec.zones.iter().map(ZoneName::as_str).collect();
    assert_eq!(zones, ["a", "b", "c"]);
    assert_eq!(spec.networks.dns_domain, "cluster.local");
    let own = with("  endpoint:", "    dnsDomain: k8s.example\n  endpoint:");
    assert_eq!(judge(own).unwrap().spec.networks.dns_domain, "k8s.example");
}
