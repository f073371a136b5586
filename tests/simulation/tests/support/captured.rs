//! What real programs said, section by section, beside what the models say.

use std::collections::BTreeMap;

use hactl_agent::host::Host as _;
use hactl_node_plan::command::{Command, Output};
use hactl_simulation::SimulatedHost;

/// The sections of a captured file by their names.
pub(crate) fn captured(text: &str) -> BTreeMap<String, Output> {
    let mut sections: BTreeMap<String, Output> = BTreeMap::new();
    // A line of its own begins a section: answers may hold the same characters.
    for section in format!("\n{text}").split("\n== ").skip(1) {
        let (name, rest) = section.split_once('\n').unwrap();
        let (status, rest) = rest.split_once("\n-- stdout\n").unwrap();
        let (stdout, stderr) = rest.split_once("-- stderr").unwrap();
        let output = Output {
            status: status.strip_prefix("status ").unwrap().parse().ok(),
            stdout: stdout.to_owned(),
            stderr: stderr.trim_start_matches('\n').to_owned(),
        };
        sections.insert(name.to_owned(), output);
    }
    sections
}

/// The model's answer beside the real one.
pub(crate) struct Pair {
    pub(crate) real: Output,
    pub(crate) model: Output,
}

/// Both succeed or both fail.
pub(crate) async fn pair(
    host: &SimulatedHost,
    real: &BTreeMap<String, Output>,
    name: &str,
    command: Command,
) -> Pair {
    let model = host.run(&command).await.unwrap();
    let real = real[name].clone();
    assert_eq!(
        model.success(),
        real.success(),
        "{name}: {model:?} {real:?}"
    );
    Pair { real, model }
}

impl Pair {
    /// What the agent makes of it is the same.
    pub(crate) fn read_the_same<T: PartialEq + std::fmt::Debug>(
        &self,
        read: impl Fn(&Output) -> T,
    ) {
        assert_eq!(read(&self.model), read(&self.real), "{:?}", self.model);
    }
}
