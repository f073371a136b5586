//! What the kubelet was told: by kubeadm, and by whoever wrote its extra arguments.

use crate::facts::Known;

/// Where a distribution's unit reads `KUBELET_EXTRA_ARGS` from: Debian's and RHEL's.
pub const EXTRA_ARGUMENTS: [&str; 2] = ["/etc/default/kubelet", "/etc/sysconfig/kubelet"];

/// What the kubelet was told.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct KubeletFacts {
    /// Whether the node belongs to a cluster: `/etc/kubernetes/kubelet.conf` is there.
    pub joined: Known<bool>,
    /// `cgroupDriver` of `/var/lib/kubelet/config.yaml`; `None`: no such file, or it leaves the kubelet's own default.
    pub cgroup_driver: Known<Option<String>>,
    /// `--cgroup-driver` in [`EXTRA_ARGUMENTS`], which beats the file.
    pub cgroup_driver_argument: Known<Option<String>>,
}

/// A top-level text field of a `KubeletConfiguration`, which kubeadm writes in block style.
pub fn parse_cgroup_driver(config: &str) -> Option<String> {
    let value = config
        .lines()
        .find_map(|line| line.strip_prefix("cgroupDriver:"))?;
    let value = value.split('#').next().unwrap_or_default();
    let value = value.trim().trim_matches(['"', '\'']);
    (!value.is_empty()).then(|| value.to_owned())
}

/// The value of `--cgroup-driver` in a file of `KEY=value` lines.
pub fn parse_driver_argument(text: &str) -> Option<String> {
    let mut words = text
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'))
        .flat_map(|line| line.split([' ', '\t', '"', '\'', '=']))
        .filter(|word| !word.is_empty());
    words.find(|word| *word == "--cgroup-driver")?;
    words.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_driver_is_found_where_it_is_set() {
        let config = "apiVersion: kubelet.config.k8s.io/v1beta1\ncgroupDriver: systemd\nkind: KubeletConfiguration\n";
        assert_eq!(parse_cgroup_driver(config).as_deref(), Some("systemd"));
        assert_eq!(parse_cgroup_driver("x:\n  cgroupDriver: systemd\n"), None);
        assert_eq!(parse_cgroup_driver("cgroupDriver: \"\"\n"), None);
        assert_eq!(
            parse_driver_argument("KUBELET_EXTRA_ARGS=\"--v=2 --cgroup-driver=cgroupfs\"\n")
                .as_deref(),
            Some("cgroupfs")
        );
        assert_eq!(
            parse_driver_argument("KUBELET_EXTRA_ARGS=--cgroup-driver systemd\n").as_deref(),
            Some("systemd")
        );
        assert_eq!(
            parse_driver_argument("#KUBELET_EXTRA_ARGS=--cgroup-driver=cgroupfs\n"),
            None
        );
        assert_eq!(parse_driver_argument("KUBELET_EXTRA_ARGS=\n"), None);
    }
}
