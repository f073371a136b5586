//! The kubelet's configuration on a node against what the cluster keeps of it: `kubeadm upgrade` writes the cluster's over the
//! node's, and what somebody added by hand would be lost without a word (kubeadm issue 3049).

use std::collections::BTreeMap;

/// Fields that kubeadm itself sets on each node by what it finds there; they differ and are not lost.
const OF_THE_NODE: [&str; 2] = ["resolvConf", "containerRuntimeEndpoint"];

/// What the node's file holds and the cluster's does not, or holds differently: `+` is the node's, `-` the cluster's. Empty:
/// nothing would be lost.
///
/// Both are written by kubeadm, in block style with sorted keys, so that top-level fields can be compared as blocks of lines.
pub fn changes(node: &str, cluster: &str) -> Vec<String> {
    let (node, cluster) = (fields(node), fields(cluster));
    let mut changes = Vec::new();
    for (name, block) in &node {
        let kept = cluster.get(name);
        if OF_THE_NODE.contains(&name.as_str()) || kept == Some(block) {
            continue;
        }
        changes.extend(kept.into_iter().flatten().map(|line| format!("- {line}")));
        changes.extend(block.iter().map(|line| format!("+ {line}")));
    }
    for (name, block) in &cluster {
        if !OF_THE_NODE.contains(&name.as_str()) && !node.contains_key(name) {
            changes.extend(block.iter().map(|line| format!("- {line}")));
        }
    }
    changes
}

/// Top-level fields with their lines. Comments and empty lines say nothing.
fn fields(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut fields: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut name = String::new();
    for line in text.lines() {
        let bare = line.trim_end();
        if bare.is_empty() || bare.trim_start().starts_with('#') || bare == "---" {
            continue;
        }
        let nested = bare.starts_with([' ', '-']);
        if !nested && let Some((key, _)) = bare.split_once(':') {
            key.trim().clone_into(&mut name);
        }
        fields
            .entry(name.clone())
            .or_default()
            .push(bare.to_owned());
    }
    fields
}

#[cfg(test)]
mod tests {
    use super::*;

    const CLUSTER: &str = "apiVersion: kubelet.config.k8s.io/v1beta1\nauthentication:\n  anonymous:\n    enabled: false\ncgroupDriver: systemd\nclusterDNS:\n- 10.96.0.10\nkind: KubeletConfiguration\n";

    #[test]
    fn what_kubeadm_wrote_is_not_a_change() {
        assert!(changes(CLUSTER, CLUSTER).is_empty());
        let node = format!("{CLUSTER}resolvConf: /run/systemd/resolve/resolv.conf\n# a word\n");
        assert!(changes(&node, CLUSTER).is_empty());
    }

    #[test]
    fn what_somebody_added_changed_or_took_away_is_shown() {
        let node = CLUSTER
            .replace("enabled: false", "enabled: true")
            .replace("cgroupDriver: systemd\n", "maxPods: 250\n");
        assert_eq!(
            changes(&node, CLUSTER),
            [
                "- authentication:",
                "-   anonymous:",
                "-     enabled: false",
                "+ authentication:",
                "+   anonymous:",
                "+     enabled: true",
                "+ maxPods: 250",
                "- cgroupDriver: systemd",
            ]
        );
    }
}
