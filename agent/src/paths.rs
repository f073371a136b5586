//! Where the agent keeps its own files, so that a test or the demo can run several agents on one machine.
//!
//! Paths of Kubernetes, containerd, HAProxy and the system are fixed and do not belong here.

use std::path::{Path, PathBuf};

use hactl_proto::rotation::Authority;

/// The agent's three folders, and the one of others that it writes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// Configuration given by the operator: the bundle. `/etc/hactl`.
    pub config: PathBuf,
    /// Durable state, mode 0700: identity, standing, journal, markers. `/var/lib/hactl`.
    pub state: PathBuf,
    /// On tmpfs, mode 0700: sockets, and kubeadm configurations that hold secrets. `/run/hactl`.
    pub run: PathBuf,
    /// Where node_exporter's textfile collector reads, as its packages have it: there only where node_exporter is.
    pub textfiles: PathBuf,
}

impl Paths {
    /// The folders of an installed agent.
    pub fn system() -> Self {
        Self::under(Path::new("/"))
    }

    /// The same layout below another root.
    pub fn under(root: &Path) -> Self {
        Self {
            config: root.join("etc/hactl"),
            state: root.join("var/lib/hactl"),
            run: root.join("run/hactl"),
            textfiles: root.join("var/lib/prometheus/node-exporter"),
        }
    }

    /// The bundle.
    pub fn bundle(&self) -> PathBuf {
        self.config.join("bundle.json")
    }

    /// What the node durably is in the first boot.
    pub fn standing(&self) -> PathBuf {
        self.state.join("standing.json")
    }

    /// The node's own key, made on the node, mode 0600.
    pub fn node_key(&self) -> PathBuf {
        self.state.join("identity/node.key")
    }

    /// The node's certificate chain.
    pub fn node_certificate(&self) -> PathBuf {
        self.state.join("identity/node.crt")
    }

    /// What came of hactl's own CA after the bundle: roots, and a control plane's issuer with its key, mode 0600.
    pub fn own_trust(&self) -> PathBuf {
        self.state.join("identity/trust.json")
    }

    /// The key of an issuer that was asked for and not given yet, mode 0600.
    pub fn next_issuer_key(&self) -> PathBuf {
        self.state.join("identity/issuer-next.key")
    }

    /// The gossip's boot epoch, raised before each start.
    pub fn boot_epoch(&self) -> PathBuf {
        self.state.join("boot-epoch")
    }

    /// The gossip keys that came after the bundle's, mode 0600.
    pub fn gossip_ring(&self) -> PathBuf {
        self.state.join("gossip-ring.json")
    }

    /// The members that lived when this was last written: whom to announce to after a restart.
    pub fn membership(&self) -> PathBuf {
        self.state.join("membership.json")
    }

    /// What an upgrade of this node is about: its progress, what was kept aside, what was staged.
    pub fn upgrade(&self) -> PathBuf {
        self.state.join("upgrade")
    }

    /// What the agent keeps of Kubernetes' certificates: copies from before a renewal, manifests held for a restart.
    pub fn certificates(&self) -> PathBuf {
        self.state.join("certificates")
    }

    /// How far a renewal of certificates has come.
    pub fn renewal(&self) -> PathBuf {
        self.certificates().join("renewal.json")
    }

    /// A certificate and its key that the agent has got for the kubelet, until the kubelet runs with them.
    pub fn kubelet_pair(&self) -> PathBuf {
        self.certificates().join("kubelet-client.pem")
    }

    /// The same for the certificate that the kubelet serves with.
    pub fn kubelet_serving_pair(&self) -> PathBuf {
        self.certificates().join("kubelet-server.pem")
    }

    /// Pairs of CAs that lie aside while one is rotated, by the fingerprints of their certificates.
    pub fn authorities(&self, authority: Authority) -> PathBuf {
        self.certificates()
            .join("authorities")
            .join(authority.word())
    }

    /// What processes took up of CAs when they began.
    pub fn trust_record(&self) -> PathBuf {
        self.certificates().join("trust.json")
    }

    /// Verified snapshots of etcd.
    pub fn snapshots(&self) -> PathBuf {
        self.state.join("snapshots")
    }

    /// Packages of hactl's own agent that were brought, by their digests.
    pub fn packages(&self) -> PathBuf {
        self.state.join("packages")
    }

    /// The rollout that this control plane keeps.
    pub fn rollout(&self) -> PathBuf {
        self.state.join("rollout.json")
    }

    /// The journal's folder.
    pub fn journal(&self) -> PathBuf {
        self.state.join("journal")
    }
}
