//! The cluster spec: any file is judged, and what is said about it is fit to be read.

// To panic where a promise is broken is what a target is for.
#![allow(clippy::expect_used)]

use hactl_cluster_plan::spec::{Accepted, Problem, Refused, Report, read};
use hactl_proto::finding::Severity;
use hactl_proto::spec::ClusterSpec;

/// Reads the bytes as a spec.
///
/// # Panics
/// Where the verdict breaks a promise.
pub fn fuzz_spec(bytes: &[u8]) {
    let mut load = |path: &str| match path {
        "net.yaml" | "pod-network.yaml" => Ok("kind: Namespace\n".to_owned()),
        _ => Err("no such file".to_owned()),
    };
    match read(bytes, &mut load) {
        Ok(Accepted { spec, warnings }) => {
            assert!(
                warnings
                    .iter()
                    .all(|problem| problem.severity == Severity::Warning),
                "accepted with an error"
            );
            said(bytes, &warnings);
            accepted(&spec);
        }
        Err(Refused { problems }) => {
            assert!(
                problems
                    .iter()
                    .any(|problem| problem.severity == Severity::Refusal),
                "refused without an error"
            );
            said(bytes, &problems);
        }
    }
}

/// Problems are in order, within the file, and leave a terminal alone.
fn said(bytes: &[u8], problems: &[Problem]) {
    assert!(
        problems.is_sorted_by_key(|problem| problem.at),
        "out of order"
    );
    // YAML breaks lines at a carriage return too.
    let lines = bytes
        .iter()
        .filter(|byte| matches!(byte, b'\n' | b'\r'))
        .count()
        + 1;
    for problem in problems {
        assert!(
            (1..=lines + 1).contains(&problem.at.line),
            "{problem:?} is not within {lines} lines"
        );
        assert!(problem.at.column >= 1, "{problem:?}");
        for text in [&problem.what, &problem.why, &problem.remedy] {
            assert!(!text.is_empty(), "{problem:?} leaves something unsaid");
        }
        let shown = Report {
            file: "f",
            problems: std::slice::from_ref(problem),
        }
        .to_string();
        assert!(
            !shown.chars().any(|c| c.is_control() && c != '\n'),
            "{shown:?} moves a cursor"
        );
        assert_eq!(shown.lines().count(), 3, "{shown:?} is not three lines");
    }
}

/// What everybody else relies on.
fn accepted(spec: &ClusterSpec) {
    let candidate = spec.candidate().expect("a candidate");
    assert!(
        spec.control_planes
            .iter()
            .any(|node| node.name == *candidate),
        "the candidate is not declared"
    );
    let nodes: Vec<_> = spec.control_planes.iter().chain(&spec.workers).collect();
    for (at, node) in nodes.iter().enumerate() {
        assert!(
            spec.zones.contains(&node.zone),
            "{node:?} is in no declared zone"
        );
        let twice = nodes[..at]
            .iter()
            .any(|other| other.name == node.name || other.address == node.address);
        assert!(!twice, "{node:?} is there twice");
    }
    let json = serde_json::to_string(spec).expect("JSON of a spec");
    let back: ClusterSpec = serde_json::from_str(&json).expect("a spec of its JSON");
    assert_eq!(back, *spec, "a bundle would carry another spec");
    assert_eq!(
        back.bootstrap_hash(),
        spec.bootstrap_hash(),
        "nodes would hash another spec"
    );
}
