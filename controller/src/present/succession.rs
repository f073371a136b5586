//! `certs rotate-gossip-key` and the rotation of hactl's own CA: where it ended, and what comes next.

use std::collections::BTreeMap;

use hactl_proto::name::NodeName;
use hactl_proto::rotation::Fingerprint;
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::View;
use super::doctor::entry;
use super::style::{Style, Tone};
use super::words;
use crate::exit::Exit;
use crate::succession::End;

/// The end of a run.
#[derive(Debug, Clone)]
pub struct SuccessionView {
    /// Of what.
    pub of: &'static str,
    /// How it ended.
    pub end: End,
    /// Nodes that the operator left out.
    pub without: Vec<NodeName>,
    /// A person's names; of what has none the fingerprint is shown.
    pub names: BTreeMap<Fingerprint, String>,
}

impl SuccessionView {
    /// With which code the verb ends.
    pub const fn exit(&self) -> Exit {
        match &self.end {
            End::Done(_) | End::Confirm { .. } => Exit::Done,
            End::HeldUp { begun: false, .. } => Exit::Refused,
            End::HeldUp { .. } | End::Lost(_) => Exit::Partial,
        }
    }
}

impl Serialize for SuccessionView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("of", self.of)?;
        map.serialize_entry("without", &self.without)?;
        match &self.end {
            End::Done(only) => {
                map.serialize_entry("end", "done")?;
                map.serialize_entry("inForce", only)?;
            }
            End::Confirm { from, to } => {
                map.serialize_entry("end", "confirm")?;
                map.serialize_entry("from", from)?;
                map.serialize_entry("to", to)?;
            }
            End::HeldUp { begun, findings } => {
                map.serialize_entry("end", "held-up")?;
                map.serialize_entry("changed", begun)?;
                map.serialize_entry("findings", findings)?;
            }
            End::Lost(reasons) => {
                map.serialize_entry("end", "lost")?;
                map.serialize_entry("reasons", reasons)?;
            }
        }
        map.end()
    }
}

impl View for SuccessionView {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let of = style.paint(Tone::Head, self.of);
        let name = |one: &Fingerprint| match self.names.get(one) {
            Some(name) => format!("{name} ({one})"),
            None => one.to_string(),
        };
        match &self.end {
            End::Done(only) => {
                let word = style.paint(Tone::Good, "in force alone");
                words::line(&mut text, format_args!("{of}: {} is {word}", name(only)));
                words::line(
                    &mut text,
                    format_args!(
                        "  bundles made before are out of date: `hactl-controller bundle` makes them anew"
                    ),
                );
            }
            End::Confirm { from, to } => {
                let (from, to) = (name(from), name(to));
                let word = style.paint(Tone::Good, "every node uses");
                words::line(
                    &mut text,
                    format_args!("{of}: {word} {to}; {from} is believed still"),
                );
                words::line(
                    &mut text,
                    format_args!("  --finish gives {from} up, for good; --abort goes back to it"),
                );
            }
            End::HeldUp { begun, findings } => {
                let changed = if *begun {
                    "held up; who answers has had its orders, the same again goes on"
                } else {
                    "held up, nothing was changed"
                };
                let word = style.paint(Tone::Bad, changed);
                words::line(&mut text, format_args!("{of}: {word}"));
                for finding in findings {
                    text.push_str(&entry(finding, style));
                }
            }
            End::Lost(reasons) => {
                let word = style.paint(Tone::Bad, "no end is known");
                words::line(&mut text, format_args!("{of}: {word}"));
                for reason in reasons {
                    words::line(&mut text, format_args!("  {}", words::clean(reason)));
                }
                words::line(&mut text, format_args!("  the same again goes on"));
            }
        }
        for node in &self.without {
            words::line(
                &mut text,
                format_args!(
                    "  {node} was left out: should it come up, it needs a bundle made anew"
                ),
            );
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use hactl_proto::finding::Finding;

    use super::*;

    #[test]
    fn the_operator_is_told_what_can_be_said_next_and_who_holds_it_up() {
        let key = |letter: &str| Fingerprint::new(&letter.repeat(64)).unwrap();
        let view = |end, without| SuccessionView {
            of: "gossip key",
            end,
            without,
            names: BTreeMap::from([(key("a"), "1".to_owned())]),
        };
        let confirm = view(
            End::Confirm {
                from: key("a"),
                to: key("b"),
            },
            vec![NodeName::new("w9").unwrap()],
        );
        insta::assert_snapshot!(confirm.text(Style::Plain), @r"
        gossip key: every node uses bbbbbbbbbbbb; 1 (aaaaaaaaaaaa) is believed still
          --finish gives 1 (aaaaaaaaaaaa) up, for good; --abort goes back to it
          w9 was left out: should it come up, it needs a bundle made anew
        ");
        let finding = Finding::refusal("rotation-nodes-known", "w1 does not answer", "it", "Do.");
        let held_up = |begun| {
            view(
                End::HeldUp {
                    begun,
                    findings: vec![finding.clone()],
                },
                Vec::new(),
            )
        };
        let text = held_up(true).text(Style::Plain);
        assert!(
            text.contains("w1 does not answer") && text.contains("goes on"),
            "{text}"
        );
        assert_eq!(
            (confirm.exit(), held_up(false).exit(), held_up(true).exit()),
            (Exit::Done, Exit::Refused, Exit::Partial)
        );
    }
}
