//! Reads the facts about Kubernetes on this node. Every question is bounded; nothing is changed.

mod certificate;
mod cluster;
mod files;

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use hactl_node_plan::command::Command;
use hactl_node_plan::etcd::guard::{EtcdMarker, read_marker};
use hactl_node_plan::etcd::{EtcdCall, EtcdRequest, EtcdView};
use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::kubernetes::{ApiServer, KubernetesFacts, KubernetesFiles};
use hactl_node_plan::kubeadm::config::host_port;
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::output::{self, NodeObject};
use hactl_node_plan::kubeadm::{command, layout};
use hactl_node_plan::plan::NodeContext;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::API_SERVER_PORT;
use hactl_proto::version::KubernetesVersion;

pub use certificate::{ca_fingerprint, ca_fingerprints};
pub use cluster::cluster_objects;
pub use files::files;

use crate::etcd::view;
use crate::guard_etcd::{MARKER, drop_in};
use crate::host::{Host, Question};
use crate::paths::Paths;

/// Reads them all.
pub(super) async fn inspect<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
) -> KubernetesFacts {
    let serving = serving(host, node).await;
    let control_plane = node.role == NodeRole::ControlPlane;
    let files = serving.files.known();
    let admin = files.is_some_and(|files| files.kubeconfigs.contains("admin.conf"));
    let bootstrapped = files.is_some_and(KubernetesFiles::bootstrapped);
    let serves = control_plane && admin && serving.api_server.serves();
    let node_object = if serves {
        node_object(host, &Kubectl::admin(node.address), node).await
    } else if bootstrapped && !control_plane {
        node_object(host, &Kubectl::kubelet(), node).await
    } else {
        Known::Unknown("there is no API server to ask here".to_owned())
    };
    let cluster = if serves {
        cluster_objects(host, node).await
    } else {
        Known::Unknown("there is no API server to ask here".to_owned())
    };
    KubernetesFacts {
        kubeadm: kubeadm_version(host).await,
        node: node_object,
        cluster,
        marker: marker(host, paths).await,
        guarded: guarded(host).await,
        ca_fingerprint: ca_fingerprint(host).await,
        ..serving
    }
}

/// Reads what is here and what serves, and asks the cluster nothing.
pub(super) async fn serving<H: Host>(host: &H, node: &NodeContext) -> KubernetesFacts {
    let files = files(host, node).await;
    let api_server = api_server(host, node.address).await;
    let etcd = match files.known() {
        Some(files) if files.manifests.contains("etcd.yaml") => etcd_view(host).await,
        Some(_) => Known::Is(None),
        None => Known::Unknown("what kubeadm left here could not be read".to_owned()),
    };
    let member = etcd
        .known()
        .and_then(Option::as_ref)
        .and_then(|view| view.list.at(node.address))
        .cloned();
    KubernetesFacts {
        running: running_unit(host).await,
        files,
        api_server,
        etcd,
        member,
        ..KubernetesFacts::default()
    }
}

/// Whether the API server at this address is ready and live, by its own word, verified with the cluster's CA on this node.
pub async fn api_server<H: Host>(host: &H, address: IpAddr) -> ApiServer {
    let base = format!(
        "https://{}",
        host_port(&address.to_string(), API_SERVER_PORT)
    );
    let ask = async |path: &str| {
        let question = Question::Get {
            url: format!("{base}{path}"),
            ca_file: Some(layout::CA.to_owned()),
            identity: None,
        };
        match host.ask(&question).await {
            Ok(answer) => Known::Is(answer.status == 200),
            Err(error) => Known::Unknown(error.to_string()),
        }
    };
    ApiServer {
        ready: ask("/readyz").await,
        live: ask("/livez").await,
    }
}

/// What this node's member says of the whole etcd.
pub async fn etcd_view<H: Host>(host: &H) -> Known<Option<EtcdView>> {
    let endpoint = EtcdCall::local(EtcdRequest::Members).endpoint;
    match view::view(host, &endpoint).await {
        Ok(view) => Known::Is(Some(view)),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// This node's own Node, within that time.
pub async fn own_node<H: Host>(
    host: &H,
    node: &NodeContext,
    limit: Duration,
) -> Known<Option<NodeObject>> {
    let kubectl = match node.role {
        NodeRole::ControlPlane => Kubectl::admin(node.address),
        NodeRole::Worker => Kubectl::kubelet(),
    };
    match host.run(&kubectl.node(&node.node).limit(limit)).await {
        Ok(answer) => output::object(&answer, output::node),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// A Node object, with the rights given.
async fn node_object<H: Host>(
    host: &H,
    kubectl: &Kubectl,
    node: &NodeContext,
) -> Known<Option<NodeObject>> {
    match host.run(&kubectl.node(&node.node)).await {
        Ok(answer) => output::object(&answer, output::node),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

async fn kubeadm_version<H: Host>(host: &H) -> Known<KubernetesVersion> {
    match host.run(&command::version()).await {
        Ok(answer) => output::kubeadm_version(&answer.stdout).map_or_else(
            || Known::Unknown(output::last_line(&answer.stderr)),
            Known::Is,
        ),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// A transient unit of ours in which kubeadm runs now.
async fn running_unit<H: Host>(host: &H) -> Known<Option<String>> {
    let list = Command::new(
        "systemctl",
        [
            "list-units",
            "hactl-*-kubeadm-*.service",
            "--state=activating,active,deactivating,reloading",
            "--plain",
            "--no-legend",
            "--full",
        ],
    );
    match host.run(&list).await {
        Ok(answer) if answer.success() => Known::Is(running_in(&answer.stdout)),
        Ok(answer) => Known::Unknown(output::last_line(&answer.stderr)),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// A unit that ended and is kept for its result is active too, with the sub-state `exited`.
fn running_in(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let words: Vec<&str> = line.split_whitespace().collect();
        let running = words.get(3).is_some_and(|state| *state != "exited");
        running.then(|| words.first()?.strip_suffix(".service").map(str::to_owned))?
    })
}

async fn marker<H: Host>(host: &H, paths: &Paths) -> Known<Option<EtcdMarker>> {
    match host.read(&paths.state.join(MARKER)).await {
        Ok(None) => Known::Is(None),
        Ok(Some(bytes)) => match read_marker(&String::from_utf8_lossy(&bytes)) {
            Ok(marker) => Known::Is(Some(marker)),
            Err(reason) => Known::Unknown(reason),
        },
        Err(error) => Known::Unknown(error.to_string()),
    }
}

async fn guarded<H: Host>(host: &H) -> Known<bool> {
    match host.read(Path::new(layout::GUARD_DROP_IN)).await {
        Ok(bytes) => Known::Is(bytes.as_deref() == Some(drop_in().as_bytes())),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::running_in;

    #[test]
    fn a_unit_that_only_keeps_its_result_does_not_run() {
        let ended = "hactl-a-kubeadm-init.service loaded active exited /usr/bin/kubeadm init\n";
        assert_eq!(running_in(ended), None);
        let running = "hactl-a-kubeadm-init.service loaded active running /usr/bin/kubeadm init\n";
        assert_eq!(
            running_in(&format!("{ended}{running}")),
            Some("hactl-a-kubeadm-init".to_owned())
        );
        assert_eq!(running_in(""), None);
    }
}
