//! A renewal in a copy: the same kubeadm, the same command, in a unit in which `/etc/kubernetes` is a copy on tmpfs. What would fail when
//! it counts is known before. Nothing of the node is changed, and that it is not is looked at too.

use std::path::{Path, PathBuf};

use hactl_node_plan::certificate::renewal::{not_renewed, serials};
use hactl_node_plan::kubeadm::{command, layout};
use hactl_node_plan::plan::renew::unfit;
use hactl_proto::certificate::RenewalRehearsal;
use hactl_proto::finding::Finding;
use hactl_proto::role::NodeRole;

use super::{Inner, Peers};
use crate::causes::chain;
use crate::host::{Host, HostError};
use crate::inspect::certificates::{Ports, certificates, certificates_of_copy};

/// Keys are in the copy: only the agent and root read it.
const MODE: u32 = 0o600;
/// Folders of kubeconfigs, certificates and keys, below `/etc/kubernetes`.
const FOLDERS: [&str; 3] = ["", "pki", "pki/etcd"];

impl<H: Host, P: Peers> Inner<H, P> {
    /// Goes through it. An error: it could not be tried.
    pub(super) async fn rehearse(&self) -> Result<RenewalRehearsal, String> {
        let node = self.operations.node();
        if node.role != NodeRole::ControlPlane {
            return Err("this node is a worker: kubeadm renews nothing on it".to_owned());
        }
        let _turn = self
            .turn
            .try_lock()
            .map_err(|_| "a renewal is under way on this node")?;
        if self.operations.current().is_some() {
            return Err("an operation is under way on this node".to_owned());
        }
        let before = certificates(&*self.host, &node, &self.paths, Ports::Leave).await;
        let mut findings = unfit(&before);
        let copy = self.paths.run.join("rehearsal");
        let tried = self.in_copy(&copy).await;
        let after = certificates_of_copy(&*self.host, &node, &self.paths, &copy).await;
        // Keys are in it: it goes, whatever came of it.
        let gone = self.host.remove(&copy).await;
        gone.map_err(|error| chain(&error))?;
        let words = tried?;
        let known = serials(&before);
        let left = not_renewed(&known, &after);
        if !left.is_empty() {
            findings.push(Finding::refusal(
                "renewal-rehearsal",
                format!("in a copy {}; kubeadm's words: {words}", left.join(", ")),
                "another serial number for every certificate that kubeadm renews",
                "Read kubeadm's words and put the cause right: a renewal when it counts would fail the same way.",
            ));
        }
        let now = certificates(&*self.host, &node, &self.paths, Ports::Leave).await;
        if serials(&now) != known {
            findings.push(Finding::refusal(
                "rehearsal-changed-nothing",
                "serial numbers in /etc/kubernetes are others than before".to_owned(),
                "no change by a rehearsal",
                "Somebody renewed meanwhile, or the unit did not see the copy: restart this node's static pods by `hactl-controller certs renew`.",
            ));
        }
        let renewed = known
            .iter()
            .filter(|(name, serial)| after.named(name).is_some_and(|one| one.serial != **serial))
            .map(|(name, _)| name.clone())
            .collect();
        Ok(RenewalRehearsal {
            node: node.node.clone(),
            at: self.host.now(),
            renewed,
            findings,
        })
    }

    /// Copies, and runs kubeadm on the copy; gives its last words.
    async fn in_copy(&self, copy: &Path) -> Result<String, String> {
        let copied = self.copy_to(copy).await;
        copied.map_err(|error| chain(&error))?;
        // `hactl-*-kubeadm-*` is what the agent looks for to see whether a kubeadm of its own still runs.
        let unit = format!(
            "hactl-rehearsal-{}-kubeadm-certs-renew",
            self.host.now().as_millisecond()
        );
        let from = copy.to_string_lossy();
        let command = command::renew_certificates().unit_with_bind(unit, &from, layout::KUBERNETES);
        let said = self.host.run(&command).await;
        let said = said.map_err(|error| chain(&error))?;
        Ok(crate::execute::last_lines(&said))
    }

    async fn copy_to(&self, copy: &Path) -> Result<(), HostError> {
        self.host.remove(copy).await?;
        for folder in FOLDERS {
            let from: PathBuf = Path::new(layout::KUBERNETES).join(folder);
            let entries = self.host.list(&from).await?.unwrap_or_default();
            for entry in entries.into_iter().filter(|entry| !entry.folder) {
                if let Some(bytes) = self.host.read(&from.join(&entry.name)).await? {
                    let to = copy.join(folder).join(&entry.name);
                    let bytes = zeroize::Zeroizing::new(bytes);
                    self.host.replace(&to, &bytes, MODE).await?;
                }
            }
        }
        Ok(())
    }
}
