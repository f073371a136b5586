//! `grant override`: what was said, who took it, and what stood against it.

use hactl_proto::finding::Finding;
use hactl_proto::name::NodeName;
use hactl_proto::standing::Override;
use serde::Serialize;

use super::View;
use super::doctor::entry;
use super::style::{Style, Tone};
use super::table::{Cell, Table};
use super::words;

/// An override and its fate.
#[derive(Debug, Clone, Serialize)]
pub struct OverrideView {
    /// What was sent; `None`: nothing, for the findings.
    pub word: Option<Override>,
    /// What stood against it.
    pub findings: Vec<Finding>,
    /// What each control plane that it was sent to made of it.
    pub answers: Vec<(NodeName, Taken)>,
    /// Control planes that are not called lost and did not answer.
    pub silent: Vec<(NodeName, String)>,
}

/// What a control plane made of an override.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase", tag = "result", content = "reason")]
pub enum Taken {
    /// It is durable there.
    Taken,
    /// Nothing was changed there.
    Refused(String),
    /// It may be durable there, or not.
    Unknown(String),
}

impl View for OverrideView {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        match &self.word {
            None => {
                let head = style.paint(Tone::Bad, "refused, nothing was changed");
                words::line(&mut text, format_args!("{head}"));
                text.extend(self.findings.iter().map(|finding| entry(finding, style)));
            }
            Some(word) => {
                let lost = word.lost.keys();
                let lost = if word.lost.is_empty() {
                    "nobody".to_owned()
                } else {
                    words::names(lost)
                };
                let head = format!(
                    "epoch {}: the candidate is {}; lost: {lost}",
                    word.epoch, word.candidate
                );
                words::line(
                    &mut text,
                    format_args!("{}", style.paint(Tone::Head, &head)),
                );
                text.push_str(&self.table().render(style));
            }
        }
        for (node, reason) in &self.silent {
            let line = format!("{node} did not answer: {}", words::clean(reason));
            words::line(&mut text, format_args!("{}", style.paint(Tone::Bad, &line)));
        }
        if self.word.is_some() && !self.silent.is_empty() {
            let line =
                "They have to take it too: give it again when they answer, or call them lost.";
            words::line(&mut text, format_args!("{line}"));
        }
        text
    }
}

impl OverrideView {
    fn table(&self) -> Table {
        let mut table = Table::new(["NODE", "OVERRIDE", "WHY"]);
        for (node, taken) in &self.answers {
            let (tone, word, why) = match taken {
                Taken::Taken => (Tone::Good, "taken", ""),
                Taken::Refused(why) => (Tone::Bad, "refused", why.as_str()),
                Taken::Unknown(why) => (Tone::Doubtful, "unknown", why.as_str()),
            };
            table.row([
                Cell::plain(node.as_str()),
                Cell::new(tone, word),
                Cell::plain(why),
            ]);
        }
        table
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::samples::cluster_spec;
    use hactl_proto::finding::Severity;
    use hactl_proto::name::ClusterId;
    use hactl_proto::standing::InstanceId;

    fn name(text: &str) -> NodeName {
        NodeName::new(text).unwrap()
    }

    #[test]
    fn an_override_with_its_answers() {
        let word = Override {
            cluster: ClusterId::from_bytes([1; 16]),
            spec: cluster_spec().bootstrap_hash(),
            epoch: 1,
            candidate: name("cp2"),
            roster: [(name("cp2"), InstanceId::from_bytes([2; 16]))].into(),
            lost: [(name("cp1"), [InstanceId::from_bytes([1; 16])].into())].into(),
            reason: "cp1 burned".to_owned(),
        };
        let view = OverrideView {
            word: Some(word),
            findings: Vec::new(),
            answers: vec![
                (name("cp2"), Taken::Taken),
                (
                    name("cp3"),
                    Taken::Refused("this node is at epoch 1, the caller at 1".to_owned()),
                ),
                (name("cp4"), Taken::Unknown("no answer in time".to_owned())),
            ],
            silent: Vec::new(),
        };
        insta::assert_snapshot!(view.text(Style::Plain), @"
        epoch 1: the candidate is cp2; lost: cp1
        NODE  OVERRIDE  WHY
        cp2   taken
        cp3   refused   this node is at epoch 1, the caller at 1
        cp4   unknown   no answer in time
        ");
    }

    #[test]
    fn an_override_that_was_not_sent() {
        let finding = Finding {
            check: "no-init-begun".to_owned(),
            severity: Severity::Refusal,
            observed: "cp1 has begun kubeadm init at epoch 0".to_owned(),
            wanted: "no init begun by any node that runs".to_owned(),
            remedy: "let it end".to_owned(),
            mendable: false,
        };
        let view = OverrideView {
            word: None,
            findings: vec![finding],
            answers: Vec::new(),
            silent: Vec::new(),
        };
        insta::assert_snapshot!(view.text(Style::Plain), @"
        refused, nothing was changed
          error no-init-begun
              seen:   cp1 has begun kubeadm init at epoch 0
              wanted: no init begun by any node that runs
              remedy: let it end
        ");
    }
}
