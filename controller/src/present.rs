//! Presenting: the only place that prints. Data goes to standard output, everything else to standard error.
//!
//! Each view is one file: it renders a fixed value as text for a person, and serializes as JSON for a program. Nothing is
//! asked or decided here. Colour only underlines what the words say already.

mod bundles;
mod certificates;
mod doctor;
mod journal;
mod members;
mod overrule;
mod problems;
mod rehearsal;
mod renewal;
mod rollout;
mod rotation;
mod status;
mod style;
mod succession;
mod table;
mod time;
mod watch;
mod words;

use std::io::{ErrorKind, IsTerminal, Write};

use serde::Serialize;

use crate::exit::Failure;

pub use bundles::{Bundles, WrittenBundle};
pub use certificates::{CertificatesView, NodeCertificates};
pub use doctor::{Checkup, DoctorView};
pub use journal::JournalView;
pub use members::MembersView;
pub use overrule::{OverrideView, Taken};
pub use problems::Verdict;
pub use rehearsal::{NodeRehearsal, RehearsalView};
pub use renewal::{NodeRenewal, RenewalView};
pub use rollout::{AgentsRun, AgentsView, GivenUpView, Live, PlanView, ReportView, Run, WishView};
pub use rotation::RotationView;
pub use status::StatusView;
pub use style::Style;
pub use succession::SuccessionView;
pub use watch::{Glance, NodeNow, OperationNow, RolloutNow};

/// What a verb shows.
pub trait View: Serialize {
    /// As text for a person; ends with a line end.
    fn text(&self, style: Style) -> String;
}

/// For whom to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Text for a person.
    #[default]
    Text,
    /// One JSON document for a program.
    Json,
}

/// Where output goes.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    format: Format,
    style: Style,
}

impl Screen {
    /// The process's own output: colour when it is a terminal and `NO_COLOR` is unset or empty (no-color.org).
    pub fn of_process(format: Format) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let terminal = std::io::stdout().is_terminal();
        Self {
            format,
            style: if terminal && !refused {
                Style::Colour
            } else {
                Style::Plain
            },
        }
    }

    /// Shows the view.
    pub fn show(self, view: &impl View) -> Result<(), Failure> {
        let text = match self.format {
            Format::Text => view.text(self.style),
            // A view is plain data with string keys: serializing it cannot fail.
            Format::Json => serde_json::to_string_pretty(view).unwrap_or_default() + "\n",
        };
        data(&text)
    }

    /// Prints a text as it is, in any format: a schema, a kubeconfig.
    pub fn raw(self, text: &str) -> Result<(), Failure> {
        data(text)
    }

    /// Whether standard error is a terminal that can be drawn on again and again.
    pub(crate) fn draws(self) -> bool {
        self.format == Format::Text && std::io::stderr().is_terminal()
    }

    /// Shows a glance after the one before: drawn anew on a terminal, else a line for each change, else one JSON document on a line
    /// where something changed. `false`: the reader is gone.
    pub fn glance(self, glance: &Glance, before: Option<&Glance>) -> Result<bool, Failure> {
        let text = match self.format {
            Format::Text if std::io::stdout().is_terminal() => {
                format!("\u{1b}[H\u{1b}[J{}", glance.screen(self.style))
            }
            Format::Text => {
                glance
                    .changes(before)
                    .iter()
                    .fold(String::new(), |mut text, change| {
                        words::line(&mut text, format_args!("{change}"));
                        text
                    })
            }
            Format::Json if glance.changes(before).is_empty() => String::new(),
            // Plain data with string keys: serializing it cannot fail.
            Format::Json => serde_json::to_string(glance).unwrap_or_default() + "\n",
        };
        written(&text)
    }

    /// Says something about the work on standard error.
    pub fn note(self, text: &str) {
        // Nobody is left to tell when standard error is gone.
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    }

    /// Says why the verb failed, cause by cause.
    pub fn failure(self, error: &dyn std::error::Error) {
        let mut text = format!("hactl-controller: {}", words::clean(&error.to_string()));
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&words::clean(&error.to_string()));
            cause = error.source();
        }
        self.note(&text);
    }
}

fn data(text: &str) -> Result<(), Failure> {
    written(text).map(drop)
}

/// Writes to standard output; `false`: nobody reads it any more.
fn written(text: &str) -> Result<bool, Failure> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        // A reader that closed the pipe has read enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(false),
        written => written
            .map(|()| true)
            .map_err(Failure::failed("write to standard output")),
    }
}
