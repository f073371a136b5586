//! What kubeadm left on the node, by name.

use std::collections::BTreeSet;
use std::path::Path;

use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::kubernetes::KubernetesFiles;
use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::plan::kubernetes::data_dir;

use crate::host::{Host, HostError};

/// Reads what lies in kubeadm's folders.
pub async fn files<H: Host>(host: &H, node: &NodeContext) -> Known<KubernetesFiles> {
    match read(host, data_dir(node)).await {
        Ok(files) => Known::Is(files),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

async fn read<H: Host>(host: &H, data_dir: &str) -> Result<KubernetesFiles, HostError> {
    let wal = Path::new(data_dir).join("member/wal");
    Ok(KubernetesFiles {
        kubeconfigs: names(host, layout::KUBERNETES)
            .await?
            .into_iter()
            .filter(|name| {
                Path::new(name)
                    .extension()
                    .is_some_and(|kind| kind == "conf")
            })
            .collect(),
        manifests: names(host, layout::MANIFESTS).await?,
        pki: names(host, layout::PKI).await?,
        etcd_data: host
            .list(&wal)
            .await?
            .is_some_and(|files| !files.is_empty()),
        kubelet_config: host
            .read(Path::new(layout::KUBELET_CONFIG))
            .await?
            .is_some(),
    })
}

async fn names<H: Host>(host: &H, folder: &str) -> Result<BTreeSet<String>, HostError> {
    let entries = host.list(Path::new(folder)).await?.unwrap_or_default();
    Ok(entries.into_iter().map(|entry| entry.name).collect())
}
