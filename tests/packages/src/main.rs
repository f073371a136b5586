//! Builds the packages of agent and controller: debs by cargo-deb, rpms by cargo-generate-rpm, from one list of files.
//!
//! `just package` builds; `just packages-check` holds the two against each other and tries the deb in a root file system.

mod assets;
mod build;
mod check;

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
    /// Check that deb and rpm hold the same files, and install, upgrade and remove the deb (root) in a scratch root.
    Check,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().verb {
        Verb::Build => build::all(),
        Verb::Check => check::all(),
    }
}
