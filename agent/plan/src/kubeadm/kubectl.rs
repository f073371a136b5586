//! kubectl's commands as data: the agent speaks to the API through it, there is no API client in the agent.

use std::net::IpAddr;

use hactl_proto::name::NodeName;
use hactl_proto::spec::API_SERVER_PORT;

use super::config::host_port;
use super::layout;
use crate::certificate::trust::pods::ROOT_CA;
use crate::command::{Command, Input};

/// kubectl with the rights of one kubeconfig.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kubectl {
    kubeconfig: &'static str,
    server: Option<String>,
}

impl Kubectl {
    /// As administrator, at this control plane's own API server, whatever the endpoint does.
    pub fn admin(address: IpAddr) -> Self {
        Self {
            kubeconfig: layout::ADMIN_CONF,
            server: Some(format!(
                "https://{}",
                host_port(&address.to_string(), API_SERVER_PORT)
            )),
        }
    }

    /// As administrator, through the endpoint: for a control plane whose own API server is away.
    pub const fn admin_at_endpoint() -> Self {
        Self {
            kubeconfig: layout::ADMIN_CONF,
            server: None,
        }
    }

    /// As this node's kubelet: it may read and label its own Node.
    pub const fn kubelet() -> Self {
        Self {
            kubeconfig: layout::KUBELET_CONF,
            server: None,
        }
    }

    /// One Node, as JSON.
    pub fn node(&self, name: &NodeName) -> Command {
        self.command(["get", "node", name.as_str(), "-o", "json"])
    }

    /// One object of a namespace, as JSON.
    pub fn object(&self, namespace: &str, kind: &str, name: &str) -> Command {
        self.command(["get", "-n", namespace, kind, name, "-o", "json"])
    }

    /// Names of the objects of these kinds (separated by commas) in a namespace, one `kind/name` a line. No contents.
    pub fn names(&self, namespace: &str, kinds: &str) -> Command {
        self.command(["get", "-n", namespace, kinds, "-o", "name"])
    }

    /// Bootstrap tokens, one `name description-in-base64` a line. The token itself is not asked for.
    pub fn bootstrap_tokens(&self) -> Command {
        self.command([
            "get",
            "-n",
            "kube-system",
            "secrets",
            "--field-selector=type=bootstrap.kubernetes.io/token",
            "-o",
            "jsonpath={range .items[*]}{.metadata.name}{\" \"}{.data.description}{\"\\n\"}{end}",
        ])
    }

    /// Removes objects of a namespace by name; those that are gone are fine.
    pub fn delete<'a>(
        &self,
        namespace: &'a str,
        kind: &'a str,
        names: impl IntoIterator<Item = &'a str>,
    ) -> Command {
        let words = ["delete", "-n", namespace, kind, "--ignore-not-found"];
        self.command(words.into_iter().chain(names))
    }

    /// Removes a Node object; one that is gone is fine.
    pub fn delete_node(&self, name: &NodeName) -> Command {
        self.command(["delete", "node", name.as_str(), "--ignore-not-found"])
    }

    /// Sets a label of a Node.
    pub fn label_node(&self, name: &NodeName, label: &str, value: &str) -> Command {
        let pair = format!("{label}={value}");
        self.command(["label", "node", name.as_str(), &pair, "--overwrite"])
    }

    /// All Nodes, as JSON.
    pub fn nodes(&self) -> Command {
        self.command(["get", "nodes", "-o", "json"])
    }

    /// All pods that run on a Node, or all of the cluster, as JSON.
    pub fn pods(&self, node: Option<&NodeName>) -> Command {
        let selector = node.map(|node| format!("--field-selector=spec.nodeName={node}"));
        let words = ["get", "pods", "--all-namespaces", "-o", "json"];
        self.command(words.into_iter().chain(selector.as_deref()))
    }

    /// The CA that pods of each namespace are given, as the API's own JSON: kubectl leaves out who changed an object when.
    pub fn root_authorities(&self) -> Command {
        let path = format!("/api/v1/configmaps?fieldSelector=metadata.name%3D{ROOT_CA}");
        self.command(["get", "--raw", &path])
    }

    /// The same in secrets of service accounts' tokens (up to 1.23), one `namespace ca time…` a line. No token is asked for.
    pub fn token_secrets(&self) -> Command {
        self.command([
            "get",
            "secrets",
            "--all-namespaces",
            "--field-selector=type=kubernetes.io/service-account-token",
            "-o",
            "jsonpath={range .items[*]}{.metadata.namespace}{\" \"}{.data.ca\\.crt}{\" \"}{.metadata.managedFields[*].time}{\"\\n\"}{end}",
        ])
    }

    /// Has the pods of a deployment, daemon set or stateful set begin anew, as its own strategy says.
    pub fn rollout_restart(&self, kind: &str, namespace: &str, name: &str) -> Command {
        self.command([
            "rollout",
            "restart",
            "-n",
            namespace,
            &format!("{kind}/{name}"),
        ])
    }

    /// All requests for certificates, as JSON.
    pub fn certificate_requests(&self) -> Command {
        self.command(["get", "certificatesigningrequests", "-o", "json"])
    }

    /// Approves a request; the controller manager then signs it.
    pub fn approve_certificate(&self, request: &str) -> Command {
        self.command(["certificate", "approve", request])
    }

    /// All disruption budgets, as JSON.
    pub fn budgets(&self) -> Command {
        self.command([
            "get",
            "poddisruptionbudgets",
            "--all-namespaces",
            "-o",
            "json",
        ])
    }

    /// What the API server counts, in the format of Prometheus.
    pub fn metrics(&self) -> Command {
        self.command(["get", "--raw=/metrics"])
    }

    /// Changes a Node in one write.
    pub fn patch_node(&self, name: &NodeName, patch: &str) -> Command {
        self.command(["patch", "node", name.as_str(), "--type=merge", "-p", patch])
    }

    /// Evicts the pods of a Node that is cordoned already, through the eviction API; ends after `seconds` with a failure where
    /// some are left. Static pods and those of daemon sets stay.
    pub fn drain(
        &self,
        name: &NodeName,
        seconds: u32,
        unmanaged: bool,
        local_data: bool,
    ) -> Command {
        let limit = format!("--timeout={seconds}s");
        let mut words = vec!["drain", name.as_str(), "--ignore-daemonsets", &limit];
        if unmanaged {
            words.push("--force");
        }
        if local_data {
            // Called so since 1.20.
            words.push("--delete-emptydir-data");
        }
        self.command(words)
            .limit(std::time::Duration::from_secs(u64::from(seconds) + 60))
    }

    /// Applies a manifest.
    pub fn apply(&self, manifest: &str) -> Command {
        self.command(["apply", "-f", "-"])
            .input(Input::Text(manifest.to_owned()))
    }

    /// Creates an object; it must not be there.
    pub fn create(&self, object: &str) -> Command {
        self.command(["create", "-f", "-"])
            .input(Input::Text(object.to_owned()))
    }

    /// Replaces an object; with a resourceVersion in it, only if nobody changed it since.
    pub fn replace(&self, object: &str) -> Command {
        self.command(["replace", "-f", "-"])
            .input(Input::Text(object.to_owned()))
    }

    fn command<'a>(&self, words: impl IntoIterator<Item = &'a str>) -> Command {
        let mut all = vec!["--kubeconfig".to_owned(), self.kubeconfig.to_owned()];
        if let Some(server) = &self.server {
            all.extend(["--server".to_owned(), server.clone()]);
        }
        // Without a home folder kubectl would put its cache of the API's kinds at the root of the file system.
        all.extend(["--cache-dir=/run/hactl/kubectl", "--request-timeout=20s"].map(str::to_owned));
        all.extend(words.into_iter().map(str::to_owned));
        Command::new("kubectl", all)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drain_takes_no_more_than_it_was_told_to() {
        let name = NodeName::new("w1").unwrap();
        let words = |unmanaged, local_data| {
            let drain = Kubectl::admin_at_endpoint().drain(&name, 30, unmanaged, local_data);
            let flags = ["--force", "--delete-emptydir-data"];
            flags.map(|flag| drain.arguments.iter().any(|word| word == flag))
        };
        assert_eq!(words(false, false), [false, false]);
        assert_eq!(words(true, false), [true, false]);
        assert_eq!(words(false, true), [false, true]);
    }
}
