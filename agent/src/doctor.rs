//! `hactl-agent doctor`: the prerequisites of this node, without a daemon, and changed only when told to.
//!
//! What peers tell one another (clones, clocks) needs the daemon; everything else is checked as it would be.

mod present;
#[cfg(test)]
mod tests;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hactl_node_plan::facts::Known;
use hactl_node_plan::prerequisite::{PeerFacts, Requirements, check_all, mend_all};
use hactl_proto::finding::{CheckMode, Finding, Severity};
use hactl_proto::prerequisite::Check;
use hactl_proto::role::NodeRole;
use serde::Serialize;

use crate::bundle::{self, BundleError};
use crate::execute::{Mender, StepError};
use crate::host::{Host, RealHost};

use crate::inspect::machine::MachineInspector;
use crate::paths::Paths;

/// Something refuses: an init or a join would be refused for it.
const REFUSES: u8 = 3;
/// A package that is installed brings a configuration of its own, which is mended in the next round.
const ROUNDS: usize = 3;

/// Checks this node's prerequisites and says what to do about each that does not hold.
///
/// Exit status: 0 when nothing refuses, 3 when something does, 1 when the node could not be checked or mended.
#[derive(Debug, Clone, clap::Args)]
#[command(
    after_help = "Example: hactl-agent doctor --role control-plane\n         hactl-agent doctor --fix -o json"
)]
pub struct DoctorArgs {
    /// How to print.
    #[arg(short, long, value_enum, default_value_t = Format::Table)]
    output: Format,
    /// Put right what can be put right, as the daemon would; without it nothing is changed.
    #[arg(long)]
    fix: bool,
    /// What the node is to be, where there is no bundle.
    #[arg(long, value_enum, default_value_t = Role::ControlPlane)]
    role: Role,
    /// The bundle, whose spec says what to check; without one, what any node of the role needs for the installed kubeadm.
    #[arg(long, value_name = "FILE")]
    bundle: Option<PathBuf>,
}

/// How to print.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Format {
    /// For people.
    #[value(alias = "text")]
    Table,
    /// For programs.
    Json,
}

/// What the node is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Role {
    /// etcd and the API server.
    ControlPlane,
    /// Workloads only.
    Worker,
}

/// Why the node could not be checked.
#[derive(Debug, thiserror::Error)]
pub enum DoctorError {
    /// The bundle could not be read; nothing was changed.
    #[error("read the bundle")]
    Bundle(#[from] BundleError),
    /// A step of mending failed; the steps before it stand.
    #[error("{step}")]
    Step {
        /// The step's name.
        step: &'static str,
        /// The cause.
        source: StepError,
    },
    /// What was found could not be printed.
    #[error("print what was found")]
    Print(#[from] std::io::Error),
}

/// All that the doctor says.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Diagnosis {
    /// The node's name by its bundle.
    node: Option<String>,
    role: NodeRole,
    /// The Kubernetes that was checked for.
    kubernetes: Option<String>,
    findings: Vec<Finding>,
    /// Names of the checks that hold.
    hold: Vec<&'static str>,
    /// Names of the checks that the spec switches off.
    off: Vec<&'static str>,
    /// Names of the steps that were taken.
    mended: Vec<&'static str>,
}

/// Checks the node that this process runs on.
pub fn main(args: &DoctorArgs) -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let paths = Paths::system();
    let outcome = match runtime {
        Ok(runtime) => {
            let host = RealHost::new(paths.run.clone());
            runtime.block_on(run(args, &host, &paths, &mut std::io::stdout()))
        }
        Err(error) => Err(DoctorError::Print(error)),
    };
    outcome.unwrap_or_else(|error| {
        eprintln!("hactl-agent: failed to {:#}", anyhow::Error::from(error));
        ExitCode::FAILURE
    })
}

/// Checks a host, mends it if told to, and prints what is left.
pub async fn run<H: Host>(
    args: &DoctorArgs,
    host: &H,
    paths: &Paths,
    out: &mut (impl Write + Send),
) -> Result<ExitCode, DoctorError> {
    let mut wanted = requirements(args, host, paths).await?;
    let mut inspector = MachineInspector::new(paths.clone()).keeping_nothing();
    if let Ok(program) = std::env::current_exe() {
        inspector = inspector.measuring_with(&program);
    }
    let mut mended = Vec::new();
    let mut machine = inspector.inspect(host, &wanted).await;
    if wanted.kubernetes.is_none()
        && let Known::Is(Some(installed)) = &machine.packages.kubeadm
    {
        // Nobody named a version: the one that is installed is meant.
        wanted.kubernetes = Some(installed.clone());
        machine = inspector.inspect(host, &wanted).await;
    }
    for _ in 0..ROUNDS {
        let steps = mend_all(&machine, &wanted);
        if !args.fix || steps.is_empty() {
            break;
        }
        let hand = Mender::new(host, paths, format!("hactl-doctor-{}", std::process::id()));
        for step in &steps {
            let failed = |source| DoctorError::Step {
                step: step.name(),
                source,
            };
            hand.mend(step).await.map_err(failed)?;
            mended.push(step.name());
        }
        machine = inspector.inspect(host, &wanted).await;
    }
    let findings = check_all(&machine, &wanted, &PeerFacts::default());
    let refuses = findings
        .iter()
        .any(|finding| finding.severity == Severity::Refusal);
    let diagnosis = Diagnosis::new(&wanted, findings, mended);
    match args.output {
        Format::Table => present::table(&diagnosis, out)?,
        Format::Json => present::json(&diagnosis, out)?,
    }
    Ok(if refuses {
        ExitCode::from(REFUSES)
    } else {
        ExitCode::SUCCESS
    })
}

/// What to check for: by the bundle given or installed, else by the role.
async fn requirements<H: Host>(
    args: &DoctorArgs,
    host: &H,
    paths: &Paths,
) -> Result<Requirements, DoctorError> {
    let installed = paths.bundle();
    let path = args.bundle.as_deref().unwrap_or(&installed);
    let there = matches!(host.stamp(path).await, Ok(Some(_)));
    if args.bundle.is_none() && !there {
        return Ok(Requirements::of_role(match args.role {
            Role::ControlPlane => NodeRole::ControlPlane,
            Role::Worker => NodeRole::Worker,
        }));
    }
    let bundle = bundle::read(host, path).await?;
    let name = host.read(Path::new("/proc/sys/kernel/hostname")).await;
    let name = name.ok().flatten().unwrap_or_default();
    let name = String::from_utf8_lossy(&name).trim().to_ascii_lowercase();
    // A worker that the spec does not name has no address there: any is right.
    let nowhere = std::net::Ipv4Addr::UNSPECIFIED.into();
    let context = bundle::identify(&bundle, &name, nowhere)?;
    let mut wanted = Requirements::of(&context);
    wanted.address = wanted.address.filter(|address| !address.is_unspecified());
    Ok(wanted)
}

impl Diagnosis {
    fn new(wanted: &Requirements, findings: Vec<Finding>, mended: Vec<&'static str>) -> Self {
        let off = |check: &Check| wanted.mode(*check) == CheckMode::Off;
        let holds = |check: &Check| findings.iter().all(|finding| finding.check != check.name());
        let names = |keep: &dyn Fn(&Check) -> bool| {
            Check::ALL
                .into_iter()
                .filter(|check| keep(check))
                .map(Check::name)
                .collect()
        };
        Self {
            node: wanted.node.as_ref().map(ToString::to_string),
            role: wanted.role,
            kubernetes: wanted.kubernetes.as_ref().map(ToString::to_string),
            hold: names(&|check| !off(check) && holds(check)),
            off: names(&off),
            findings,
            mended,
        }
    }
}
