//! Builds the packages of agent and controller: debs by cargo-deb, rpms by cargo-generate-rpm, from one list of files.
//!
//! `just package` builds, `just package-next` the same under the version to come; `just packages-check` holds the two against each other and tries the deb in a root file system.

mod assets;
mod build;
mod check;
mod dnf;
mod next;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(about = "Builds and checks hactl's deb and rpm packages")]
struct Arguments {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Build all packages into out/packages from the release binaries.
    Build,
    /// Run what the agent runs on nodes with dnf against the real dnf and rpm (root), in a scratch root.
    Dnf,
    /// Build the same sources under the next version into out/next, to upgrade agents to.
    Next,
    /// Check that deb and rpm hold the same files, and install, upgrade and remove the deb (root) in a scratch root.
    Check,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().verb {
        Verb::Build => build::all(),
        Verb::Dnf => dnf::all(),
        Verb::Next => next::all(),
        Verb::Check => check::all(),
    }
}
