//! A command as data: what to run, never how. There is no shell string anywhere.
//!
//! systemd, apt, kubeadm and kubectl are functions that return a [`Command`], so a fake host is one table.

use std::time::Duration;

use hactl_proto::secret::Secret;

/// A program with its arguments, what it reads, and how long it may take. Arguments are visible to every process of the
/// node: a secret goes through [`Input::Secret`] or a file on tmpfs, never here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// Looked up in the PATH of the system.
    pub program: String,
    /// The arguments, each one word.
    pub arguments: Vec<String>,
    /// Standard input.
    pub input: Input,
    /// After that long it is killed and counts as failed.
    pub limit: Duration,
    /// `Some`: run as this transient systemd unit, which outlives the agent and is found again by its name.
    pub unit: Option<String>,
    /// `Some((from, to))`: in that unit the folder `to` is the folder `from`. A system that can't do that does not run it.
    pub bind: Option<(String, String)>,
    /// Whether its output holds a secret (a join token): then it is kept in memory and in no log.
    pub secret_output: bool,
}

/// What a command reads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Nothing.
    Empty,
    /// A text.
    Text(String),
    /// A text that no log may show.
    Secret(Secret),
}

/// What a command gave.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Exit status; `None` when a signal ended it.
    pub status: Option<i32>,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Command {
    /// A command with no input and a limit of 30 seconds.
    pub fn new<I, S>(program: &str, arguments: I) -> Self
    where
        I: IntoIterator<Item = S>,
        S: Into<String>,
    {
        Self {
            program: program.to_owned(),
            arguments: arguments.into_iter().map(Into::into).collect(),
            input: Input::Empty,
            limit: Duration::from_secs(30),
            unit: None,
            bind: None,
            secret_output: false,
        }
    }

    /// With this on standard input.
    #[must_use]
    pub fn input(mut self, input: Input) -> Self {
        self.input = input;
        self
    }

    /// With this limit.
    #[must_use]
    pub fn limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// As a transient systemd unit of this name.
    #[must_use]
    pub fn unit(mut self, name: impl Into<String>) -> Self {
        self.unit = Some(name.into());
        self
    }

    /// As a transient systemd unit of this name, in which the folder `to` is the folder `from`.
    #[must_use]
    pub fn unit_with_bind(mut self, name: impl Into<String>, from: &str, to: &str) -> Self {
        self.unit = Some(name.into());
        self.bind = Some((from.to_owned(), to.to_owned()));
        self
    }

    /// Its output holds a secret.
    #[must_use]
    pub fn secret_output(mut self) -> Self {
        self.secret_output = true;
        self
    }

    /// The command as an operator would type it, for messages.
    pub fn line(&self) -> String {
        let mut line = self.program.clone();
        for argument in &self.arguments {
            line.push(' ');
            line.push_str(argument);
        }
        line
    }
}

impl Output {
    /// Whether it exited with 0. For kubeadm that is never enough: look at the state (kubeadm.md 2.1.1).
    pub fn success(&self) -> bool {
        self.status == Some(0)
    }
}
