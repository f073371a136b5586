//! Made-up clusters for tests of whoever plans or shows: three control planes and as many workers as wanted, all well.

use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::agent::{AgentSurvey, AgentVersion, PackageFormat};
use hactl_proto::rollout::survey::{
    ClusterSurvey, Installed, MemberSeen, NodeSeen, NodeSurvey, PackageSource,
};
use hactl_proto::status::InstalledVersions;
use hactl_proto::version::KubernetesVersion;

use super::{Policy, Request, Seen, SeenNode};
use crate::observed::Answer;
use crate::observed::samples::{ago, cluster_spec};

/// A version.
pub const fn version(minor: u16, patch: u16) -> KubernetesVersion {
    KubernetesVersion::new(1, minor, patch)
}

/// A request for a version, with the usual policy.
pub fn request(to: KubernetesVersion) -> Request {
    Request {
        to,
        policy: Policy::default(),
        zones: [].into(),
        nodes: [].into(),
    }
}

/// All well at v1.36.2, with `workers` workers dealt out to three zones; v1.36.3, v1.37.1 and v1.38.0 can be had.
///
/// # Panics
/// Never: the names are names.
pub fn seen(workers: usize) -> Seen {
    let now = version(36, 2);
    let mut nodes = Vec::new();
    for (index, name) in ["cp1", "cp2", "cp3"].iter().enumerate() {
        nodes.push(node(name, NodeRole::ControlPlane, index, &now));
    }
    for index in 0..workers {
        nodes.push(node(
            &format!("w{}", index + 1),
            NodeRole::Worker,
            index,
            &now,
        ));
    }
    let cluster = ClusterSurvey {
        version: Some(now.clone()),
        nodes: nodes
            .iter()
            .map(|node| NodeSeen {
                name: node.name.clone(),
                kubelet: Some(now.clone()),
                ready: true,
                cordoned: false,
                cordoned_by_hactl: false,
            })
            .collect(),
        etcd: ["cp1", "cp2", "cp3"].map(member).to_vec(),
        ..ClusterSurvey::default()
    };
    Seen {
        at: ago(0),
        spec: cluster_spec(),
        nodes,
        cluster: Ok(cluster),
    }
}

fn member(name: &str) -> MemberSeen {
    MemberSeen {
        name: name.to_owned(),
        id: format!("a{name}"),
        voter: true,
        complaint: None,
        version: Some("3.6.11".to_owned()),
    }
}

fn name(text: &str) -> NodeName {
    match NodeName::new(text) {
        Ok(name) => name,
        Err(error) => panic!("{error}"),
    }
}

fn node(text: &str, role: NodeRole, index: usize, version: &KubernetesVersion) -> SeenNode {
    let zones = ["a", "b", "c"].map(|zone| ZoneName::new(zone).ok());
    let Some(zone) = zones[index % 3].clone() else {
        panic!("a zone's name is one");
    };
    let pods = [
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
    ];
    let pods = pods.map(|pod| (pod.to_owned(), version.to_string()));
    let etcd = ("etcd".to_owned(), "3.6.11-0".to_owned());
    SeenNode {
        name: name(text),
        role,
        zone,
        capable: true,
        survey: Answer::Said(NodeSurvey {
            node: name(text),
            installed: Installed {
                versions: InstalledVersions {
                    kubeadm: Some(version.clone()),
                    kubelet: Some(version.clone()),
                    kubectl: Some(version.clone()),
                },
                source: PackageSource::Apt,
            },
            offered: Ok(vec![
                version.clone(),
                self::version(36, 3),
                self::version(37, 1),
                self::version(38, 0),
            ]),
            staged: None,
            static_pods: match role {
                NodeRole::ControlPlane => pods.into_iter().chain([etcd]).collect(),
                NodeRole::Worker => [].into(),
            },
            unfinished: None,
            free_bytes: Some(40 << 30),
            certificate_expiry: Some(ago(-86_400 * 200)),
            kubelet_changes: Ok(Vec::new()),
            rotating: Ok([].into()),
            released: [].into(),
            released_unknown: None,
            agent: Some(AgentSurvey {
                runs: AgentVersion {
                    major: 0,
                    minor: 1,
                    patch: 0,
                },
                format: Some(PackageFormat::Deb),
                architecture: "x86_64".to_owned(),
            }),
            cluster: None,
            cluster_unknown: None,
        }),
    }
}
