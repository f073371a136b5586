//! What holds once a rollout is through.

use std::path::Path;
use std::sync::Mutex;
use std::time::Duration;

use hactl_proto::version::KubernetesVersion;
use hactl_simulation::{Machine, World};

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

/// What holds once a control plane's certificates are renewed: another serial number in each file, each process begun anew with it,
/// each manifest back.
pub(crate) fn renewed(machine: &Machine) -> Result<(), String> {
    let ensure = |holds: bool, what: String| if holds { Ok(()) } else { Err(what) };
    for file in [
        "pki/apiserver.crt",
        "pki/apiserver-etcd-client.crt",
        "pki/etcd/server.crt",
        "pki/etcd/peer.crt",
        "pki/front-proxy-client.crt",
        "admin.conf",
        "super-admin.conf",
        "controller-manager.conf",
        "scheduler.conf",
    ] {
        let now = machine.tree.text(format!("/etc/kubernetes/{file}"));
        let kept = format!("/var/lib/hactl/certificates/kept/etc/kubernetes/{file}");
        let before = machine.tree.text(kept);
        ensure(
            !now.is_empty() && !before.is_empty(),
            format!("{file} is not there twice"),
        )?;
        ensure(now != before, format!("{file} is not renewed"))?;
    }
    for (component, file) in [
        ("etcd", "pki/etcd/server.crt"),
        ("kube-apiserver", "pki/apiserver.crt"),
        ("kube-controller-manager", "controller-manager.conf"),
        ("kube-scheduler", "scheduler.conf"),
    ] {
        let now = machine.tree.text(format!("/etc/kubernetes/{file}"));
        ensure(
            machine.pods.contains_key(component),
            format!("{component} does not run"),
        )?;
        ensure(
            machine.holds.get(component) == Some(&now),
            format!("{component} holds the old one"),
        )?;
    }
    let held = machine
        .tree
        .list(Path::new("/var/lib/hactl/certificates/manifests"));
    ensure(
        held.is_none_or(|held| held.is_empty()),
        "a manifest is held".to_owned(),
    )?;
    let progress = machine
        .tree
        .text("/var/lib/hactl/certificates/renewal.json");
    ensure(
        progress.contains("\"finished\": true"),
        "it is not recorded as finished".to_owned(),
    )
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
