//! systemctl: services of the machine and transient units.

use hactl_node_plan::command::{Command, Output};
use tokio::time::Instant;

use super::{Run, failed, said};
use crate::boot::guard;

impl Run<'_> {
    pub(super) fn systemctl(&mut self, command: &Command) -> Output {
        let words: Vec<&str> = command
            .arguments
            .iter()
            .map(String::as_str)
            .filter(|word| !word.starts_with("--"))
            .collect();
        let now = command.arguments.iter().any(|word| word == "--now");
        let Some((verb, units)) = words.split_first() else {
            return failed("systemctl: a verb is wanted");
        };
        if *verb == "list-units" {
            return said(self.running_units());
        }
        let mut text = String::new();
        let mut output = said("");
        for unit in units {
            let name = unit.trim_end_matches(".service").to_owned();
            match *verb {
                "show" => text.push_str(&self.show(&name)),
                "is-active" | "is-enabled" => {
                    let service = self
                        .machine()
                        .services
                        .get(&name)
                        .copied()
                        .unwrap_or_default();
                    let (holds, yes, no) = if *verb == "is-active" {
                        (service.active, "active\n", "inactive\n")
                    } else {
                        (service.enabled, "enabled\n", "disabled\n")
                    };
                    text.push_str(if holds { yes } else { no });
                    output.status = Some(if holds { 0 } else { 3 });
                }
                _ if !self.machine().services.contains_key(&name) => {
                    return failed(format!("Unit {name}.service not found.\n"));
                }
                verb => self.change(&name, verb, now),
            }
        }
        output.stdout = text;
        output
    }

    fn change(&mut self, name: &str, verb: &str, now: bool) {
        let service = self.machine().service(name);
        match verb {
            "enable" => service.enabled = true,
            "disable" | "mask" => service.enabled = false,
            _ => {}
        }
        let starts =
            matches!(verb, "start" | "restart" | "reload-or-restart") || (verb == "enable" && now);
        let stops = verb == "stop" || (matches!(verb, "disable" | "mask") && now);
        if starts {
            service.active = true;
        } else if stops {
            service.active = false;
        }
        if starts {
            // What begins takes its files up anew.
            self.machine().took.remove(name);
        }
        if starts && name == "kubelet" {
            let machine = self.machine();
            machine.kubelet_running.clone_from(&machine.kubelet);
            machine.heard_api = None;
            guard(self.machine());
        }
    }

    fn show(&mut self, name: &str) -> String {
        match self.machine().services.get(name) {
            None => "LoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n"
                .to_owned(),
            Some(service) => format!(
                "LoadState=loaded\nActiveState={}\nSubState={}\nUnitFileState={}\n",
                if service.active { "active" } else { "inactive" },
                if service.active { "running" } else { "dead" },
                if service.enabled {
                    "enabled"
                } else {
                    "disabled"
                },
            ),
        }
    }

    /// Units as `list-units --plain --no-legend` shows them.
    fn running_units(&mut self) -> String {
        let now = Instant::now();
        let shown = self.machine().units.iter().map(|(name, unit)| {
            let state = if unit.ends > now {
                "activating start"
            } else {
                "active exited"
            };
            format!("{name}.service loaded {state} hactl\n")
        });
        shown.collect()
    }
}
