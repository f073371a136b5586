//! What kubeadm and kubectl say, read. Held against captured output of the real programs.

use std::collections::BTreeMap;

use hactl_proto::finding::{Finding, Severity};
use hactl_proto::secret::Secret;
use hactl_proto::version::KubernetesVersion;
use serde::Deserialize;

use crate::command::Output;
use crate::facts::Known;

/// A bootstrap token as it is listed: its Secret's name and what it was made for. Not the token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedToken {
    /// `bootstrap-token-<id>`.
    pub secret: String,
    /// Its description.
    pub description: String,
}

/// A Node as the API has it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NodeObject {
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether its condition `Ready` is `True`.
    pub ready: bool,
    /// What the condition says.
    pub message: String,
    /// Its internal addresses.
    pub addresses: Vec<String>,
    /// Its name.
    pub name: String,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// Whether it is cordoned.
    pub unschedulable: bool,
    /// `status.nodeInfo.kubeletVersion`; `None`: it says none, or one that is no version.
    pub kubelet: Option<KubernetesVersion>,
}

impl NodeObject {
    /// Whether kubeadm marked it as a control plane (`master` up to 1.23).
    pub fn marked_control_plane(&self) -> bool {
        [
            "node-role.kubernetes.io/control-plane",
            "node-role.kubernetes.io/master",
        ]
        .iter()
        .any(|label| self.labels.contains_key(*label))
    }

    /// Whether only the pod network keeps it from being Ready.
    pub fn waits_for_pod_network(&self) -> bool {
        let message = self.message.to_ascii_lowercase();
        !self.ready && (message.contains("networkpluginnotready") || message.contains("cni"))
    }
}

/// `[ERROR Name]: text` and `[WARNING Name]: text` lines as findings. kubeadm exits with 1 or 2 on errors, by version;
/// the lines are on standard error in all of them.
pub fn preflight_findings(output: &Output) -> Vec<Finding> {
    output
        .stderr
        .lines()
        .chain(output.stdout.lines())
        .filter_map(preflight_line)
        .collect()
}

fn preflight_line(line: &str) -> Option<Finding> {
    let rest = line.trim_start().strip_prefix('[')?;
    let (severity, rest) = if let Some(rest) = rest.strip_prefix("ERROR ") {
        (Severity::Refusal, rest)
    } else {
        (Severity::Warning, rest.strip_prefix("WARNING ")?)
    };
    let (name, text) = rest.split_once("]: ")?;
    let known = !name.is_empty()
        && name
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'));
    known.then(|| Finding {
        check: format!("kubeadm-{}", name.to_ascii_lowercase()),
        severity,
        observed: text.trim_end().to_owned(),
        wanted: format!("kubeadm's preflight check {name} holds"),
        remedy: format!(
            "Put right what kubeadm says; if you know that it does no harm here, name {name} under \
             kubernetes.ignorePreflightErrors of the spec."
        ),
        mendable: false,
    })
}

/// A line with which kubeadm says that it does not know, or knows twice, a field of the configuration. It would go on
/// without the field.
pub fn strict_warning(output: &Output) -> Option<&str> {
    output
        .stderr
        .lines()
        .chain(output.stdout.lines())
        .find(|line| {
            line.contains("strict decoding")
                || line.contains("unknown field")
                || (line.contains("strict.go") && line.contains("error unmarshaling"))
        })
}

/// The version in `kubeadm version -o json`.
pub fn kubeadm_version(text: &str) -> Option<KubernetesVersion> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Answer {
        client_version: Client,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Client {
        git_version: String,
    }
    let answer: Answer = serde_json::from_str(text).ok()?;
    answer.client_version.git_version.parse().ok()
}

/// The one line of `kubeadm token create`; warnings may stand around it.
pub fn created_token(text: &str) -> Option<Secret> {
    let token = text.lines().map(str::trim).find(|line| is_token(line))?;
    Some(Secret::new(token))
}

/// `[a-z0-9]{6}.[a-z0-9]{16}`.
pub fn is_token(text: &str) -> bool {
    let word = |part: &str, length| {
        part.len() == length
            && part
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit())
    };
    text.split_once('.')
        .is_some_and(|(id, secret)| word(id, 6) && word(secret, 16))
}

/// The lines of [`Kubectl::bootstrap_tokens`](super::kubectl::Kubectl::bootstrap_tokens).
pub fn listed_tokens(text: &str) -> Vec<ListedToken> {
    text.lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let secret = words.next()?.to_owned();
            let description = words.next().and_then(base64).unwrap_or_default();
            Some(ListedToken {
                secret,
                description,
            })
        })
        .collect()
}

/// One object, or that there is none: kubectl says `NotFound` and exits with 1.
pub fn object<T>(output: &Output, read: impl FnOnce(&str) -> Option<T>) -> Known<Option<T>> {
    if output.success() {
        return read(&output.stdout).map_or_else(
            || Known::Unknown("kubectl's answer could not be read".to_owned()),
            |object| Known::Is(Some(object)),
        );
    }
    if output.stderr.contains("(NotFound)") {
        return Known::Is(None);
    }
    Known::Unknown(last_line(&output.stderr))
}

/// Why a create or replace did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conflict {
    /// Somebody changed or made it first.
    Lost,
    /// Something else.
    Other,
}

/// Tells a lost race from another failure.
pub fn conflict(output: &Output) -> Option<Conflict> {
    if output.success() {
        return None;
    }
    let lost = ["(AlreadyExists)", "(Conflict)", "(NotFound)"];
    Some(if lost.iter().any(|word| output.stderr.contains(word)) {
        Conflict::Lost
    } else {
        Conflict::Other
    })
}

/// Why a failed kubectl or kubeadm may succeed a moment later: the API server was not there, lost its etcd for a moment, or said
/// that it is busy. `None`: it succeeded, or the failure is a word that stands.
pub fn transient(output: &Output) -> Option<String> {
    const WORDS: [&str; 14] = [
        "connection refused",
        "connection reset",
        "was refused",
        "client connection lost",
        "unable to connect",
        "no route to host",
        "i/o timeout",
        "tls handshake timeout",
        "timed out",
        "unexpected eof",
        "etcdserver:",
        "(serviceunavailable)",
        "(internalerror)",
        "(toomanyrequests)",
    ];
    if output.success() {
        return None;
    }
    let said = output.stderr.to_ascii_lowercase();
    let passing = WORDS.iter().any(|word| said.contains(word));
    passing.then(|| last_line(&output.stderr))
}

/// The last line that is not empty.
pub fn last_line(text: &str) -> String {
    text.lines()
        .map(str::trim)
        .rfind(|line| !line.is_empty())
        .unwrap_or("it ended without a word")
        .to_owned()
}

/// A Node from `kubectl get node -o json`.
pub fn node(text: &str) -> Option<NodeObject> {
    serde_json::from_str::<Node>(text).ok().map(Node::object)
}

/// Nodes from `kubectl get nodes -o json`.
pub fn nodes(text: &str) -> Option<Vec<NodeObject>> {
    #[derive(Deserialize)]
    struct List {
        items: Vec<Node>,
    }
    let list: List = serde_json::from_str(text).ok()?;
    Some(list.items.into_iter().map(Node::object).collect())
}

#[derive(Deserialize)]
struct Node {
    metadata: Metadata,
    #[serde(default)]
    spec: Spec,
    #[serde(default)]
    status: Status,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Metadata {
    name: String,
    labels: BTreeMap<String, String>,
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Spec {
    unschedulable: bool,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Status {
    conditions: Vec<Condition>,
    addresses: Vec<Address>,
    node_info: NodeInfo,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct NodeInfo {
    kubelet_version: String,
}

#[derive(Deserialize)]
struct Address {
    #[serde(rename = "type")]
    kind: String,
    address: String,
}

#[derive(Deserialize)]
struct Condition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
    #[serde(default)]
    message: String,
}

impl Node {
    fn object(self) -> NodeObject {
        let conditions = self.status.conditions.into_iter();
        let ready = conditions
            .into_iter()
            .find(|condition| condition.kind == "Ready");
        let addresses = self.status.addresses.into_iter();
        NodeObject {
            name: self.metadata.name,
            labels: self.metadata.labels,
            annotations: self.metadata.annotations,
            unschedulable: self.spec.unschedulable,
            kubelet: self.status.node_info.kubelet_version.parse().ok(),
            ready: ready.as_ref().is_some_and(|ready| ready.status == "True"),
            message: ready.map(|ready| ready.message).unwrap_or_default(),
            addresses: addresses
                .filter(|address| address.kind == "InternalIP")
                .map(|address| address.address)
                .collect(),
        }
    }
}

/// The `data` of a `ConfigMap` from `kubectl get -o json`.
pub fn config_map(text: &str) -> Option<BTreeMap<String, String>> {
    #[derive(Deserialize)]
    struct ConfigMap {
        #[serde(default)]
        data: BTreeMap<String, String>,
    }
    serde_json::from_str::<ConfigMap>(text)
        .ok()
        .map(|map| map.data)
}

/// Standard base64 to text; descriptions are short, a crate would be heavier than these lines.
fn base64(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    let (mut buffer, mut bits) = (0_u32, 0);
    for byte in text.trim_end_matches('=').bytes() {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => return None,
        };
        buffer = (buffer << 6) | u32::from(value);
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push(u8::try_from((buffer >> bits) & 0xff).ok()?);
        }
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests;
