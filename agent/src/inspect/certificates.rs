//! Reads every certificate and key of the node, and asks each port what it serves. Nothing is changed.
//!
//! What is read of keys is wiped as soon as the inventory stands.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::task::Poll;

use hactl_node_plan::certificate::inventory::{Material, Subject, further, inventory};
use hactl_node_plan::certificate::place::{FOLDERS, PORTS, SERVICE_ACCOUNT, places, wanted};
use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::plan::NodeContext;
use hactl_node_plan::plan::kubernetes::stacked;
use hactl_proto::certificate::CertificateInventory;
use zeroize::Zeroizing;

use crate::host::{Host, Question};
use crate::paths::Paths;

/// Whether to ask the ports too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ports {
    /// Each one that a node of this role has: up to five seconds.
    Ask,
    /// None.
    Leave,
}

/// Reads them.
pub async fn certificates<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
    ports: Ports,
) -> CertificateInventory {
    look(host, node, paths, ports, None).await
}

/// The same of a copy of `/etc/kubernetes`; no port is asked.
pub async fn certificates_of_copy<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
    copy: &Path,
) -> CertificateInventory {
    look(host, node, paths, Ports::Leave, Some(copy)).await
}

async fn look<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
    ports: Ports,
    copy: Option<&Path>,
) -> CertificateInventory {
    let agent = (
        paths.node_certificate().to_string_lossy().into_owned(),
        paths.node_key().to_string_lossy().into_owned(),
    );
    let mut material = Material::default();
    read(host, copy, &mut material, files(host, &agent).await).await;
    let more = further(&material);
    read(host, copy, &mut material, more).await;
    let manifest = |name: &str| format!("{}/{name}.yaml", layout::MANIFESTS);
    // A manifest may be held for the moment of a restart; the CA's key and admin.conf tell as well.
    let control_plane = there(host, &manifest("kube-apiserver")).await
        || material.files.contains_key(layout::ADMIN_CONF);
    let joined = control_plane || material.files.contains_key(layout::KUBELET_CONF);
    let stacked = stacked(node);
    if ports == Ports::Ask {
        ask(host, node, control_plane, joined, stacked, &mut material).await;
    }
    let subject = Subject {
        node: node.node.clone(),
        at: host.now(),
        wanted: if joined {
            wanted(control_plane, stacked)
        } else {
            Vec::new()
        },
        control_plane,
        agent,
        agent_port: node.spec.policies.agent_port,
    };
    inventory(&subject, &material)
}

/// Every file to look at: those of known places, and what else lies beside them.
async fn files<H: Host>(host: &H, agent: &(String, String)) -> Vec<String> {
    let known = places((&agent.0, &agent.1));
    let mut files: Vec<String> = known
        .into_iter()
        .flat_map(|place| std::iter::once(place.file).chain(place.key))
        .chain([SERVICE_ACCOUNT.0.to_owned(), SERVICE_ACCOUNT.1.to_owned()])
        .collect();
    for folder in FOLDERS {
        let entries = host.list(Path::new(folder)).await.ok().flatten();
        let beside = entries.unwrap_or_default().into_iter().filter(|entry| {
            let end = Path::new(&entry.name).extension();
            !entry.folder && end.is_some_and(|end| end == "crt" || end == "key")
        });
        files.extend(beside.map(|entry| format!("{folder}/{}", entry.name)));
    }
    files.sort();
    files.dedup();
    files
}

async fn read<H: Host>(host: &H, copy: Option<&Path>, material: &mut Material, files: Vec<String>) {
    for file in files {
        let place = match (copy, Path::new(&file).strip_prefix(layout::KUBERNETES)) {
            (Some(copy), Ok(below)) => copy.join(below),
            _ => PathBuf::from(&file),
        };
        match host.read(&place).await {
            Ok(Some(bytes)) => drop(material.files.insert(file, Ok(Zeroizing::new(bytes)))),
            Ok(None) => {}
            Err(error) => drop(material.files.insert(file, Err(error.to_string()))),
        }
    }
}

async fn there<H: Host>(host: &H, file: &str) -> bool {
    matches!(host.stamp(Path::new(file)).await, Ok(Some(_)))
}

/// Asks all ports at once: a process that hangs holds up no answer of another.
async fn ask<H: Host>(
    host: &H,
    node: &NodeContext,
    control_plane: bool,
    joined: bool,
    stacked: bool,
    material: &mut Material,
) {
    let mut asked: Vec<Asked<'_>> = Vec::new();
    for port in PORTS {
        let agent = port.port == 0;
        let etcd = port.by.starts_with("etcd");
        if (!agent && !joined) || (port.control_plane && !control_plane) || (etcd && !stacked) {
            continue;
        }
        let number = if agent {
            node.spec.policies.agent_port
        } else {
            port.port
        };
        let at = if port.loopback {
            IpAddr::V4(Ipv4Addr::LOCALHOST)
        } else {
            node.address
        };
        let question = Question::Certificate {
            of: SocketAddr::new(at, number),
        };
        asked.push(Box::pin(async move {
            let answer = host.ask(&question).await;
            let shown = answer.map(|answer| answer.body);
            (number, shown.map_err(|error| error.to_string()))
        }));
    }
    material.served = together(asked).await;
}

type Asked<'a> = Pin<Box<dyn Future<Output = (u16, Result<Vec<u8>, String>)> + Send + 'a>>;

/// Waits for all of them.
async fn together(mut asked: Vec<Asked<'_>>) -> BTreeMap<u16, Result<Vec<u8>, String>> {
    let mut answers = BTreeMap::new();
    poll_fn(move |cx| {
        asked.retain_mut(|one| match one.as_mut().poll(cx) {
            Poll::Ready((port, answer)) => {
                answers.insert(port, answer);
                false
            }
            Poll::Pending => true,
        });
        if asked.is_empty() {
            Poll::Ready(std::mem::take(&mut answers))
        } else {
            Poll::Pending
        }
    })
    .await
}
