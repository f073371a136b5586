//! What holds once a rollout is through.

use std::sync::Mutex;
use std::time::Duration;

use hactl_proto::version::KubernetesVersion;
use hactl_simulation::World;

use super::fleet::NODES;
use super::name;

/// So much virtual time is the end.
const LIMIT: Duration = Duration::from_hours(3);
/// How often what was said is looked at.
const EVERY: Duration = Duration::from_millis(10);

pub(crate) async fn within<T>(story: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, story)
        .await
        .expect("it never ended")
}

/// The end of a story to which trouble comes meanwhile.
pub(crate) async fn beside<T>(
    story: impl Future<Output = T>,
    trouble: impl Future<Output = ()>,
) -> T {
    within(async {
        tokio::select! {
            end = story => end,
            never = async { trouble.await; std::future::pending().await } => never,
        }
    })
    .await
}

/// Waits until a line that fits was said.
pub(crate) async fn heard(said: &Mutex<Vec<String>>, fits: impl Fn(&str) -> bool) {
    while !said.lock().unwrap().iter().any(|line| fits(line)) {
        tokio::time::sleep(EVERY).await;
    }
}

/// What holds once a rollout is through.
pub(crate) fn check(world: &World, target: &KubernetesVersion) {
    let state = world.state();
    let tag = target.to_string();
    assert_eq!(state.clusters.len(), 1);
    let cluster = state.clusters.values().next().unwrap();
    for node in NODES {
        let machine = &state.machines[&name(node)];
        assert_eq!(
            [&machine.version, &machine.kubelet, &machine.kubectl],
            [&tag; 3],
            "{node}"
        );
        for (component, running) in machine
            .pods
            .iter()
            .filter(|(component, _)| *component != "etcd")
        {
            assert_eq!(*running, tag, "{component} on {node}");
        }
        assert!(
            machine.released.is_empty(),
            "{node} lets go of {:?}",
            machine.released
        );
        let object = &cluster.objects[&format!("node//{node}")];
        assert_eq!(
            object["status"]["nodeInfo"]["kubeletVersion"],
            tag.as_str(),
            "{node}"
        );
        assert!(
            object["spec"]["unschedulable"].is_null(),
            "{node} is cordoned"
        );
        let marks = object["metadata"]["annotations"].as_object();
        assert!(
            marks.is_none_or(serde_json::Map::is_empty),
            "{node}: {marks:?}"
        );
    }
    let config = &cluster.objects["configmap/kube-system/kubeadm-config"];
    let config = config["data"]["ClusterConfiguration"].as_str().unwrap();
    assert!(
        config.contains(&format!("kubernetesVersion: {tag}")),
        "{config}"
    );
    let lease = &cluster.objects["lease/kube-system/hactl"];
    assert_eq!(lease["spec"]["holderIdentity"], "");
}
