//! The command line: one file a verb, and what all verbs share.

mod agents;
mod bundle;
mod certs;
mod doctor;
mod grant;
mod init;
mod issue;
mod journal;
mod kubeconfig;
mod members;
mod schema;
mod session;
mod spec_file;
mod status;
mod upgrade;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};
use hactl_proto::name::NodeName;

use crate::exit::{Exit, Failure, TABLE};
use crate::present::{Format, Screen};
use crate::state::Places;
use crate::trust::OPERATOR;

/// Keeps kubeadm clusters highly available: makes their bundles, and says how they are.
#[derive(Debug, Parser)]
#[command(name = "hactl-controller", version, after_help = TABLE, max_term_width = 110)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

/// What every verb takes stands apart from what one takes.
const EVERYWHERE: &str = "Options of every verb";

/// What all verbs take.
#[derive(Debug, Clone, Args)]
struct Common {
    /// Text for a person, or one JSON document for a program
    #[arg(
        short,
        long,
        value_enum,
        default_value_t,
        global = true,
        help_heading = EVERYWHERE,
        value_name = "FORMAT"
    )]
    output: Format,
    /// The cluster's state folder [default: $XDG_STATE_HOME/hactl/CLUSTER, else ~/.local/state/hactl/CLUSTER]
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        value_name = "DIR",
        env = "HACTL_STATE",
        hide_env_values = true
    )]
    state: Option<PathBuf>,
    /// The cluster, where several have a state folder
    #[arg(
        long,
        global = true,
        help_heading = EVERYWHERE,
        value_name = "NAME",
        env = "HACTL_CLUSTER",
        hide_env_values = true
    )]
    cluster: Option<String>,
    /// Whose certificate to show: the operator's, or a viewer's
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "NAME", default_value = OPERATOR)]
    person: NodeName,
    /// How long one node may take to answer, in seconds
    #[arg(long, global = true, help_heading = EVERYWHERE, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    limit: u64,
}

impl Common {
    fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }

    fn places(&self) -> Places {
        let folder = |name: &str| {
            std::env::var_os(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Places {
            named: self.state.clone(),
            cluster: self.cluster.clone(),
            base: Places::base_of(folder("XDG_STATE_HOME"), folder("HOME")),
        }
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    Init(init::Init),
    Validate(validate::Validate),
    Schema(schema::Schema),
    Bundle(bundle::Bundle),
    Status(status::Status),
    Members(members::Members),
    Doctor(doctor::Doctor),
    Certs(certs::Certs),
    Kubeconfig(kubeconfig::Kubeconfig),
    Journal(journal::Journal),
    Grant(grant::Grant),
    Upgrade(upgrade::Upgrade),
    Resume(upgrade::Resume),
    Pause(upgrade::Pause),
    Abort(upgrade::Abort),
}

/// Reads the arguments, does the verb, and ends with its exit code.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // clap prints help to standard output, and what does not fit to standard error.
            let fits = !error.use_stderr();
            let printed = error.print();
            return if fits && printed.is_ok() {
                Exit::Done
            } else {
                Exit::Usage
            }
            .into();
        }
    };
    let screen = Screen::of_process(arguments.common.output);
    let exit = run(arguments, screen).unwrap_or_else(|failure| {
        screen.failure(&failure);
        failure.exit()
    });
    exit.into()
}

fn run(arguments: Arguments, screen: Screen) -> Result<Exit, Failure> {
    let common = &arguments.common;
    match arguments.verb {
        Verb::Init(verb) => verb.run(common, screen),
        Verb::Validate(verb) => verb.run(screen),
        Verb::Schema(verb) => verb.run(screen),
        Verb::Bundle(verb) => verb.run(common, screen),
        Verb::Status(verb) => verb.run(common, screen),
        Verb::Members(verb) => verb.run(common, screen),
        Verb::Doctor(verb) => verb.run(common, screen),
        Verb::Certs(verb) => verb.run(common, screen),
        Verb::Kubeconfig(verb) => verb.run(common, screen),
        Verb::Journal(verb) => verb.run(common, screen),
        Verb::Grant(verb) => verb.run(common, screen),
        Verb::Upgrade(verb) => verb.run(common, screen),
        Verb::Resume(verb) => verb.run(common, screen),
        Verb::Pause(verb) => verb.run(common, screen),
        Verb::Abort(verb) => verb.run(common, screen),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent_and_every_verb_shows_an_example() {
        let command = Arguments::command();
        command.clone().debug_assert();
        for verb in command.get_subcommands() {
            let after = verb
                .get_after_help()
                .map(ToString::to_string)
                .unwrap_or_default();
            assert!(
                after.contains(&format!("hactl-controller {}", verb.get_name())),
                "{}",
                verb.get_name()
            );
        }
    }

    #[test]
    fn help_tells_the_exit_codes() {
        assert!(
            Arguments::command()
                .render_help()
                .to_string()
                .contains(TABLE)
        );
    }
}
