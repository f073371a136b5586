//! Programs as functions of the world, each effect a place to cut at.

mod kubeadm;
mod kubectl;
mod packages;
mod small;
mod systemctl;

use std::fmt;
use std::sync::Arc;

use hactl_agent::host::HostError;
use hactl_node_plan::command::{Command, Output};
use hactl_proto::name::NodeName;

use crate::crash::Interrupted;
use crate::machine::Machine;
use crate::tree::Tree;
use crate::world::State;
pub use packages::etcd_of;

/// A program that a test or the demo brings along: what it does to its machine and what it says.
#[derive(Clone)]
pub struct ProgramModel(Arc<Model>);

/// What a program does to its machine, and its output.
type Model = dyn Fn(&mut Machine, &Command) -> Output + Send + Sync;

impl ProgramModel {
    /// Of a function.
    pub fn new(model: impl Fn(&mut Machine, &Command) -> Output + Send + Sync + 'static) -> Self {
        Self(Arc::new(model))
    }
}

impl fmt::Debug for ProgramModel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgramModel")
    }
}

/// One run of a program on a machine.
pub(crate) struct Run<'a> {
    pub(crate) state: &'a mut State,
    pub(crate) name: NodeName,
    /// Whether it runs in a unit of its own, which the agent's end does not touch.
    in_unit: bool,
}

/// How long a program takes on a real machine, in seconds (the lab's figures).
pub(crate) fn lasts(command: &Command) -> f64 {
    let words: Vec<&str> = command
        .arguments
        .iter()
        .take(3)
        .map(String::as_str)
        .collect();
    match (command.program.as_str(), words.as_slice()) {
        ("kubeadm", [_, "phase", "preflight", ..]) => 1.5,
        ("kubeadm", ["init" | "join", "phase", ..]) => 0.5,
        ("kubeadm", ["init", ..]) => 8.0,
        ("kubeadm", ["join", ..]) => 9.0,
        ("kubeadm", ["reset", ..]) => 3.0,
        ("kubeadm", ["certs", ..]) => 1.0,
        ("kubeadm", ["upgrade", ..]) => 60.0,
        ("apt-get" | "dpkg", _) => 5.0,
        ("kubeadm" | "kubectl", _) => 0.1,
        _ => 0.02,
    }
}

impl<'a> Run<'a> {
    pub(crate) fn new(state: &'a mut State, name: NodeName, in_unit: bool) -> Self {
        Self {
            state,
            name,
            in_unit,
        }
    }

    /// Runs the program to its end.
    pub(crate) fn program(
        &mut self,
        command: &Command,
    ) -> Result<Result<Output, HostError>, Interrupted> {
        let Some((from, to)) = &command.bind else {
            return self.unbound(command);
        };
        self.tree().swap(from, to);
        let done = self.unbound(command);
        self.tree().swap(from, to);
        done
    }

    fn unbound(&mut self, command: &Command) -> Result<Result<Output, HostError>, Interrupted> {
        if let Some(model) = self.state.programs.get(&command.program).cloned() {
            return Ok(Ok((model.0)(self.machine(), command)));
        }
        let output = match command.program.as_str() {
            "kubeadm" => self.kubeadm(command)?,
            staged if staged.ends_with("/kubeadm") => self.staged_kubeadm(command),
            "apt-cache" | "apt-get" | "apt-mark" | "dpkg" | "dpkg-query" | "dpkg-deb" | "mkdir"
            | "ctr" => self.packages(command)?,
            "kubectl" => self.kubectl(command),
            "systemctl" => self.systemctl(command),
            "ip" | "kubelet" | "haproxy" | "keepalived" | "true" | "journalctl" | "ln" | "sync" => {
                self.small(command)
            }
            program => {
                return Ok(Err(HostError::Start {
                    program: program.to_owned(),
                    source: std::io::Error::from(std::io::ErrorKind::NotFound),
                }));
            }
        };
        Ok(Ok(output))
    }

    /// A place to cut at: the effects before are there, those after are not.
    pub(crate) fn place(&mut self, what: &str) -> Result<(), Interrupted> {
        let (name, in_unit) = (self.name.clone(), self.in_unit);
        self.state.pass(&name, what, in_unit)
    }

    pub(crate) fn machine(&mut self) -> &mut Machine {
        self.state
            .machines
            .entry(self.name.clone())
            .or_insert_with(|| {
                // A run is only made of a machine that exists.
                Machine::new("lost", std::net::IpAddr::from([0, 0, 0, 0]), "v0.0.0")
            })
    }

    pub(crate) fn tree(&mut self) -> &mut Tree {
        &mut self.machine().tree
    }
}

/// A program's words and exit status 0.
pub(crate) fn said(text: impl Into<String>) -> Output {
    Output {
        status: Some(0),
        stdout: text.into(),
        stderr: String::new(),
    }
}

/// A failure and its words.
pub(crate) fn failed(words: impl Into<String>) -> Output {
    Output {
        status: Some(1),
        stdout: String::new(),
        stderr: words.into(),
    }
}

/// The value after `--name`, or in `--name=value`.
pub(crate) fn flag<'a>(command: &'a Command, name: &str) -> Option<&'a str> {
    let arguments = &command.arguments;
    arguments.iter().enumerate().find_map(|(at, word)| {
        let rest = word.strip_prefix(name)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(value),
            None if rest.is_empty() => arguments.get(at + 1).map(String::as_str),
            None => None,
        }
    })
}
