//! `certs test`: what a renewal in a copy came to on each control plane.

use hactl_proto::certificate::RenewalRehearsal;
use hactl_proto::name::NodeName;
use serde::Serialize;

use super::View;
use super::doctor::entry;
use super::style::{Style, Tone};
use super::words;
use crate::exit::Exit;

/// The control planes that were asked.
#[derive(Debug, Clone, Serialize)]
pub struct RehearsalView {
    /// In the order of the spec.
    pub nodes: Vec<NodeRehearsal>,
}

/// One control plane.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeRehearsal {
    /// The control plane.
    pub node: NodeName,
    /// What it came to.
    pub rehearsal: Option<RenewalRehearsal>,
    /// Why it was not tried.
    pub not_tried: Option<String>,
}

impl NodeRehearsal {
    /// Of an answer.
    pub fn of(node: NodeName, came_to: Result<RenewalRehearsal, String>) -> Self {
        let (rehearsal, not_tried) = match came_to {
            Ok(rehearsal) => (Some(rehearsal), None),
            Err(reason) => (None, Some(reason)),
        };
        Self {
            node,
            rehearsal,
            not_tried,
        }
    }
}

impl RehearsalView {
    /// How the verb ends.
    pub fn exit(&self) -> Exit {
        let each = self.nodes.iter().map(|one| match &one.rehearsal {
            None => Exit::Partial,
            Some(rehearsal) if rehearsal.findings.is_empty() => Exit::Done,
            Some(_) => Exit::Refused,
        });
        each.fold(Exit::Done, Exit::or)
    }
}

impl View for RehearsalView {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        for one in &self.nodes {
            let node = style.paint(Tone::Head, one.node.as_str());
            let Some(rehearsal) = &one.rehearsal else {
                let word = style.paint(Tone::Bad, "not tried");
                let reason = words::clean(one.not_tried.as_deref().unwrap_or_default());
                words::line(&mut text, format_args!("{node}: {word}: {reason}"));
                continue;
            };
            let count = rehearsal.renewed.len();
            let (tone, word) = if rehearsal.findings.is_empty() {
                (Tone::Good, "renewed in a copy, nothing was changed")
            } else {
                (Tone::Bad, "renewed in a copy, and a renewal would fail")
            };
            let word = style.paint(tone, word);
            words::line(&mut text, format_args!("{node}: {count} {word}"));
            for finding in &rehearsal.findings {
                text.push_str(&entry(finding, style));
            }
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_proto::Timestamp;
    use hactl_proto::finding::{Finding, Severity};

    fn rehearsal(findings: Vec<Finding>) -> RenewalRehearsal {
        RenewalRehearsal {
            node: NodeName::new("cp1").unwrap(),
            at: Timestamp::UNIX_EPOCH,
            renewed: vec!["apiserver".to_owned(), "etcd-peer".to_owned()],
            findings,
        }
    }

    #[test]
    fn each_end_is_told_and_the_gravest_is_the_exit_code() {
        let name = |text: &str| NodeName::new(text).unwrap();
        let finding = Finding {
            check: "renewal-rehearsal".to_owned(),
            severity: Severity::Refusal,
            observed: "in a copy etcd-server still has serial 0a".to_owned(),
            wanted: "another serial number".to_owned(),
            remedy: "Read kubeadm's words.".to_owned(),
            mendable: false,
        };
        let mut view = RehearsalView {
            nodes: vec![NodeRehearsal::of(name("cp1"), Ok(rehearsal(Vec::new())))],
        };
        assert_eq!(view.exit(), Exit::Done);
        let failing = NodeRehearsal::of(name("cp2"), Ok(rehearsal(vec![finding])));
        view.nodes.push(failing);
        assert_eq!(view.exit(), Exit::Refused);
        let away = NodeRehearsal::of(name("cp3"), Err("connect: no route to host".to_owned()));
        view.nodes.push(away);
        assert_eq!(view.exit(), Exit::Partial);
        let text = view.text(Style::Plain);
        for line in [
            "cp1: 2 renewed in a copy, nothing was changed\n",
            "cp2: 2 renewed in a copy, and a renewal would fail\n",
            "renewal-rehearsal",
            "Read kubeadm's words.",
            "cp3: not tried: connect: no route to host\n",
        ] {
            assert!(text.contains(line), "{text}");
        }
    }
}
