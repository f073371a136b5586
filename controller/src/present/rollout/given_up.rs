//! What came of `abort`.

use hactl_proto::name::NodeName;
use hactl_proto::rollout::RolloutRecord;
use serde::Serialize;

use super::report::outcome_words;
use crate::present::View;
use crate::present::style::{Style, Tone};
use crate::present::words::{clean, line};
use crate::rollout::GivenUp;

/// A rollout that was given up, and what of it was put right.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GivenUpView {
    /// The rollout's number.
    pub number: u64,
    /// The controller that carries it out, and ends it after the node under way.
    pub by: Option<String>,
    /// Nodes that were taken back: schedulable again, behind every load balancer again.
    pub mended: Vec<NodeName>,
    /// Nodes in the middle of their upgrades, or silent.
    pub middle: Vec<NodeName>,
    /// Control planes whose load balancer does not tell whom it lets go of, and why.
    pub untold: Vec<(NodeName, String)>,
    /// Why not all could be taken back.
    pub why: Option<String>,
}

impl GivenUpView {
    /// Of a record; `came` is what came of taking nodes back, or why that could not be tried to its end.
    pub fn new(record: &RolloutRecord, came: Result<GivenUp, String>) -> Self {
        let number = record.number;
        match came {
            Ok(came) => Self {
                number,
                by: came.by,
                mended: came.mended,
                middle: came.middle,
                untold: came.untold,
                why: came
                    .stopped
                    .map(|(node, outcome)| outcome_words(node.as_str(), &outcome)),
            },
            Err(why) => Self {
                number,
                by: None,
                mended: Vec::new(),
                middle: Vec::new(),
                untold: Vec::new(),
                why: Some(why),
            },
        }
    }

    /// Whether nothing is left to be put right by this verb.
    pub const fn whole(&self) -> bool {
        self.why.is_none() && self.untold.is_empty()
    }
}

impl View for GivenUpView {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let number = self.number;
        if let Some(by) = &self.by {
            line(
                &mut text,
                format_args!(
                    "rollout {number} is given up after the node under way, by {}; what is upgraded stays so",
                    clean(by)
                ),
            );
            return text;
        }
        line(
            &mut text,
            format_args!("rollout {number} is given up; what is upgraded stays so"),
        );
        for node in &self.mended {
            line(&mut text, format_args!("  {node} was taken back"));
        }
        for node in &self.middle {
            line(
                &mut text,
                format_args!(
                    "  {node} is in the middle of its upgrade, or does not answer, and is left as it is"
                ),
            );
        }
        if !self.middle.is_empty() {
            line(
                &mut text,
                format_args!(
                    "  `hactl-controller abort` once more takes it back when it is through; `upgrade` goes on with it"
                ),
            );
        }
        for (node, why) in &self.untold {
            let why = format!(
                "{node}'s load balancer does not tell whom it lets go of: {}",
                clean(why)
            );
            line(
                &mut text,
                format_args!("  {}", style.paint(Tone::Bad, &why)),
            );
        }
        if let Some(why) = &self.why {
            let why = format!("not every node was taken back: {}", clean(why));
            line(
                &mut text,
                format_args!("  {}", style.paint(Tone::Bad, &why)),
            );
        }
        if !self.whole() {
            line(
                &mut text,
                format_args!("  `hactl-controller abort` once more tries it again"),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::samples::ago;
    use hactl_proto::rollout::RolloutWish;

    fn shown(came: Result<GivenUp, String>) -> String {
        let record = RolloutRecord {
            number: 3,
            revision: 2,
            wish: RolloutWish::Aborted,
            by: "ann".to_owned(),
            at: ago(0),
            plan: String::new(),
        };
        GivenUpView::new(&record, came).text(Style::Plain)
    }

    #[test]
    fn it_says_what_was_taken_back_and_what_was_not() {
        let node = |text| NodeName::new(text).unwrap();
        let came = |by: Option<&str>| GivenUp {
            by: by.map(str::to_owned),
            mended: vec![node("cp2")],
            middle: vec![node("cp3")],
            untold: Vec::new(),
            stopped: None,
        };
        insta::assert_snapshot!(shown(Ok(came(None))), @r"
        rollout 3 is given up; what is upgraded stays so
          cp2 was taken back
          cp3 is in the middle of its upgrade, or does not answer, and is left as it is
          `hactl-controller abort` once more takes it back when it is through; `upgrade` goes on with it
        ");
        insta::assert_snapshot!(shown(Ok(came(Some("bob@desk/7")))), @"rollout 3 is given up after the node under way, by bob@desk/7; what is upgraded stays so");
        let mut untold = came(None);
        untold.untold = vec![(node("cp1"), "connection refused".to_owned())];
        insta::assert_snapshot!(shown(Ok(untold)), @r"
        rollout 3 is given up; what is upgraded stays so
          cp2 was taken back
          cp3 is in the middle of its upgrade, or does not answer, and is left as it is
          `hactl-controller abort` once more takes it back when it is through; `upgrade` goes on with it
          cp1's load balancer does not tell whom it lets go of: connection refused
          `hactl-controller abort` once more tries it again
        ");
        insta::assert_snapshot!(shown(Err("no control plane answers\u{1b}[2J".to_owned())), @r"
        rollout 3 is given up; what is upgraded stays so
          not every node was taken back: no control plane answers\u{1b}[2J
          `hactl-controller abort` once more tries it again
        ");
    }
}
