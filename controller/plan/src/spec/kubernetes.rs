//! `spec.kubernetes`: the release, its images, and what is added to the components' configuration.

use std::collections::BTreeMap;

use hactl_proto::spec::KubernetesSpec;
use hactl_proto::version::KubernetesVersion;
use serde_json::{Map, Value as Json};

use super::document::Content;
use super::field::{Fields, Value};
use super::free_form;
use super::problem::Problems;

/// Fields of `spec.kubernetes`.
pub(crate) const FIELDS: &[&str] = &[
    "version",
    "imageRepository",
    "apiServer",
    "kubelet",
    "kubeProxy",
    "ignorePreflightErrors",
];
/// Fields of `spec.kubernetes.apiServer`.
pub(crate) const API_SERVER_FIELDS: &[&str] = &["extraArgs", "certSANs"];

/// The minors of Kubernetes 1 whose kubeadm hactl knows.
const MINORS: std::ops::RangeInclusive<u16> = 20..=37;

pub(crate) fn read(body: &Fields<'_>, problems: &mut Problems) -> Option<KubernetesSpec> {
    let section = body.require("kubernetes", "it names the release to run", problems)?;
    let fields = Fields::open(&section, FIELDS, problems)?;
    let version = fields
        .require(
            "version",
            "kubeadm would ask the internet for the newest release otherwise",
            problems,
        )
        .and_then(|value| version(&value, problems));
    let image_repository = fields
        .get("imageRepository")
        .and_then(|value| repository(&value, problems));
    let (api_server_args, api_server_sans) = fields
        .get("apiServer")
        .and_then(|value| api_server(&value, problems))
        .unwrap_or_default();
    let kubelet = fields
        .get("kubelet")
        .and_then(|value| component(&value, problems))
        .unwrap_or_default();
    if let Some(section) = fields.get("kubelet") {
        cgroup_driver(&section, problems);
    }
    let kube_proxy = fields
        .get("kubeProxy")
        .and_then(|value| component(&value, problems))
        .unwrap_or_default();
    let ignore_preflight_errors = fields
        .get("ignorePreflightErrors")
        .map(|value| ignored(&value, problems))
        .unwrap_or_default();
    Some(KubernetesSpec {
        version: version?,
        image_repository,
        api_server_args,
        api_server_sans,
        kubelet,
        kube_proxy,
        ignore_preflight_errors,
    })
}

fn version(value: &Value<'_>, problems: &mut Problems) -> Option<KubernetesVersion> {
    let text = value.text("a version such as v1.36.2", problems)?;
    let Ok(version) = text.parse::<KubernetesVersion>() else {
        let bare = text.strip_prefix('v').unwrap_or(text);
        let numbers = bare
            .split('.')
            .all(|part| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit()));
        let what = if numbers && bare.matches('.').count() == 1 {
            format!("{text:?} lacks the patch release")
        } else {
            format!("{text:?} is not a version")
        };
        let why =
            "all nodes must run exactly the same release, and nothing is looked up on the internet";
        value.error(
            what,
            why,
            "write the version whole, such as v1.36.2",
            problems,
        );
        return None;
    };
    if version.major != 1 || !MINORS.contains(&version.minor) {
        let (least, most) = (MINORS.start(), MINORS.end());
        let what = format!("{version} is outside v1.{least} to v1.{most}");
        let why =
            "hactl writes kubeadm's configuration in a form that it knows the release to read";
        let remedy = format!(
            "choose a release from v1.{least} to v1.{most}, or a hactl that knows this one"
        );
        value.error(what, why, remedy, problems);
        return None;
    }
    Some(version)
}

fn repository(value: &Value<'_>, problems: &mut Problems) -> Option<String> {
    let text = value.text(
        "a registry with its path, such as registry.example.org/k8s",
        problems,
    )?;
    let odd = text.is_empty()
        || text.contains("://")
        || text.chars().any(|c| c.is_whitespace() || c.is_control());
    if odd {
        let why = "image names are made as REPOSITORY/kube-apiserver:VERSION";
        value.error(
            format!("{text:?} is no repository"),
            why,
            "write it as registry.example.org/k8s",
            problems,
        );
        return None;
    }
    Some(text.trim_end_matches('/').to_owned())
}

fn api_server(
    value: &Value<'_>,
    problems: &mut Problems,
) -> Option<(BTreeMap<String, String>, Vec<String>)> {
    let fields = Fields::open(value, API_SERVER_FIELDS, problems)?;
    let args = fields
        .get("extraArgs")
        .map(|value| arguments(&value, problems))
        .unwrap_or_default();
    let sans = fields
        .get("certSANs")
        .map(|value| texts(&value, "a list of names and addresses", problems));
    Some((args, sans.unwrap_or_default()))
}

fn arguments(value: &Value<'_>, problems: &mut Problems) -> BTreeMap<String, String> {
    let entries = value
        .entries("a mapping of flag to value", problems)
        .unwrap_or_default();
    let mut arguments = BTreeMap::new();
    for (flag, value) in entries {
        if flag.value.starts_with('-') {
            let remedy = format!("write {}", flag.value.trim_start_matches('-'));
            let what = format!("{:?} starts with a dash", flag.value);
            problems.error(
                flag.at,
                &flag.path,
                what,
                "kubeadm puts the dashes itself",
                remedy,
            );
        } else if let Some(text) = value.text("the flag's value as text", problems) {
            contradiction(flag.value, text, &value, problems);
            arguments.insert(flag.value.to_owned(), text.to_owned());
        }
    }
    arguments
}

/// Flags that would undo what hactl stands on.
fn contradiction(flag: &str, text: &str, value: &Value<'_>, problems: &mut Problems) {
    let why = match (flag, text) {
        ("secure-port", port) if port != "6443" => {
            "kubeadm and the load balancer expect the API server on 6443"
        }
        ("anonymous-auth", "false") => {
            "health is asked of /readyz and /livez without credentials, before a node has any: every API server \
             would count as unhealthy"
        }
        ("etcd-servers" | "advertise-address", _) => {
            "kubeadm sets it on each node from etcd's place and the node's address"
        }
        _ => return,
    };
    value.error(
        format!("--{flag}={text} would break the cluster"),
        why,
        "remove it",
        problems,
    );
}

/// A part of a component's configuration, except for what hactl writes there itself.
fn component(value: &Value<'_>, problems: &mut Problems) -> Option<Map<String, Json>> {
    for (key, _) in value.entries("a mapping of the component's own fields", problems)? {
        if matches!(key.value, "apiVersion" | "kind") {
            let why = "the document's version and kind are chosen for the release";
            problems.error(key.at, &key.path, "is written by hactl", why, "remove it");
        }
    }
    match value.content() {
        Content::Map(entries) => Some(free_form::object(entries)),
        _ => None,
    }
}

fn cgroup_driver(section: &Value<'_>, problems: &mut Problems) {
    let Content::Map(entries) = section.content() else {
        return;
    };
    let driver = entries.iter().find(|entry| entry.key == "cgroupDriver");
    if let Some(Content::Scalar { text, .. }) = driver.map(|entry| &entry.value.content)
        && text != "systemd"
        && let Some(at) = driver.map(|entry| entry.value.at)
    {
        let why =
            "the agents keep containerd on the systemd driver, and kubelet and runtime must agree";
        let path = format!("{}.cgroupDriver", section.path());
        problems.error(
            at,
            &path,
            format!("{text:?} is not systemd"),
            why,
            "remove it",
        );
    }
}

fn ignored(value: &Value<'_>, problems: &mut Problems) -> Vec<String> {
    let names = texts(
        value,
        "a list of names of kubeadm's preflight checks",
        problems,
    );
    if names.iter().any(|name| name.eq_ignore_ascii_case("all")) {
        let why = "a node that cannot work is then found out only when it does not";
        let remedy = "name the checks that you mean, such as NumCPU";
        problems.warn(
            value.at(),
            value.path(),
            "every preflight check of kubeadm is ignored",
            why,
            remedy,
        );
    }
    names
}

fn texts(value: &Value<'_>, wanted: &str, problems: &mut Problems) -> Vec<String> {
    let items = value.list(wanted, problems).unwrap_or_default();
    items
        .iter()
        .filter_map(|item| item.text("a text", problems))
        .map(str::to_owned)
        .collect()
}
