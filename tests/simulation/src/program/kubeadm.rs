//! kubeadm, as the lab saw 1.36 do it: the same files, objects and words, in the same order.

mod certificates;
mod enter;
mod phase;
mod token;
mod upgrade;

use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::kubeadm::layout;
use serde_json::{Value, json};

use super::{Run, failed, flag, said};
use crate::boot::WAL;
use crate::crash::Interrupted;

/// kubeadm's kubeconfigs of a control plane, besides the kubelet's.
const KUBECONFIGS: [&str; 4] = [
    layout::ADMIN_CONF,
    "/etc/kubernetes/super-admin.conf",
    "/etc/kubernetes/controller-manager.conf",
    "/etc/kubernetes/scheduler.conf",
];

impl Run<'_> {
    pub(super) fn kubeadm(&mut self, command: &Command) -> Result<Output, Interrupted> {
        let words: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        let documents = match self.documents(command) {
            Ok(documents) => documents,
            Err(words) => return Ok(failed(words)),
        };
        match words.as_slice() {
            ["version", ..] => Ok(self.kubeadm_version()),
            ["config", ..] => Ok(said("")),
            [entrance, "phase", "preflight", ..] => Ok(self.preflight(entrance)),
            ["init", "phase", rest @ ..] => self.init_phase(rest, &documents),
            ["join", "phase", rest @ ..] => self.join_phase(rest),
            ["init", ..] => self.init(&documents),
            ["join", ..] => self.join(&documents),
            ["upgrade", rest @ ..] => self.upgrade(rest),
            ["certs", "renew", "all", ..] => self.renew(),
            ["reset", rest @ ..] => {
                let keeps_etcd = rest.iter().any(|word| word.contains("remove-etcd-member"));
                self.reset(keeps_etcd)
            }
            ["token", "create", ..] => Ok(self.create_token(command)),
            ["token", "delete", token] => Ok(self.delete_token(token)),
            _ => Ok(failed(format!(
                "error: unknown command {:?}\n",
                command.line()
            ))),
        }
    }

    fn kubeadm_version(&mut self) -> Output {
        let version = self.machine().version.clone();
        said(json!({ "clientVersion": { "gitVersion": version } }).to_string())
    }

    /// The documents of `--config`; none where there is no such flag.
    fn documents(&mut self, command: &Command) -> Result<Vec<Value>, String> {
        let Some(path) = flag(command, "--config").or_else(|| flag(command, "--old-config")) else {
            return Ok(Vec::new());
        };
        let Some(bytes) = self.tree().read(path) else {
            return Err(format!(
                "unable to read config from {path:?}: open {path}: no such file or directory\n"
            ));
        };
        let text = String::from_utf8_lossy(bytes).into_owned();
        text.split("---\n")
            .filter(|part| !part.trim().is_empty())
            .map(|part| {
                serde_json::from_str(part)
                    .map_err(|error| format!("error converting YAML to JSON: {error}\n"))
            })
            .collect()
    }

    /// kubeadm's preflight: what another run left is in its way.
    fn preflight(&mut self, entrance: &str) -> Output {
        let machine = self.machine();
        let mut errors = String::new();
        let mut complain = |name: &str, text: &str| {
            errors = format!("{errors}\t[ERROR {name}]: {text}\n");
        };
        let mut ports = Vec::new();
        if machine.runs("kubelet") {
            ports.push(10250);
            if machine.tree.exists(layout::MANIFESTS) {
                ports.extend([6443, 10257, 10259, 2379, 2380]);
            }
        }
        for port in ports {
            complain(&format!("Port-{port}"), &format!("Port {port} is in use"));
        }
        for manifest in layout::STATIC_PODS {
            let path = format!("{}/{manifest}", layout::MANIFESTS);
            if machine.tree.exists(&path) {
                let name = format!("FileAvailable--etc-kubernetes-manifests-{manifest}");
                complain(&name, &format!("{path} already exists"));
            }
        }
        if machine.tree.exists(WAL) {
            complain("DirAvailable--var-lib-etcd", "/var/lib/etcd is not empty");
        }
        if entrance == "join" && machine.tree.exists(layout::KUBELET_CONF) {
            let text = format!("{} already exists", layout::KUBELET_CONF);
            complain("FileAvailable--etc-kubernetes-kubelet.conf", &text);
        }
        if errors.is_empty() {
            return said("[preflight] Running pre-flight checks\n");
        }
        failed(format!(
            "error execution phase preflight: [preflight] Some fatal errors occurred:\n{errors}"
        ))
    }

    /// `kubeadm reset --force`: wipes the node, whatever etcd thinks of it. etcd's data goes in the phase that removes the member
    /// (seen with 1.20.2), and stays where that is skipped.
    fn reset(&mut self, keeps_etcd: bool) -> Result<Output, Interrupted> {
        self.machine().service("kubelet").active = false;
        self.machine().started = None;
        self.place("reset: the kubelet is stopped")?;
        self.tree().remove(layout::MANIFESTS);
        self.place("reset: the manifests are gone")?;
        self.tree().remove(layout::PKI);
        self.tree().remove("/var/lib/kubelet");
        self.place("reset: the certificates are gone")?;
        for file in KUBECONFIGS {
            self.tree().remove(file);
        }
        self.tree().remove(layout::KUBELET_CONF);
        self.tree().remove(layout::BOOTSTRAP_KUBELET_CONF);
        self.place("reset: the kubeconfigs are gone")?;
        if !keeps_etcd {
            self.tree().remove("/var/lib/etcd/member");
        }
        Ok(said("[reset] Stopping the kubelet service\n"))
    }
}

/// The document of a kind.
fn document<'a>(documents: &'a [Value], kind: &str) -> Option<&'a Value> {
    documents.iter().find(|document| document["kind"] == kind)
}
