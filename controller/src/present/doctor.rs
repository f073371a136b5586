//! `doctor`: each finding with what was seen, what is wanted, and what to do.

use hactl_cluster_plan::observed::{Answer, Concern};
use hactl_proto::finding::{Finding, Severity};
use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use serde::Serialize;

use super::View;
use super::style::{Style, Tone};
use super::words;

/// What is wrong with the cluster, and with each node.
#[derive(Debug, Clone, Serialize)]
pub struct DoctorView {
    /// Of the cluster as a whole, from what agents say of themselves and each other.
    pub cluster: Vec<Finding>,
    /// Of each node.
    pub nodes: Vec<Checkup>,
}

/// One node's findings.
#[derive(Debug, Clone, Serialize)]
pub struct Checkup {
    /// The node.
    pub node: NodeName,
    /// Its role.
    pub role: NodeRole,
    /// Its zone.
    pub zone: ZoneName,
    /// From its checks, run just now.
    pub checked: Answer<Vec<Finding>>,
    /// From what the agents say of themselves and each other.
    pub concerns: Vec<Finding>,
}

impl DoctorView {
    /// Sorts the concerns to their nodes; what a check just said is not said again.
    pub fn new(mut nodes: Vec<Checkup>, concerns: Vec<Concern>) -> Self {
        let mut cluster = Vec::new();
        for concern in concerns {
            let Some(name) = concern.node else {
                cluster.push(concern.finding);
                continue;
            };
            let Some(checkup) = nodes.iter_mut().find(|checkup| checkup.node == name) else {
                continue;
            };
            let checked = checkup.checked.said().is_some_and(|found| {
                found
                    .iter()
                    .any(|finding| finding.check == concern.finding.check)
            });
            if !checked {
                checkup.concerns.push(concern.finding);
            }
        }
        Self { cluster, nodes }
    }

    /// Whether nothing was found and everybody answered.
    pub fn clean(&self) -> bool {
        self.cluster.is_empty()
            && self
                .nodes
                .iter()
                .all(|node| node.findings().next().is_none())
    }
}

impl Checkup {
    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.checked
            .said()
            .into_iter()
            .flatten()
            .chain(&self.concerns)
    }
}

impl View for DoctorView {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        if !self.cluster.is_empty() {
            text.push_str(&section("the cluster", &self.cluster, style));
        }
        for node in &self.nodes {
            let name = format!("{} ({}, zone {})", node.node, node.role, node.zone);
            let findings: Vec<Finding> = node.findings().cloned().collect();
            text.push_str(&section(&name, &findings, style));
            if let Some(silence) = node.checked.silence() {
                let seconds = silence.tried_ms / 1000;
                let line = format!(
                    "its checks could not be run: {} (tried for {seconds} s)",
                    silence.reason
                );
                words::line(
                    &mut text,
                    format_args!("  {}", style.paint(Tone::Bad, &words::clean(&line))),
                );
            }
        }
        text
    }
}

fn section(name: &str, findings: &[Finding], style: Style) -> String {
    let head = style.paint(Tone::Head, name);
    if findings.is_empty() {
        return format!("{head}: {}\n", style.paint(Tone::Good, "no findings"));
    }
    let mut sorted: Vec<&Finding> = findings.iter().collect();
    sorted.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let body: String = sorted
        .into_iter()
        .map(|finding| entry(finding, style))
        .collect();
    format!("{head}\n{body}")
}

/// One finding with what was seen, what is wanted, and what to do.
pub(super) fn entry(finding: &Finding, style: Style) -> String {
    let (word, tone) = words::severity(finding.severity);
    let held = if finding.severity == Severity::Refusal {
        ""
    } else {
        " (holds nothing up)"
    };
    let mend = if finding.mendable {
        "\n      mended by the agent in mode enforce"
    } else {
        ""
    };
    format!(
        "  {} {}{held}\n      seen:   {}\n      wanted: {}\n      remedy: {}{mend}\n",
        style.paint(tone, word),
        words::clean(&finding.check),
        words::clean(&finding.observed),
        words::clean(&finding.wanted),
        words::clean(&finding.remedy),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::{Observed, concerns, samples};

    fn doctor(observed: &Observed) -> DoctorView {
        let checkup = |node: &hactl_cluster_plan::observed::ObservedNode| Checkup {
            node: node.name.clone(),
            role: node.role,
            zone: node.zone.clone(),
            checked: match &node.status {
                Answer::Said(status) => Answer::Said(status.findings.clone()),
                Answer::Silent(silence) => Answer::Silent(silence.clone()),
            },
            concerns: Vec::new(),
        };
        DoctorView::new(
            observed.nodes.iter().map(checkup).collect(),
            concerns(observed),
        )
    }

    #[test]
    fn nothing_to_find() {
        assert!(doctor(&samples::healthy()).clean());
        insta::assert_snapshot!(doctor(&samples::healthy()).text(Style::Plain), @"
        cp1 (control-plane, zone a): no findings
        cp2 (control-plane, zone b): no findings
        cp3 (control-plane, zone c): no findings
        w1 (worker, zone a): no findings
        ");
    }

    #[test]
    fn findings_with_their_remedies() {
        let view = doctor(&samples::troubled());
        assert!(!view.clean());
        insta::assert_snapshot!(view.text(Style::Plain), @"
        the cluster
          error etcd-quorum
              seen:   1 of 3 etcd members are known to be healthy
              wanted: at least 2, a majority
              remedy: start the missing members; whoever is not heard counts as unhealthy
          warning control-planes (holds nothing up)
              seen:   cp2, cp3 did not say that they belong to the cluster
              wanted: every declared control plane in the cluster
              remedy: wait for their join, or see below why they do not answer
        cp1 (control-plane, zone a): no findings
        cp2 (control-plane, zone b)
          error agent-answers
              seen:   connect: no route to host (tried for 5.0 s at 10.0.0.12:7470)
              wanted: an answer of its agent
              remedy: see on the node: systemctl status hactl-agent; journalctl -u hactl-agent
          error membership
              seen:   2 of 3 others see it down, cp1 since 2026-11-22T17:19:18Z
              wanted: alive for all
              remedy: see who sees whom: `hactl-controller members`
          its checks could not be run: connect: no route to host (tried for 5 s)
        cp3 (control-plane, zone c): no findings
        w1 (worker, zone a)
          error swap-off
              seen:   2048 MiB of swap on /dev/sda2
              wanted: no swap, now and at the next boot
              remedy: swapoff -a, and comment the line out in /etc/fstab
              mended by the agent in mode enforce
          warning clock (holds nothing up)
              seen:   0.7 s behind the median of 3 peers
              wanted: within 0.5 s
              remedy: check the time service: chronyc tracking
        ");
        assert!(
            view.text(Style::Colour)
                .contains("\u{1b}[31merror\u{1b}[0m swap-off")
        );
    }
}
