//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand};

use crate::kubernetes::Version;

/// Real Kubernetes nodes on one machine: booted systemd containers with their own network, real containerd, real kubeadm.
#[derive(Parser)]
#[command(name = "hactl-lab", version, max_term_width = 120)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

/// What the lab can do.
#[derive(Subcommand)]
pub(crate) enum Verb {
    /// Make all that is missing, clear what an earlier lab left, boot the nodes
    Up(Up),
    /// End the lab and remove all of it but the cache
    Down,
    /// Show the nodes, and the Kubernetes versions at hand
    #[command(alias = "list")]
    Status,
    /// Run a command on a node, or a shell
    Shell {
        /// The node
        node: String,
        /// The command; a shell without one
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Run a command as the operator: on a machine of its own at the switch that has this host's files
    Operator {
        /// The command; a shell without one
        #[arg(last = true)]
        command: Vec<String>,
    },
    /// Take a node's power away; nothing on it gets to say goodbye
    PowerOff {
        /// The nodes
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// Boot a node again from the disk it has
    PowerOn {
        /// The nodes
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// Pull a node's network cable
    CutOff {
        /// The nodes
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// Plug it in again
    Reconnect {
        /// The nodes
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// Let the groups reach only themselves: `partition a b,c` parts zone a from zones b and c
    Partition {
        /// Groups of zones or nodes, the members of each parted by commas
        #[arg(required = true, num_args = 2..)]
        groups: Vec<String>,
    },
    /// Drop a share of all packets between nodes
    Lose {
        /// Per cent
        #[arg(value_parser = clap::value_parser!(u8).range(0..=100))]
        percent: u8,
    },
    /// End every partition and loss
    Heal,
    /// Have the certificates that kubeadm renews end so many seconds from now, signed anew by the cluster's own CAs
    Shorten {
        /// Seconds
        seconds: u64,
        /// Those of kubelets as clients too
        #[arg(long)]
        kubelets: bool,
    },
    /// Show a node's log, of a node that is off too
    Logs {
        /// The node
        node: String,
        /// Only of this unit
        unit: Option<String>,
        /// Go on showing
        #[arg(short, long)]
        follow: bool,
    },
    /// Give a node that is off (or is then) a fresh disk, with package and bundle if it had them, and boot it
    Wipe {
        /// The nodes
        #[arg(required = true)]
        nodes: Vec<String>,
    },
    /// Make a cluster of bare nodes with kubeadm by hand, one node after another, and say how long it took
    ByHand,
    /// First boots with hactl, a power loss, killed agents: what CI runs
    Check(Up),
    /// Certificates of real nodes: read, renewed under a client, in time, after all have ended
    CheckCertificates(Certificates),
    /// A rolling upgrade of real nodes, and what may go wrong in it
    CheckUpgrade(Upgrade),
    /// hactl and the same by hand, measured in one run
    Bench(Up),
    /// An upgrade by hactl and the same by hand, measured in one run
    BenchUpgrade(Upgrade),
    /// Watch a cluster that nothing is done to: what its agents cost, and every alarm that they raise
    Watch {
        /// For so many minutes
        #[arg(long, default_value_t = 60)]
        minutes: u64,
    },
    /// Wait until every node is Ready
    Wait {
        /// Give up after so many seconds
        #[arg(long, default_value_t = 600)]
        limit: u64,
    },
    /// Knock at an address with new TLS connections at a steady rate, and say what failed
    Client(Client),
    /// Make a Kubernetes version's packages and images now, and import the images into the nodes that are on
    Version {
        /// The version
        version: Version,
    },
    /// Become a node's container: what `up` starts
    #[command(hide = true)]
    BootNode {
        /// The node
        node: String,
    },
}

/// Options of `up`.
#[derive(clap::Args)]
pub(crate) struct Up {
    /// The nodes; a name with `w` at its start is a worker's
    #[arg(long, value_delimiter = ',', default_value = "cp1,cp2,cp3,w1")]
    pub(crate) nodes: Vec<String>,
    /// The zones that the nodes are dealt out to in turn
    #[arg(long, value_delimiter = ',', default_value = "zone-a,zone-b,zone-c")]
    pub(crate) zones: Vec<String>,
    /// The Kubernetes version
    #[arg(long, default_value = "v1.20.2")]
    pub(crate) version: Version,
    /// Stop at booted nodes without hactl
    #[arg(long)]
    pub(crate) bare: bool,
    /// The agent's package; without it the newest hactl-agent*.deb in out/packages
    #[arg(long)]
    pub(crate) package: Option<PathBuf>,
    /// The controller; without it the newest one in target
    #[arg(long)]
    pub(crate) controller: Option<PathBuf>,
    /// The cluster's spec; without it one of the lab's own for its nodes
    #[arg(long)]
    pub(crate) spec: Option<PathBuf>,
    /// Don't wait until the cluster is ready
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// Options of `check-upgrade` and `bench-upgrade`.
#[derive(clap::Args)]
pub(crate) struct Upgrade {
    #[command(flatten)]
    pub(crate) up: Up,
    /// The version to upgrade to
    #[arg(long, default_value = "v1.20.3")]
    pub(crate) to: Version,
}

/// Options of `check-certificates`.
#[derive(clap::Args)]
pub(crate) struct Certificates {
    #[command(flatten)]
    pub(crate) up: Up,
    /// Only cases with these words in their names; may be given several times
    #[arg(long, value_name = "WORDS")]
    pub(crate) only: Vec<String>,
    /// How long certificates live that are renewed in time: a third of it is for three control planes' turns, of some three minutes on two cores
    #[arg(long, value_name = "MINUTES", default_value_t = 36)]
    pub(crate) life: u64,
    /// Begin on the cluster that is up, if one is, and leave it up
    #[arg(long)]
    pub(crate) keep: bool,
}

/// Options of `client`.
#[derive(clap::Args)]
pub(crate) struct Client {
    /// Address and port; the endpoint's without it
    #[arg(long)]
    pub(crate) address: Option<String>,
    /// New connections a second
    #[arg(long, default_value_t = 20)]
    pub(crate) rate: u32,
    /// For so many seconds
    #[arg(long, default_value_t = 30)]
    pub(crate) seconds: u64,
    /// What to ask for
    #[arg(long, default_value = "/readyz")]
    pub(crate) path: String,
    /// One request may take so many milliseconds
    #[arg(long, default_value_t = 5000)]
    pub(crate) limit: u64,
    /// Ask so often again where a request failed
    #[arg(long, default_value_t = 0)]
    pub(crate) again: u32,
    /// Read and write a ConfigMap with the rights of this kubeconfig, instead of asking for a path
    #[arg(long)]
    pub(crate) admin: Option<PathBuf>,
    /// End as soon as this file is there
    #[arg(long)]
    pub(crate) until: Option<PathBuf>,
    /// Print one line of JSON instead of text
    #[arg(long)]
    pub(crate) json: bool,
}
