//! What the kubelet was told.

use hactl_node_plan::facts::machine::kubelet::{
    EXTRA_ARGUMENTS, KubeletFacts, parse_cgroup_driver, parse_driver_argument,
};

use super::reader::{Reader, known};
use crate::host::Host;

pub(super) async fn inspect<H: Host>(read: &mut Reader<'_, H>) -> KubeletFacts {
    let joined = read.stamp("/etc/kubernetes/kubelet.conf").await;
    let config = read.text("/var/lib/kubelet/config.yaml").await;
    KubeletFacts {
        joined: known(joined.map(|stamp| stamp.is_some())),
        cgroup_driver: known(config.map(|text| parse_cgroup_driver(&text?))),
        cgroup_driver_argument: known(argument(read).await),
    }
}

async fn argument<H: Host>(read: &Reader<'_, H>) -> Result<Option<String>, String> {
    for path in EXTRA_ARGUMENTS {
        let text = read.text(path).await?.unwrap_or_default();
        if let Some(driver) = parse_driver_argument(&text) {
            return Ok(Some(driver));
        }
    }
    Ok(None)
}
