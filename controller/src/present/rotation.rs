//! `certs rotate-ca`: where it ended, and what comes next.

use hactl_proto::report::Outcome;
use hactl_proto::rotation::{Authority, Stage};
use serde::Serialize;
use serde::ser::{SerializeMap, Serializer};

use super::View;
use super::doctor::entry;
use super::style::{Style, Tone};
use super::words;
use crate::exit::Exit;
use crate::rotation::End;

/// The end of a run.
#[derive(Debug, Clone)]
pub struct RotationView {
    /// Of which CA.
    pub authority: Authority,
    /// How it ended.
    pub end: End,
}

impl RotationView {
    /// With which code the verb ends.
    pub const fn exit(&self) -> Exit {
        match &self.end {
            End::Done(_) | End::Confirm { .. } => Exit::Done,
            End::Refused(_)
            | End::Stopped {
                outcome: Outcome::Refused { .. },
                ..
            } => Exit::Refused,
            End::Stopped { .. } => Exit::Failed,
            End::Lost(_) => Exit::Partial,
        }
    }
}

impl Serialize for RotationView {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("authority", &self.authority)?;
        match &self.end {
            End::Done(only) => {
                map.serialize_entry("end", "done")?;
                map.serialize_entry("inForce", only)?;
            }
            End::Confirm { stage, from, to } => {
                map.serialize_entry("end", "confirm")?;
                map.serialize_entry("next", stage)?;
                map.serialize_entry("from", from)?;
                map.serialize_entry("to", to)?;
            }
            End::Refused(findings) => {
                map.serialize_entry("end", "refused")?;
                map.serialize_entry("findings", findings)?;
            }
            End::Stopped {
                node,
                stage,
                outcome,
            } => {
                map.serialize_entry("end", "stopped")?;
                map.serialize_entry("node", node)?;
                map.serialize_entry("stage", stage)?;
                map.serialize_entry("outcome", outcome)?;
            }
            End::Lost(reason) => {
                map.serialize_entry("end", "lost")?;
                map.serialize_entry("reason", reason)?;
            }
        }
        map.end()
    }
}

impl View for RotationView {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        let authority = style.paint(Tone::Head, self.authority.word());
        match &self.end {
            End::Done(only) => {
                let word = style.paint(Tone::Good, "in force alone");
                words::line(
                    &mut text,
                    format_args!("{authority}: the CA {only} is {word}"),
                );
            }
            End::Confirm {
                stage: Stage::Reissue,
                from,
                to,
            } => {
                let word = style.paint(Tone::Good, "the whole cluster believes the CA");
                words::line(
                    &mut text,
                    format_args!(
                        "{authority}: {word} {to} beside {from}, which is presented still"
                    ),
                );
                words::line(
                    &mut text,
                    format_args!(
                        "  give clients outside of the cluster a kubeconfig of now (`hactl-controller kubeconfig`), then --reissue; --abort \
                         goes back"
                    ),
                );
            }
            End::Confirm { from, to, .. } => {
                let word = style.paint(Tone::Good, "everything presented is of the CA");
                words::line(
                    &mut text,
                    format_args!("{authority}: {word} {to}; {from} is believed still"),
                );
                words::line(
                    &mut text,
                    format_args!("  --finish gives {from} up, for good; --abort goes back to it"),
                );
                if self.authority == Authority::Kubernetes {
                    words::line(
                        &mut text,
                        format_args!(
                            "  clients outside of the cluster need a kubeconfig of now before: theirs is of {from}"
                        ),
                    );
                }
            }
            End::Refused(findings) => {
                let word = style.paint(Tone::Bad, "refused, nothing was changed");
                words::line(&mut text, format_args!("{authority}: {word}"));
                for finding in findings {
                    text.push_str(&entry(finding, style));
                }
            }
            End::Stopped {
                node,
                stage,
                outcome,
            } => stopped(&mut text, style, (node.as_str(), stage.word()), outcome),
            End::Lost(reason) => {
                let word = style.paint(Tone::Bad, "no end is known");
                let reason = words::clean(reason);
                words::line(&mut text, format_args!("{authority}: {word}: {reason}"));
                words::line(&mut text, format_args!("  the same again goes on"));
            }
        }
        text
    }
}

fn stopped(text: &mut String, style: Style, (node, stage): (&str, &str), outcome: &Outcome) {
    let node = style.paint(Tone::Head, node);
    match outcome {
        Outcome::Refused { findings } => {
            let word = style.paint(Tone::Bad, "refused");
            words::line(text, format_args!("{node}: {word} in the stage {stage}"));
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
            let error = words::clean(error);
            words::line(
                text,
                format_args!("{node}: {word} in the stage {stage} at {step}: failed to {error}"),
            );
            words::line(text, format_args!("  remedy: {}", words::clean(remedy)));
        }
        Outcome::Succeeded => {}
    }
}

#[cfg(test)]
mod tests {
    use hactl_proto::name::NodeName;
    use hactl_proto::rotation::Fingerprint;

    use super::*;

    #[test]
    fn the_operator_is_told_what_can_be_said_next_and_what_failed() {
        let ca = |letter: &str| Fingerprint::new(&letter.repeat(64)).unwrap();
        let view = |end| RotationView {
            authority: Authority::Etcd,
            end,
        };
        let confirm = view(End::Confirm {
            stage: Stage::Distrust,
            from: ca("a"),
            to: ca("b"),
        });
        insta::assert_snapshot!(confirm.text(Style::Plain), @r"
        etcd: everything presented is of the CA bbbbbbbbbbbb; aaaaaaaaaaaa is believed still
          --finish gives aaaaaaaaaaaa up, for good; --abort goes back to it
        ");
        let failed = view(End::Stopped {
            node: NodeName::new("cp2").unwrap(),
            stage: Stage::Trust,
            outcome: Outcome::Failed {
                step: "others-well".to_owned(),
                error: "have its turn: cp3 is not Ready".to_owned(),
                done: Vec::new(),
                remedy: "Bring it up.".to_owned(),
            },
        });
        insta::assert_snapshot!(failed.text(Style::Plain), @r"
        cp2: failed in the stage trust at others-well: failed to have its turn: cp3 is not Ready
          remedy: Bring it up.
        ");
        assert_eq!((confirm.exit(), failed.exit()), (Exit::Done, Exit::Failed));
    }
}
