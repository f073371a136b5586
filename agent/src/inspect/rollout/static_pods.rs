//! Which static pods this control plane has, in its manifests and in the container runtime.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::rollout::images;

use super::ask;
use crate::host::Host;

/// Static pods with an image of their own name.
const COMPONENTS: [&str; 4] = [
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
];

/// Tags of the images in the static pods' manifests.
pub async fn manifests<H: Host>(host: &H) -> Result<BTreeMap<String, String>, String> {
    let mut tags = BTreeMap::new();
    for component in COMPONENTS {
        let path = format!("{}/{component}.yaml", layout::MANIFESTS);
        let text = host
            .read(Path::new(&path))
            .await
            .map_err(|error| error.to_string())?;
        let text = String::from_utf8_lossy(&text.unwrap_or_default()).into_owned();
        if let Some(tag) = images::of_manifest(&text, component) {
            tags.insert(component.to_owned(), tag);
        }
    }
    Ok(tags)
}

/// Tags that run, as the container runtime sees them.
pub async fn running<H: Host>(host: &H) -> Result<BTreeMap<String, BTreeSet<String>>, String> {
    let [containers, tasks, digests] = runtime(host).await?;
    Ok(images::running(&containers, &tasks, &digests))
}

/// The ids of a component's containers that run.
pub async fn running_of<H: Host>(host: &H, component: &str) -> Result<BTreeSet<String>, String> {
    let [containers, tasks, digests] = runtime(host).await?;
    Ok(images::running_of(component, &containers, &tasks, &digests))
}

/// The runtime's containers, tasks, and images where they are wanted.
async fn runtime<H: Host>(host: &H) -> Result<[String; 3], String> {
    let (containers, tasks) = (images::containers(), images::tasks());
    let (containers, tasks) = tokio::try_join!(ask(host, &containers), ask(host, &tasks))?;
    let (containers, tasks) = (containers.stdout, tasks.stdout);
    let by_digest = containers.contains(" sha256:");
    let digests = if by_digest {
        ask(host, &images::digests()).await?.stdout
    } else {
        String::new()
    };
    Ok([containers, tasks, digests])
}
