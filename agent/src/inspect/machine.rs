//! Reads the facts about the machine under Kubernetes, and remembers what costs a process.
//!
//! The daemon looks every few seconds: in the steady state that is some forty small files of `/proc`, `/sys` and `/etc`, and
//! no process. What a program has to be asked is kept until a file that it depends on changes (`cache`).

mod cache;
mod containerd;
mod disk;
mod identity;
mod kernel;
mod kubelet;
mod network;
mod packages;
mod reader;
mod swap;
mod system;
#[cfg(test)]
pub(crate) mod tests;
mod unit;

use std::sync::PoisonError;

use hactl_node_plan::facts::machine::MachineFacts;
use hactl_node_plan::facts::machine::peers::PeerFacts;
use hactl_node_plan::prerequisite::Requirements;

use crate::host::Host;
use crate::paths::Paths;
use cache::Cache;
use reader::Reader;

/// Name of the marker, in the agent's folder on tmpfs, that containerd was configured anew and not restarted yet.
pub const RESTART_DUE: &str = "containerd-restart-due";

/// Reads facts about the machine again and again, each time for little.
#[derive(Debug)]
pub struct MachineInspector {
    paths: Paths,
    /// The program that measures the disk: this one.
    program: String,
    /// Whether measurements are kept over restarts.
    keeps: bool,
    cache: tokio::sync::Mutex<Cache>,
    peers: std::sync::Mutex<PeerFacts>,
}

impl MachineInspector {
    /// An inspector that remembers nothing yet.
    pub fn new(paths: Paths) -> Self {
        Self {
            paths,
            program: "hactl-agent".to_owned(),
            keeps: true,
            cache: tokio::sync::Mutex::default(),
            peers: std::sync::Mutex::default(),
        }
    }

    /// Measures disks with another program of this name or path: one that is not installed.
    #[must_use]
    pub fn measuring_with(mut self, program: &std::path::Path) -> Self {
        self.program = program.display().to_string();
        self
    }

    /// Writes no measurement to the disk.
    #[must_use]
    pub fn keeping_nothing(mut self) -> Self {
        self.keeps = false;
        self
    }

    /// What membership knows of the others now: clones and clocks are judged by it from the next reading on.
    pub fn set_peers(&self, peers: PeerFacts) {
        *self.peers.lock().unwrap_or_else(PoisonError::into_inner) = peers;
    }

    /// Reads them for a plan: nothing that was seen a while ago counts, but what can't have changed.
    pub async fn inspect_afresh<H: Host>(&self, host: &H, wanted: &Requirements) -> MachineFacts {
        self.cache.lock().await.listeners = None;
        self.inspect(host, wanted).await
    }

    /// Reads them for the health digest: what is costly may be some seconds old. Two at once wait for one another.
    pub async fn inspect<H: Host>(&self, host: &H, wanted: &Requirements) -> MachineFacts {
        let mut cache = self.cache.lock().await;
        let mut read = Reader::new(host, &mut cache);
        let system = system::inspect(&mut read).await;
        let identity = identity::inspect(&mut read).await;
        let swap = swap::inspect(&mut read).await;
        let kernel = kernel::inspect(&mut read).await;
        let kubelet = kubelet::inspect(&mut read).await;
        let programs = packages::programs(&mut read).await;
        let marker = self.paths.run.join(RESTART_DUE);
        let containerd = containerd::inspect(&mut read, &programs, &marker, wanted).await;
        let packages = packages::inspect(
            &mut read,
            &programs,
            &system.distribution,
            &containerd,
            wanted,
        )
        .await;
        let network = network::inspect(&mut read, wanted).await;
        let meter = disk::Meter {
            program: &self.program,
            kept: self.paths.state.join("fsync.json"),
            keeps: self.keeps,
        };
        let disk = disk::inspect(&mut read, &meter, wanted).await;
        MachineFacts {
            system,
            identity,
            swap,
            kernel,
            containerd,
            kubelet,
            packages,
            network,
            disk,
            peers: self
                .peers
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }
}
