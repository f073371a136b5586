//! The daemon: wires the parts together and runs them until it is told to stop.
//!
//! Order matters in one place: the record and the journal are read before the port is open, so that no call is answered from
//! a state that is not known yet. No rule of the product lives here.

/// The duty of bootstrap.
mod bootstrap;
/// What Prometheus is told.
mod expose;
/// The duty of operations.
mod gate;
/// The duty of membership, and exchanges with peers.
mod gossip;
/// The duty of credentials.
mod kubeconfig;
/// The duty of mutual trust.
mod mutual_trust;
/// The duty of observation.
mod observation;
/// This node's Node, as the API has it.
mod own_node;
/// How the parts come to be, in their order.
mod start;
/// Leftovers of joins, and the marker of the etcd member.
pub mod tend;
/// Looks at the node for as long as it lives.
mod watch_node;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use hactl_node_plan::prerequisite::{Requirements, check_all};
use hactl_proto::bundle::Bundle;
use hactl_proto::finding::Finding;
use hactl_proto::role::NodeRole;
use hactl_proto::standing::Standing;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;

use crate::causes::chain;
use crate::first_boot::{Progress, here};
use crate::guard_etcd::Verdict;
use crate::health::Health;
use crate::host::{Host, RealHost};
use crate::inspect::certificates::{Ports, certificates};
use crate::join::Sponsor;
use crate::membership::Membership;
use crate::operation::Operations;
use crate::paths::Paths;
use crate::standing::StandingStore;

pub use start::{Agent, StartError};

/// Between two looks at etcd's data, which are some files of the node's own. The kubelet looks once a second whether containers
/// ended (the relist period of its PLEG), and starts etcd again then.
const GUARD_EVERY: Duration = Duration::from_secs(1);

/// What the duties share.
pub(super) struct Parts<H> {
    host: Arc<H>,
    paths: Paths,
    bundle: Bundle,
    operations: Operations<H>,
    standing: Arc<StandingStore<H>>,
    membership: Membership,
    sponsor: Sponsor<H>,
    first_boot: watch::Receiver<Progress>,
    health: watch::Receiver<Health>,
    own_node: own_node::OwnNode,
}

impl<H: Host> Parts<H> {
    /// What this node durably is; workers have no say in a first boot.
    async fn standing(&self) -> Option<Standing> {
        if self.bundle.role != NodeRole::ControlPlane {
            return None;
        }
        let node = self.operations.node();
        let lying = here::read(&*self.host, &node, &self.paths).await;
        Some(self.standing.record().await.standing(&lying.evidence))
    }

    /// Every check, looked at now.
    async fn check_now(&self) -> Vec<Finding> {
        let wanted = Requirements::of(&self.operations.node());
        let inspector = self.operations.machine();
        inspector.set_peers(gossip::peer_facts(&self.membership).await);
        let machine = inspector.inspect_afresh(&*self.host, &wanted).await;
        let mut findings = check_all(&machine, &wanted, &machine.peers);
        self.add_first_boot(&mut findings);
        let node = self.operations.node();
        let seen = certificates(&*self.host, &node, &self.paths, Ports::Ask).await;
        findings.extend(seen.findings);
        findings
    }

    /// What stands against the first boot, where it is not a prerequisite that is named already.
    fn add_first_boot(&self, findings: &mut Vec<Finding>) {
        for finding in &self.first_boot.borrow().findings {
            if !findings.contains(finding) {
                findings.push(finding.clone());
            }
        }
    }
}

/// What `hactl-agent run` does: the daemon on this machine, until SIGTERM or SIGINT.
pub fn main() -> ExitCode {
    crate::log::start();
    // One thread for all but gossip: the agent waits nearly always, and each thread costs memory.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        // Longer than between two looks at the node: making threads anew each time was a third of what an idle agent cost.
        .thread_keep_alive(Duration::from_secs(30))
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(error) => {
            tracing::error!(%error, "failed to start the runtime");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("failed to {}", chain(&error));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), StartError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(StartError::Signals)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(StartError::Signals)?;
    let paths = Paths::system();
    let host = Arc::new(RealHost::new(paths.run.clone()));
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    tokio::pin!(stop);
    let agent = tokio::select! {
        // A worker may wait long for a control plane that lets it enrol.
        agent = Agent::start(host, paths) => agent?,
        () = &mut stop => return Ok(()),
    };
    crate::notify::ready(&format!("{} is up", agent.node()));
    tokio::select! {
        stopped = agent.run(stop) => stopped,
        () = guard_etcd() => Ok(()),
    }
}

/// The guard of the kubelet's start, for a data folder that is lost while the node runs.
async fn guard_etcd() {
    let mut ticks = tokio::time::interval(GUARD_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match crate::guard_etcd::guard(Path::new("/")) {
            Ok(Verdict::Held(reasons)) => {
                for reason in reasons {
                    tracing::error!(
                        check = reason.check,
                        observed = reason.observed,
                        remedy = reason.remedy,
                        "etcd is held back on this node"
                    );
                }
            }
            Ok(_) => {}
            Err(error) => tracing::error!("failed to {}", chain(&error)),
        }
    }
}
