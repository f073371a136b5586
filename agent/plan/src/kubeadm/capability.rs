//! What a kubeadm can do, by its minor. One row of the capability table (kubeadm reference, section 14) a function.

use hactl_proto::version::KubernetesVersion;

/// An installed kubeadm, known by its minor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kubeadm {
    minor: u16,
}

/// A version of kubeadm's configuration API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum ConfigApi {
    /// Read and written by 1.20 and 1.21.
    V1Beta2,
    /// 1.22 to 1.30.
    V1Beta3,
    /// 1.31 to 1.37.
    V1Beta4,
}

/// The minors that this agent knows. Outside of them a plan is refused rather than guessed.
pub const MINORS: std::ops::RangeInclusive<u16> = 20..=37;

impl Kubeadm {
    /// The kubeadm of that version, if this agent knows its minor.
    pub fn of(version: &KubernetesVersion) -> Option<Self> {
        (version.major == 1 && MINORS.contains(&version.minor)).then_some(Self {
            minor: version.minor,
        })
    }

    /// The configuration API that it writes itself (release notes 1.22, 1.31).
    pub const fn config_api(self) -> ConfigApi {
        match self.minor {
            ..=21 => ConfigApi::V1Beta2,
            22..=30 => ConfigApi::V1Beta3,
            _ => ConfigApi::V1Beta4,
        }
    }

    /// `extraArgs` and `kubeletExtraArgs` are lists of name and value rather than maps.
    pub const fn arguments_as_list(self) -> bool {
        self.minor >= 31
    }

    /// `timeouts` stands in the configuration; before, each time-out has a place of its own.
    pub const fn timeouts(self) -> bool {
        self.minor >= 31
    }

    /// `kubeadm config validate` exists; before, `config migrate` reads the file and warns in the same words.
    pub const fn config_validate(self) -> bool {
        self.minor >= 28
    }

    /// The feature gate that makes a new control plane's kubelet talk to its own API server has to be named: it is there but
    /// off. From 1.33 on it is on, in 1.36 the gate is gone.
    pub const fn local_mode_by_gate(self) -> bool {
        matches!(self.minor, 31 | 32)
    }

    /// The kubeadm-config `ConfigMap` holds `ClusterStatus`, which `join` updates in a phase of its own.
    pub const fn cluster_status(self) -> bool {
        self.minor <= 21
    }

    /// `reset` has the phase `update-cluster-status`; naming a phase that is not there is an error.
    pub const fn reset_updates_cluster_status(self) -> bool {
        self.minor <= 22
    }

    /// The kubelet's `ConfigMap` in kube-system (unversioned since 1.24).
    pub fn kubelet_config_map(self) -> String {
        if self.minor <= 23 {
            format!("kubelet-config-1.{}", self.minor)
        } else {
            "kubelet-config".to_owned()
        }
    }

    /// containerd's socket in the form that this kubeadm wants: a bare path up to 1.23, a URL after.
    pub const fn cri_socket(self) -> &'static str {
        if self.minor <= 23 {
            "/run/containerd/containerd.sock"
        } else {
            "unix:///run/containerd/containerd.sock"
        }
    }

    /// A joining control plane enters etcd as a learner, so that a join that dies endangers no quorum.
    pub const fn learner_join(self) -> bool {
        self.minor >= 29
    }

    /// `join` first checks etcd: up to 1.36 every listed member must answer, after that a quorum.
    pub const fn join_needs_all_members(self) -> bool {
        self.minor <= 36
    }

    /// `init` has the phase `show-join-command`, which has nothing to say to a program.
    pub const fn shows_join_command(self) -> bool {
        self.minor >= 26
    }

    /// admin.conf is bound to a group by a `ClusterRoleBinding`, super-admin.conf is made beside it.
    pub const fn super_admin(self) -> bool {
        self.minor >= 29
    }

    /// How many minors a kubelet may be older than the API server (policy of 1.28).
    pub const fn kubelet_skew(self) -> u16 {
        if self.minor >= 28 { 3 } else { 2 }
    }

    /// The name of the `kubelet-finalize` phase's part that makes the kubelet's certificate rotate.
    pub const fn rotation_phase(self) -> &'static str {
        if self.minor <= 30 {
            "experimental-cert-rotation"
        } else {
            "enable-client-cert-rotation"
        }
    }
}

impl ConfigApi {
    /// The `apiVersion` of its documents.
    pub const fn api_version(self) -> &'static str {
        match self {
            Self::V1Beta2 => "kubeadm.k8s.io/v1beta2",
            Self::V1Beta3 => "kubeadm.k8s.io/v1beta3",
            Self::V1Beta4 => "kubeadm.k8s.io/v1beta4",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kubeadm(minor: u16) -> Kubeadm {
        Kubeadm::of(&KubernetesVersion::new(1, minor, 0)).unwrap()
    }

    #[test]
    fn a_minor_that_is_not_known_is_not_guessed() {
        assert_eq!(Kubeadm::of(&KubernetesVersion::new(1, 19, 9)), None);
        assert_eq!(Kubeadm::of(&KubernetesVersion::new(1, 38, 0)), None);
        assert_eq!(Kubeadm::of(&KubernetesVersion::new(2, 25, 0)), None);
    }

    #[test]
    fn the_table_turns_where_the_release_notes_say() {
        let turns = |holds: fn(Kubeadm) -> bool| {
            let held: Vec<u16> = MINORS.filter(|minor| holds(kubeadm(*minor))).collect();
            (held.first().copied(), held.last().copied())
        };
        assert_eq!(
            turns(|k| k.config_api() == ConfigApi::V1Beta2),
            (Some(20), Some(21))
        );
        assert_eq!(
            turns(|k| k.config_api() == ConfigApi::V1Beta3),
            (Some(22), Some(30))
        );
        assert_eq!(
            turns(|k| k.config_api() == ConfigApi::V1Beta4),
            (Some(31), Some(37))
        );
        assert_eq!(turns(Kubeadm::config_validate), (Some(28), Some(37)));
        assert_eq!(turns(Kubeadm::local_mode_by_gate), (Some(31), Some(32)));
        assert_eq!(turns(Kubeadm::cluster_status), (Some(20), Some(21)));
        assert_eq!(turns(Kubeadm::learner_join), (Some(29), Some(37)));
        assert_eq!(turns(Kubeadm::join_needs_all_members), (Some(20), Some(36)));
        assert_eq!(
            turns(|k| k.cri_socket().starts_with('/')),
            (Some(20), Some(23))
        );
        assert_eq!(kubeadm(23).kubelet_config_map(), "kubelet-config-1.23");
        assert_eq!(kubeadm(24).kubelet_config_map(), "kubelet-config");
    }
}
