//! What happens to commands: they fail, hang, or say that they did what they did not.

use hactl_node_plan::command::{Command, Output};

use crate::program::failed;

/// What happens to one command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mishap {
    /// It fails and has done nothing.
    Fails,
    /// It fails and has done everything.
    FailsAfter,
    /// It hangs until its limit and has done nothing.
    Hangs,
    /// It hangs until its limit and has done everything.
    HangsAfter,
    /// It says that it succeeded and has done nothing. Programs that are asked something fail instead: their answers are data.
    Lies,
}

impl Mishap {
    /// Whether the command has its effects all the same.
    pub(crate) const fn acts(self) -> bool {
        matches!(self, Self::FailsAfter | Self::HangsAfter)
    }

    /// What the command says; `None`: it hangs.
    pub(crate) fn says(self, command: &Command) -> Option<Output> {
        match self {
            Self::Hangs | Self::HangsAfter => None,
            Self::Lies if acts_only(command) => Some(Output {
                status: Some(0),
                ..Output::default()
            }),
            Self::Fails | Self::FailsAfter | Self::Lies => Some(failed("simulated: it failed\n")),
        }
    }
}

/// Whether only the effects of a command count, not its words.
fn acts_only(command: &Command) -> bool {
    let words: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
    let has = |word: &str| words.contains(&word);
    match command.program.as_str() {
        "kubeadm" => matches!(
            words.first(),
            Some(&("init" | "join" | "upgrade" | "reset"))
        ),
        "apt-get" => !has("--print-uris"),
        "apt-mark" | "dpkg-deb" => true,
        "kubectl" => [
            "patch", "drain", "delete", "label", "apply", "create", "replace",
        ]
        .iter()
        .any(|verb| has(verb)),
        "systemctl" => has("restart") || has("start") || has("enable") || has("stop"),
        _ => false,
    }
}
