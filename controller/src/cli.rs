//! The command line: one file a verb, and what all verbs share.

mod schema;
mod spec_file;
mod validate;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

use crate::exit::{Exit, Failure, TABLE};
use crate::present::{Format, Screen};

/// Keeps kubeadm clusters highly available: makes their bundles, and says how they are.
#[derive(Debug, Parser)]
#[command(name = "hactl-controller", version, after_help = TABLE, max_term_width = 110)]
struct Arguments {
    #[command(flatten)]
    common: Common,
    #[command(subcommand)]
    verb: Verb,
}

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
        value_name = "FORMAT"
    )]
    output: Format,
    /// The cluster's state folder [default: $XDG_STATE_HOME/hactl/CLUSTER, else ~/.local/state/hactl/CLUSTER]
    #[arg(
        long,
        global = true,
        value_name = "DIR",
        env = "HACTL_STATE",
        hide_env_values = true
    )]
    state: Option<PathBuf>,
    /// The cluster, where several have a state folder
    #[arg(
        long,
        global = true,
        value_name = "NAME",
        env = "HACTL_CLUSTER",
        hide_env_values = true
    )]
    cluster: Option<String>,
    /// How long one node may take to answer, in seconds
    #[arg(long, global = true, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    limit: u64,
}

impl Common {
    fn limit(&self) -> Duration {
        Duration::from_secs(self.limit)
    }
}

#[derive(Debug, Subcommand)]
enum Verb {
    Validate(validate::Validate),
    Schema(schema::Schema),
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
    match arguments.verb {
        Verb::Validate(verb) => verb.run(screen),
        Verb::Schema(verb) => Ok(verb.run(screen)),
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
