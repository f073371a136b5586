//! What the components of Kubernetes have to be told in the lab, by hactl's spec or by hand: the nodes share a kernel that
//! they don't own and a disk that isn't theirs.

use serde_json::{Value, json};

use crate::kubernetes::Version;

/// Fields of the kubelet's configuration.
pub(crate) fn kubelet(version: Version) -> Value {
    // All nodes lie on the host's one disk: how full that is says nothing of the cluster, and images that are removed
    // could not be pulled again.
    let mut kubelet = json!({
        "evictionHard": {
            "memory.available": "50Mi",
            "nodefs.available": "1%",
            "nodefs.inodesFree": "1%",
            "imagefs.available": "1%",
        },
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
    });
    if version.refuses_cgroup_v1() {
        kubelet["failCgroupV1"] = json!(false);
    }
    kubelet
}

/// Fields of kube-proxy's configuration.
pub(crate) fn kube_proxy() -> Value {
    // In a container it can't raise the kernel's limit of tracked connections, and would end over that.
    json!({"conntrack": {"maxPerCore": 0, "min": 0}})
}

/// kubeadm's preflight checks that can't pass on such nodes.
pub(crate) fn ignored_preflight_errors(version: Version) -> &'static [&'static str] {
    if version.refuses_cgroup_v1() {
        &["SystemVerification"]
    } else {
        &[]
    }
}
