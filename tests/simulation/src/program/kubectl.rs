//! kubectl, as far as the agent uses it, in its own words.

use hactl_node_plan::command::{Command, Input, Output};
use serde_json::{Value, json};

use super::{Run, failed, flag, said};
use crate::boot::{host_of, server_host};
use crate::cluster::Cluster;

/// Flags that have a value of their own.
const WITH_VALUE: [&str; 7] = ["--kubeconfig", "--server", "-n", "-o", "-f", "-l", "-p"];

impl Run<'_> {
    pub(super) fn kubectl(&mut self, command: &Command) -> Output {
        if command
            .arguments
            .first()
            .is_some_and(|word| word == "version")
        {
            let version = &self.machine().kubectl;
            return said(json!({ "clientVersion": { "gitVersion": version } }).to_string());
        }
        let hiccup = self.state.hiccups > 0;
        self.state.hiccups = self.state.hiccups.saturating_sub(1);
        let Some(id) = self.asked_cluster(command).filter(|_| !hiccup) else {
            return failed(
                "The connection to the server was refused - did you specify the right host or port?\n",
            );
        };
        let words = words(command);
        let name = self.name.clone();
        let powered: Vec<(String, bool)> = self
            .state
            .machines
            .iter()
            .map(|(name, machine)| {
                (
                    name.to_string(),
                    machine.runs("kubelet") && self.state.serves_to(id, machine),
                )
            })
            .collect();
        let Some(cluster) = self.state.clusters.get_mut(&id) else {
            return failed(format!("{name}: no such cluster\n"));
        };
        let namespace = flag(command, "-n").unwrap_or_default();
        let input = match &command.input {
            Input::Empty => "",
            Input::Text(text) => text.as_str(),
            Input::Secret(secret) => secret.expose(),
        };
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words.as_slice() {
            ["get", "node" | "nodes"] => {
                let items: Vec<Value> = cluster
                    .of_kind("node", "")
                    .map(|(name, node)| with_status(cluster, name, node, &powered))
                    .collect();
                said(json!({ "kind": "List", "items": items }).to_string())
            }
            ["get", "node" | "nodes", name] => {
                match cluster.objects.get(&Cluster::key("node", "", name)) {
                    Some(node) => said(with_status(cluster, name, node, &powered).to_string()),
                    None => not_found("nodes", name),
                }
            }
            ["get", kind @ ("pods" | "poddisruptionbudgets")] => {
                let node = flag(command, "--field-selector").unwrap_or_default();
                let node = node.trim_start_matches("spec.nodeName=");
                said(everywhere(cluster, kind.trim_end_matches('s'), node))
            }
            ["get"] => said(""),
            ["get", path] if path.starts_with("/api/v1/configmaps?") => {
                said(config_maps(cluster, path))
            }
            ["rollout", "restart", of] => {
                for (name, owner) in pods_of(cluster, namespace, of) {
                    self.state.begin_pod(namespace, &name, &owner);
                }
                said("restarted\n")
            }
            ["patch", "node", name] => {
                patch(cluster, name, flag(command, "-p").unwrap_or_default())
            }
            ["drain", name] => drain(cluster, name),
            ["get", "secrets"]
                if command
                    .arguments
                    .iter()
                    .any(|word| word.contains("bootstrap.kubernetes.io/token")) =>
            {
                said(tokens(cluster, namespace))
            }
            ["get", kinds] => said(names(cluster, namespace, kinds)),
            ["get", kind, name] => {
                match cluster
                    .objects
                    .get(&Cluster::key(singular(kind), namespace, name))
                {
                    Some(object) => said(object.to_string()),
                    None => not_found(&format!("{kind}s"), name),
                }
            }
            ["delete", "node", names @ ..] => delete(cluster, "node", "", names),
            ["delete", kind, names @ ..] => delete(cluster, singular(kind), namespace, names),
            ["label", "node", name, pair] => label(cluster, name, pair),
            ["apply"] => apply(cluster, input),
            ["create"] => create(cluster, input),
            ["replace"] => replace(cluster, input),
            other => failed(format!("error: unknown command {other:?}\n")),
        }
    }

    /// The cluster that answers where the command asks.
    fn asked_cluster(&mut self, command: &Command) -> Option<u64> {
        self.asked_as(flag(command, "--kubeconfig")?, flag(command, "--server"))
    }

    /// The cluster that answers the holder of a kubeconfig, at another server where one is named.
    pub(super) fn asked_as(&mut self, kubeconfig: &str, server: Option<&str>) -> Option<u64> {
        let text = self.tree().text(kubeconfig);
        let host = match server {
            Some(server) if !text.is_empty() => host_of(server)?,
            _ => server_host(&text)?,
        };
        let name = self.name.clone();
        let found = self.state.reached(&name, &host)?;
        let asker = self.state.machine(&name);
        // At the endpoint it may be any: the first that serves.
        let named = host.parse().ok().and_then(|ip| self.state.at(ip));
        let server = named.or_else(|| {
            let mut all = self.state.machines.iter();
            all.find(|(_, one)| self.state.served_by(one).is_some())
        });
        server
            .is_none_or(|(_, server)| server.admits(asker, &text))
            .then_some(found)
    }
}

/// The words that are no flags.
fn words(command: &Command) -> Vec<String> {
    let mut words = Vec::new();
    let mut arguments = command.arguments.iter();
    while let Some(word) = arguments.next() {
        if WITH_VALUE.contains(&word.as_str()) {
            arguments.next();
        } else if !word.starts_with('-') {
            words.push(word.clone());
        }
    }
    words
}

fn singular(kind: &str) -> &str {
    match kind {
        "secrets" => "secret",
        "configmaps" => "configmap",
        "leases" => "lease",
        "nodes" => "node",
        other => other,
    }
}

fn not_found(kind: &str, name: &str) -> Output {
    failed(format!(
        "Error from server (NotFound): {kind} {name:?} not found\n"
    ))
}

/// The Node with its Ready condition: a matter of the machine, not of what is stored.
fn with_status(cluster: &Cluster, name: &str, node: &Value, powered: &[(String, bool)]) -> Value {
    let runs = powered
        .iter()
        .any(|(machine, runs)| machine == name && *runs);
    let (status, message) = match (runs, cluster.has_pod_network()) {
        (true, true) => ("True", "kubelet is posting ready status"),
        (true, false) => (
            "False",
            "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady message:Network plugin returns error: cni plugin not initialized",
        ),
        (false, _) => ("Unknown", "Kubelet stopped posting node status."),
    };
    let mut node = node.clone();
    node["status"]["conditions"] =
        json!([{ "type": "Ready", "status": status, "message": message }]);
    node
}

/// Objects of a kind in all namespaces; pods of one node where it is named.
fn everywhere(cluster: &Cluster, kind: &str, node: &str) -> String {
    let prefix = format!("{kind}/");
    let items: Vec<&Value> = cluster
        .objects
        .iter()
        .filter(|(key, _)| key.starts_with(&prefix))
        .map(|(_, object)| object)
        .filter(|object| node.is_empty() || object["spec"]["nodeName"] == node)
        .collect();
    json!({ "kind": "List", "items": items }).to_string()
}

/// Config maps of a name in all namespaces.
fn config_maps(cluster: &Cluster, path: &str) -> String {
    let name = path.rsplit("%3D").next().unwrap_or_default();
    let wanted = format!("/{name}");
    let maps = cluster.objects.iter();
    let maps = maps.filter(|(key, _)| key.starts_with("configmap/") && key.ends_with(&wanted));
    let items: Vec<&Value> = maps.map(|(_, object)| object).collect();
    json!({ "kind": "ConfigMapList", "items": items }).to_string()
}

/// Pods of an owner, `kind/name`, each with its reference.
fn pods_of(cluster: &Cluster, namespace: &str, owner: &str) -> Vec<(String, Value)> {
    let pods = cluster.of_kind("pod", namespace);
    let pods = pods.filter_map(|(name, pod)| {
        let reference = pod["metadata"]["ownerReferences"][0].clone();
        let kind = reference["kind"].as_str()?.to_ascii_lowercase();
        let own = format!("{kind}/{}", reference["name"].as_str()?);
        (own == owner).then(|| (name.to_owned(), reference))
    });
    pods.collect()
}

/// A merge patch (RFC 7386), two levels deep.
fn patch(cluster: &mut Cluster, name: &str, text: &str) -> Output {
    let Ok(patch) = serde_json::from_str::<Value>(text) else {
        return failed("error: unable to parse the patch\n");
    };
    let Some(node) = cluster.objects.get_mut(&Cluster::key("node", "", name)) else {
        return not_found("nodes", name);
    };
    merge(node, &patch);
    said("patched\n")
}

fn merge(into: &mut Value, patch: &Value) {
    let Value::Object(fields) = patch else {
        *into = patch.clone();
        return;
    };
    if !into.is_object() {
        *into = json!({});
    }
    for (name, value) in fields {
        if value.is_null() {
            if let Some(object) = into.as_object_mut() {
                object.remove(name);
            }
        } else {
            merge(&mut into[name], value);
        }
    }
}

/// Evicts what no budget keeps; a budget of the pod's namespace that allows nothing keeps all of that namespace here.
fn drain(cluster: &mut Cluster, node: &str) -> Output {
    let kept: Vec<String> = cluster
        .objects
        .iter()
        .filter(|(key, object)| {
            key.starts_with("poddisruptionbudget/") && object["status"]["disruptionsAllowed"] == 0
        })
        .filter_map(|(key, _)| key.split('/').nth(1).map(str::to_owned))
        .collect();
    let mut words = String::new();
    cluster.objects.retain(|key, object| {
        let mut parts = key.split('/');
        let here = parts.next() == Some("pod") && object["spec"]["nodeName"] == node;
        let namespace = parts.next().unwrap_or_default();
        if here && kept.iter().any(|one| one == namespace) {
            words = format!(
                "{words}error when evicting pods/{key} (will retry after 5s): Cannot evict pod as it would violate the pod's disruption budget.\n"
            );
        }
        !here || kept.iter().any(|one| one == namespace)
    });
    if words.is_empty() {
        said(format!("node/{node} drained\n"))
    } else {
        failed(words)
    }
}

fn tokens(cluster: &Cluster, namespace: &str) -> String {
    let secrets = cluster.of_kind("secret", namespace);
    let tokens = secrets.filter(|(_, secret)| secret["type"] == "bootstrap.kubernetes.io/token");
    let line = |(name, secret): (&str, &Value)| {
        format!(
            "{name} {}\n",
            secret["data"]["description"].as_str().unwrap_or_default()
        )
    };
    tokens.map(line).collect()
}

fn names(cluster: &Cluster, namespace: &str, kinds: &str) -> String {
    let groups = kinds.split(',').map(|kind| match kind {
        "daemonsets" => "daemonset.apps",
        "deployments" => "deployment.apps",
        other => singular(other),
    });
    groups
        .flat_map(|group| {
            let found = cluster.of_kind(group, namespace);
            found.map(move |(name, _)| format!("{group}/{name}\n"))
        })
        .collect()
}

fn delete(cluster: &mut Cluster, kind: &str, namespace: &str, names: &[&str]) -> Output {
    for name in names {
        cluster.objects.remove(&Cluster::key(kind, namespace, name));
    }
    said("")
}

fn label(cluster: &mut Cluster, name: &str, pair: &str) -> Output {
    let Some(node) = cluster.objects.get_mut(&Cluster::key("node", "", name)) else {
        return not_found("nodes", name);
    };
    if let Some((label, value)) = pair.split_once('=') {
        node["metadata"]["labels"][label] = json!(value);
    }
    said("")
}

fn apply(cluster: &mut Cluster, input: &str) -> Output {
    // A pod network's manifest is YAML and only its being there matters.
    if let Some((key, object)) = parsed(input) {
        cluster.put(key, object);
    }
    said("applied\n")
}

fn create(cluster: &mut Cluster, input: &str) -> Output {
    let Some((key, object)) = parsed(input) else {
        return failed("error: error parsing STDIN\n");
    };
    if cluster.objects.contains_key(&key) {
        return failed(format!(
            "Error from server (AlreadyExists): error when creating \"STDIN\": {key} already exists\n"
        ));
    }
    cluster.put(key, object);
    said("created\n")
}

fn replace(cluster: &mut Cluster, input: &str) -> Output {
    let Some((key, object)) = parsed(input) else {
        return failed("error: error parsing STDIN\n");
    };
    let Some(current) = cluster.objects.get(&key) else {
        // Leases may be created by an update: the API server's AllowCreateOnUpdate (seen with 1.20.2).
        if object["kind"] == "Lease" && object["metadata"]["resourceVersion"].is_null() {
            cluster.put(key, object);
            return said("replaced\n");
        }
        return failed(format!(
            "Error from server (NotFound): error when replacing \"STDIN\": {key} not found\n"
        ));
    };
    let (asked, version) = (
        &object["metadata"]["resourceVersion"],
        &current["metadata"]["resourceVersion"],
    );
    if !asked.is_null() && asked != version {
        return failed(format!(
            "Error from server (Conflict): error when replacing \"STDIN\": Operation cannot be fulfilled on {key}: the object has been modified; please apply your changes to the latest version and try again\n"
        ));
    }
    cluster.put(key, object);
    said("replaced\n")
}

/// An object of JSON, with its key.
fn parsed(input: &str) -> Option<(String, Value)> {
    let object: Value = serde_json::from_str(input).ok()?;
    let kind = object["kind"].as_str()?.to_ascii_lowercase();
    let metadata = &object["metadata"];
    let namespace = metadata["namespace"].as_str().unwrap_or_default();
    let key = Cluster::key(&kind, namespace, metadata["name"].as_str()?);
    Some((key, object))
}
