//! One machine: its disk, its services, its transient units.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use hactl_node_plan::command::Output;
use tokio::time::Instant;

use crate::crash::{Crash, Wire};
use crate::mishap::Mishap;
use crate::tree::Tree;

/// A unit of systemd, as much of it as matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Service {
    /// Whether it starts at boot.
    pub enabled: bool,
    /// Whether it runs.
    pub active: bool,
}

/// A transient unit: its command has run, its result shows from `ends` on.
#[derive(Debug, Clone)]
pub(crate) struct Unit {
    pub(crate) ends: Instant,
    pub(crate) output: Output,
}

/// How far a machine's wall clock is from the world's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Clock {
    /// Milliseconds that it is ahead.
    pub ahead: i64,
    /// Microseconds that it gains each second.
    pub drift: i64,
}

/// One machine.
#[derive(Debug, Clone)]
pub struct Machine {
    /// Its address.
    pub address: IpAddr,
    /// Its disk.
    pub tree: Tree,
    /// Whether it has power.
    pub powered: bool,
    /// Whether its network is cut off.
    pub isolated: bool,
    /// Its services by name, without `.service`.
    pub services: BTreeMap<String, Service>,
    /// Its wall clock.
    pub clock: Clock,
    /// How long a write to its disk takes until it is durable.
    pub write_latency: Duration,
    /// What happens to its next commands, in their order; `None`: nothing.
    pub mishaps: VecDeque<Option<Mishap>>,
    /// So many of the next snapshots of its etcd arrive torn.
    pub torn_snapshots: u32,
    /// Where its agent's life ends.
    pub crash: Crash,
    /// Where something happens to it, or to others.
    pub wires: Vec<Wire>,
    /// The kubeadm that is installed.
    pub version: String,
    /// The kubelet and the kubectl that are installed.
    pub kubelet: String,
    /// The kubectl that is installed.
    pub kubectl: String,
    /// Versions that the machine's repository offers, all packages of each.
    pub offered: Vec<String>,
    /// The installed package of hactl-agent.
    pub agent: String,
    /// Images that its registry has not.
    pub missing_images: Vec<String>,
    /// The kubelet that runs: a restart makes it the installed one.
    pub(crate) kubelet_running: String,
    /// Tags of the static pods that run, by component.
    pub pods: BTreeMap<String, String>,
    /// The manifests that they began with.
    pub(crate) manifests: BTreeMap<String, String>,
    /// How many containers of each component began.
    pub(crate) begun: BTreeMap<String, u64>,
    /// When its kubelet heard of an API first since it started: before that it ends no pod whose manifest goes.
    pub(crate) heard_api: Option<Instant>,
    /// What each process took up of certificates when it began, PEM by component.
    pub holds: BTreeMap<String, String>,
    /// The same of every file of CAs and of what they signed, by component and file.
    pub(crate) took: BTreeMap<String, BTreeMap<String, String>>,
    /// Files that its disk gives an error for.
    pub unreadable: BTreeSet<PathBuf>,
    /// Whether `kubeadm certs renew` says that all is well and renews nothing.
    pub renews_nothing: bool,
    /// Control planes that its HAProxy was told to let go of.
    pub released: BTreeSet<String>,
    /// Counts the agent's lives: a task of an earlier one does nothing any more.
    pub(crate) life: u64,
    pub(crate) units: BTreeMap<String, Unit>,
    /// etcd's process: the manifest that it began with, and its number among all that ever began.
    pub(crate) etcd: Option<(String, u64)>,
    /// Since when kubelet and manifests are there.
    pub(crate) started: Option<Instant>,
}

impl Machine {
    pub(crate) fn new(name: &str, address: IpAddr, version: &str) -> Self {
        let mut tree = Tree::default();
        tree.write_durably("/etc/machine-id", format!("{}\n", machine_id(name)));
        tree.write_durably("/etc/hostname", format!("{name}\n"));
        tree.write_durably(
            "/var/lib/dpkg/status",
            "Package: kubeadm\nStatus: hold ok installed\nVersion: 0\n",
        );
        for program in ["kubeadm", "kubelet", "kubectl"] {
            tree.write_durably(format!("/usr/bin/{program}"), version);
        }
        let installed = |enabled, active| Service { enabled, active };
        let services = [
            ("containerd", installed(true, true)),
            ("kubelet", installed(true, false)),
            ("haproxy", installed(false, false)),
            ("keepalived", installed(false, false)),
        ];
        Self {
            address,
            tree,
            powered: true,
            isolated: false,
            services: services.map(|(name, one)| (name.to_owned(), one)).into(),
            clock: Clock::default(),
            write_latency: Duration::ZERO,
            mishaps: VecDeque::new(),
            torn_snapshots: 0,
            crash: Crash::default(),
            wires: Vec::new(),
            version: version.to_owned(),
            kubelet: version.to_owned(),
            kubectl: version.to_owned(),
            offered: vec![version.to_owned()],
            missing_images: Vec::new(),
            agent: "0.1.0".to_owned(),
            kubelet_running: version.to_owned(),
            pods: BTreeMap::new(),
            manifests: BTreeMap::new(),
            begun: BTreeMap::new(),
            heard_api: None,
            holds: BTreeMap::new(),
            took: BTreeMap::new(),
            unreadable: BTreeSet::new(),
            renews_nothing: false,
            released: BTreeSet::new(),
            life: 0,
            units: BTreeMap::new(),
            etcd: None,
            started: None,
        }
    }

    /// Whether the package of the agent is being put in.
    pub(crate) fn installs_agent(&self) -> bool {
        let under_way = |(name, unit): (&String, &Unit)| {
            name.ends_with("install-agent") && Instant::now() < unit.ends
        };
        self.units.iter().any(under_way)
    }

    /// Whether a service runs.
    pub fn runs(&self, service: &str) -> bool {
        self.powered && self.services.get(service).is_some_and(|one| one.active)
    }

    /// The etcd cluster and member that the data here belongs to.
    pub fn etcd_data(&self) -> Option<(u64, u64)> {
        let text = self.tree.text(crate::boot::WAL);
        let (cluster, member) = text.trim().split_once(' ')?;
        Some((cluster.parse().ok()?, member.parse().ok()?))
    }

    pub(crate) fn service(&mut self, name: &str) -> &mut Service {
        self.services.entry(name.to_owned()).or_default()
    }
}

/// 32 hexadecimal digits of the name.
pub(crate) fn machine_id(name: &str) -> String {
    let hash = ring::digest::digest(&ring::digest::SHA256, name.as_bytes());
    hex::encode(&hash.as_ref()[..16])
}
