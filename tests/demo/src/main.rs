//! hactl-demo: five agents boot themselves into a cluster before one's eyes, on loopback, without root.
//!
//! The agents are the product's own: real sockets, real mutual TLS, real gossip, real journals in a temporary folder. Only the
//! machines under them are simulated (`hactl-simulation`): no kubeadm runs, nothing of this host is touched.

mod fleet;
mod picture;
mod spec;
mod story;

use std::process::ExitCode;

use clap::Parser;

/// Watch five hactl agents in three zones make themselves a (simulated) Kubernetes cluster
#[derive(Debug, Parser)]
#[command(name = "hactl-demo", version)]
pub(crate) struct Cli {
    /// How long simulated programs take: 1 is about as long as real ones, 0.2 a fifth of it
    #[arg(long, default_value_t = 0.4, value_name = "FACTOR", value_parser = pace)]
    pace: f64,
    /// TCP and UDP port of the agents, on loopback addresses of their own
    #[arg(long, default_value_t = 7480)]
    port: u16,
    /// Let the agents say what they log, on standard error
    #[arg(long)]
    log: bool,
}

fn pace(text: &str) -> Result<f64, String> {
    let factor = text
        .parse()
        .ok()
        .filter(|factor| (0.0..=10.0).contains(factor));
    factor.ok_or_else(|| "a number from 0 to 10 is wanted".to_owned())
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    println!(
        "SIMULATED: five real hactl agents over simulated machines; no Kubernetes runs, nothing of this host is changed."
    );
    if cli.log {
        hactl_agent::log::start();
    }
    match story::tell(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("hactl-demo: {error:#}");
            ExitCode::FAILURE
        }
    }
}
