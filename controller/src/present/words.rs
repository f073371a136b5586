//! Words that several views share, and texts from afar made safe to show.

use std::fmt::{self, Write};

use hactl_proto::finding::Severity;
use hactl_proto::health::ComponentHealth;
use hactl_proto::member::MemberState;
use hactl_proto::name::NodeName;

use super::style::Tone;

/// On one line, without control characters.
pub(crate) fn clean(text: &str) -> String {
    let text = text.trim_end();
    if !text.contains(char::is_control) {
        return text.to_owned();
    }
    let lines = text.lines().map(|line| {
        let shown = |c: char| {
            if c.is_control() {
                c.escape_default().collect()
            } else {
                c.to_string()
            }
        };
        line.trim_end().chars().map(shown).collect::<String>()
    });
    lines.collect::<Vec<_>>().join(" / ")
}

/// At most that many characters, for where one line is all the room.
pub(crate) fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars()
        .take(most.saturating_sub(1))
        .chain(['…'])
        .collect()
}

pub(crate) fn component(health: ComponentHealth) -> (&'static str, Tone) {
    match health {
        ComponentHealth::Unknown => ("unknown", Tone::Doubtful),
        ComponentHealth::Absent => ("-", Tone::Faint),
        ComponentHealth::Healthy => ("healthy", Tone::Good),
        ComponentHealth::Unhealthy => ("unhealthy", Tone::Bad),
    }
}

pub(crate) fn member(state: MemberState) -> (&'static str, Tone) {
    match state {
        MemberState::Alive => ("alive", Tone::Good),
        MemberState::Suspect => ("suspect", Tone::Doubtful),
        MemberState::Down => ("down", Tone::Bad),
    }
}

pub(crate) fn severity(severity: Severity) -> (&'static str, Tone) {
    match severity {
        Severity::Warning => ("warning", Tone::Doubtful),
        Severity::Refusal => ("error", Tone::Bad),
    }
}

pub(crate) fn names<'a>(nodes: impl IntoIterator<Item = &'a NodeName>) -> String {
    nodes
        .into_iter()
        .map(NodeName::as_str)
        .collect::<Vec<_>>()
        .join(", ")
}

/// A number of things: `1 error`, `2 errors`.
pub(crate) fn count(number: usize, thing: &str) -> String {
    format!("{number} {thing}{}", if number == 1 { "" } else { "s" })
}

/// Adds a line.
pub(crate) fn line(text: &mut String, line: fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(text, "{line}");
}
