//! `certs renew`: what became of each control plane.

use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use serde::Serialize;

use super::View;
use super::doctor::entry;
use super::style::{Style, Tone};
use super::words;

/// The control planes that were asked, in order, and those that were not.
#[derive(Debug, Clone, Serialize)]
pub struct RenewalView {
    /// Those that were asked; only the last can have failed.
    pub nodes: Vec<NodeRenewal>,
    /// Those that were not.
    pub left: Vec<NodeName>,
    /// Those that do not answer, where that ends nothing.
    pub silent: Vec<NodeName>,
}

/// One control plane's renewal.
#[derive(Debug, Clone, Serialize)]
pub struct NodeRenewal {
    /// The control plane.
    pub node: NodeName,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl NodeRenewal {
    /// Whether all is through.
    pub fn succeeded(&self) -> bool {
        self.outcome == Outcome::Succeeded
    }
}

impl View for RenewalView {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        if self.nodes.is_empty() && self.left.is_empty() && self.silent.is_empty() {
            words::line(&mut text, format_args!("nothing was to be renewed"));
        }
        for one in &self.nodes {
            let node = style.paint(Tone::Head, one.node.as_str());
            match &one.outcome {
                Outcome::Succeeded => {
                    let word = style.paint(Tone::Good, "renewed, and served");
                    words::line(&mut text, format_args!("{node}: {word}"));
                }
                Outcome::Refused { findings } => {
                    let word = style.paint(Tone::Bad, "refused, nothing was changed");
                    words::line(&mut text, format_args!("{node}: {word}"));
                    for finding in findings {
                        text.push_str(&entry(finding, style));
                    }
                }
                Outcome::Failed {
                    step,
                    error,
                    remedy,
                    ..
                } => {
                    let word = style.paint(Tone::Bad, "failed");
                    words::line(
                        &mut text,
                        format_args!(
                            "{node}: {word} at {step}: failed to {}",
                            words::clean(error)
                        ),
                    );
                    words::line(
                        &mut text,
                        format_args!("  remedy: {}", words::clean(remedy)),
                    );
                }
            }
        }
        if !self.left.is_empty() {
            let names = words::names(&self.left);
            words::line(&mut text, format_args!("not asked any more: {names}"));
        }
        if !self.silent.is_empty() {
            let names = words::names(&self.silent);
            let word = style.paint(Tone::Bad, "left as they are, since they do not answer");
            words::line(
                &mut text,
                format_args!("{word}: {names}; run this again when they are on"),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_that_fails_is_told_with_its_remedy_and_the_rest_is_named() {
        let name = |text: &str| NodeName::new(text).unwrap();
        let failed = Outcome::Failed {
            step: "verify-served".to_owned(),
            error: "see the renewed certificates served on cp2 within 120 s: etcd at port 2379 still serves serial 0a".to_owned(),
            done: Vec::new(),
            remedy: "Restart it.".to_owned(),
        };
        let view = RenewalView {
            nodes: vec![
                NodeRenewal {
                    node: name("cp1"),
                    outcome: Outcome::Succeeded,
                },
                NodeRenewal {
                    node: name("cp2"),
                    outcome: failed,
                },
            ],
            left: vec![name("cp3")],
            silent: vec![name("cp4")],
        };
        insta::assert_snapshot!(view.text(Style::Plain), @"
        cp1: renewed, and served
        cp2: failed at verify-served: failed to see the renewed certificates served on cp2 within 120 s: etcd at port 2379 still serves serial 0a
          remedy: Restart it.
        not asked any more: cp3
        left as they are, since they do not answer: cp4; run this again when they are on
        ");
    }
}
