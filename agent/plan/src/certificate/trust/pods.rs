//! Pods, and what they were given to believe. A pod is given the cluster's CA as a file that follows a config map, or, with Kubernetes up to
//! 1.23, a token's secret; what runs in it reads the file when it begins, and not again. So what began before the file was changed has
//! to begin anew. Nothing of it is remembered: the API says when an object was changed, and when a container began.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::Timestamp;
use hactl_proto::rotation::{Fingerprint, PodsSeen};
use serde::Deserialize;
use serde_json::Value;

use super::{certificates, fingerprint};

/// The config map that the controller manager keeps in every namespace (1.20 and newer).
pub const ROOT_CA: &str = "kube-root-ca.crt";
/// Where pods find it, with a token.
const MOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// A kubelet takes up to two minutes to renew a file that a pod has mounted, and clocks differ.
pub const MARGIN_SECONDS: i64 = 180;
/// Kinds of owners that can be told to have their pods begin anew.
const RESTARTED: [&str; 3] = ["deployment", "daemonset", "statefulset"];

/// Of one object that holds a CA: its namespace, what it holds, when it was changed last.
struct Given {
    namespace: String,
    holds: BTreeSet<Fingerprint>,
    changed: Timestamp,
}

#[derive(Deserialize)]
struct List {
    #[serde(default)]
    items: Vec<Value>,
}

/// What pods were given: `maps` is the API's list of the config maps, `secrets` the lines of
/// [`Kubectl::token_secrets`](crate::kubeadm::kubectl::Kubectl::token_secrets), `pods` its list of all pods.
pub fn pods(maps: &str, secrets: &str, pods: &str) -> PodsSeen {
    match read(maps, secrets, pods) {
        Ok(seen) => seen,
        Err(reason) => unknown(reason),
    }
}

/// Nothing of it could be read.
pub fn unknown(reason: String) -> PodsSeen {
    PodsSeen {
        unknown: Some(reason),
        ..PodsSeen::default()
    }
}

fn read(maps: &str, secrets: &str, pods: &str) -> Result<PodsSeen, String> {
    let wrong = |what: &str| format!("the API's list of {what} can't be read");
    let maps: List = serde_json::from_str(maps).map_err(|_| wrong("config maps"))?;
    let pods: List = serde_json::from_str(pods).map_err(|_| wrong("pods"))?;
    let mut all = Vec::new();
    for map in &maps.items {
        all.push(map_given(map).ok_or_else(|| wrong("config maps"))?);
    }
    for line in secrets.lines().filter(|line| !line.trim().is_empty()) {
        all.push(secret_given(line).ok_or_else(|| wrong("tokens"))?);
    }
    let mut each = all.iter().map(|one| one.holds.clone());
    let first = each
        .next()
        .ok_or_else(|| format!("there is no config map {ROOT_CA}"))?;
    let given = each.fold(first, |both, one| {
        both.intersection(&one).cloned().collect()
    });
    let mut since: BTreeMap<&str, Timestamp> = BTreeMap::new();
    for one in &all {
        let known = since.entry(&one.namespace).or_insert(one.changed);
        *known = (*known).max(one.changed);
    }
    let mut older = BTreeSet::new();
    for pod in pods.items.iter().filter(|pod| believes(pod)) {
        let namespace = pod["metadata"]["namespace"].as_str().unwrap_or_default();
        let Some(began) = began(pod) else { continue };
        let changed = since
            .get(namespace)
            .ok_or_else(|| format!("{namespace} has no config map {ROOT_CA}"))?;
        if began.as_second() < changed.as_second() + MARGIN_SECONDS {
            older.insert(owner(pod));
        }
    }
    Ok(PodsSeen {
        given,
        changed: since.into_values().max(),
        older,
        unknown: None,
    })
}

fn holds(pem: &[u8]) -> Option<BTreeSet<Fingerprint>> {
    let all = certificates(pem).ok()?;
    Some(all.iter().filter_map(fingerprint).collect())
}

fn map_given(map: &Value) -> Option<Given> {
    let metadata = &map["metadata"];
    let times = metadata["managedFields"].as_array()?;
    let times = times.iter().filter_map(|one| one["time"].as_str());
    Some(Given {
        namespace: metadata["namespace"].as_str()?.to_owned(),
        holds: holds(map["data"]["ca.crt"].as_str()?.as_bytes())?,
        changed: times.filter_map(|time| time.parse().ok()).max()?,
    })
}

/// `namespace ca-in-base64 time…`
fn secret_given(line: &str) -> Option<Given> {
    let mut words = line.split_whitespace();
    let namespace = words.next()?.to_owned();
    let pem = data_encoding::BASE64
        .decode(words.next()?.as_bytes())
        .ok()?;
    let holds = holds(&pem)?;
    let changed = words.filter_map(|time| time.parse().ok()).max()?;
    Some(Given {
        namespace,
        holds,
        changed,
    })
}

/// Whether something in it is given the CA, and still runs or may run again.
fn believes(pod: &Value) -> bool {
    let ended = matches!(
        pod["status"]["phase"].as_str(),
        Some("Succeeded" | "Failed")
    );
    let containers = pod["spec"]["containers"].as_array().into_iter().flatten();
    let mut mounts =
        containers.flat_map(|one| one["volumeMounts"].as_array().into_iter().flatten());
    let mounted = mounts.any(|mount| mount["mountPath"] == MOUNT);
    let volumes = pod["spec"]["volumes"].as_array().into_iter().flatten();
    let named = volumes
        .flat_map(|volume| {
            let sources = volume["projected"]["sources"].as_array();
            sources.into_iter().flatten().chain([volume])
        })
        .any(|source| source["configMap"]["name"] == ROOT_CA);
    !ended && (mounted || named)
}

/// When the first of its containers that run began; `None`: none runs yet.
fn began(pod: &Value) -> Option<Timestamp> {
    let statuses = pod["status"]["containerStatuses"].as_array()?;
    let times = statuses
        .iter()
        .filter_map(|one| one["state"]["running"]["startedAt"].as_str());
    times.filter_map(|time| time.parse().ok()).min()
}

/// `kind/namespace/name` of what would make another in its place; of the pod itself where nothing would.
fn owner(pod: &Value) -> String {
    let metadata = &pod["metadata"];
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let namespace = text(&metadata["namespace"]);
    let owners = metadata["ownerReferences"].as_array();
    let owner = owners.and_then(|all| {
        all.iter()
            .find(|one| one["controller"] == true)
            .or(all.first())
    });
    let Some(owner) = owner else {
        return format!("pod/{namespace}/{}", text(&metadata["name"]));
    };
    let (mut kind, mut name) = (
        text(&owner["kind"]).to_ascii_lowercase(),
        text(&owner["name"]),
    );
    // A replica set that a deployment made bears the hash of its pods' template.
    let hash = text(&metadata["labels"]["pod-template-hash"]);
    if kind == "replicaset"
        && let Some(deployment) = name
            .strip_suffix(&format!("-{hash}"))
            .filter(|_| !hash.is_empty())
    {
        (kind, name) = ("deployment".to_owned(), deployment.to_owned());
    }
    format!("{kind}/{namespace}/{name}")
}

/// Whether what begins now is given what [`PodsSeen::given`] says, everywhere.
pub fn settled(seen: &PodsSeen, now: Timestamp) -> bool {
    let changed = seen.changed.map(|at| at.as_second() + MARGIN_SECONDS);
    changed.is_some_and(|at| now.as_second() >= at)
}

/// Kind, namespace and name of an owner that can be told to have its pods begin anew; `None`: somebody else has to.
pub fn restarted(owner: &str) -> Option<(&str, &str, &str)> {
    let mut parts = owner.splitn(3, '/');
    let (kind, namespace, name) = (parts.next()?, parts.next()?, parts.next()?);
    RESTARTED.contains(&kind).then_some((kind, namespace, name))
}

#[cfg(test)]
mod tests {
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use serde_json::json;

    use super::*;

    fn ca() -> String {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .self_signed(&KeyPair::generate().unwrap())
            .unwrap()
            .pem()
    }

    fn map(namespace: &str, pem: &str, time: &str) -> Value {
        json!({ "metadata": { "namespace": namespace, "managedFields": [{ "time": time }] }, "data": { "ca.crt": pem } })
    }

    fn pod(name: &str, owner: &Value, began: &str) -> Value {
        json!({
            "metadata": { "namespace": "shop", "name": name, "labels": { "pod-template-hash": "5d9" }, "ownerReferences": owner },
            "spec": { "containers": [{ "volumeMounts": [{ "mountPath": MOUNT }] }] },
            "status": { "phase": "Running", "containerStatuses": [{ "state": { "running": { "startedAt": began } } }] },
        })
    }

    fn list(items: &[Value]) -> String {
        json!({ "items": items }).to_string()
    }

    #[test]
    fn what_began_before_the_change_or_soon_after_it_is_named_by_its_owner() {
        let (old, new) = (ca(), ca());
        let both = format!("{old}{new}");
        let at = "2026-11-29T14:00:00Z";
        let maps = list(&[map("shop", &both, at), map("default", &both, at)]);
        let owned =
            |kind: &str, name: &str| json!([{ "kind": kind, "name": name, "controller": true }]);
        let (before, soon, after) = (
            "2026-11-29T13:00:00Z",
            "2026-11-29T14:02:59Z",
            "2026-11-29T14:03:00Z",
        );
        let mut unmounted = pod("quiet", &Value::Null, before);
        unmounted["spec"] = json!({ "containers": [{}] });
        let mut ended = pod("job", &Value::Null, before);
        ended["status"]["phase"] = json!("Succeeded");
        let all = list(&[
            pod("a", &owned("ReplicaSet", "web-5d9"), before),
            pod("b", &owned("DaemonSet", "log"), soon),
            pod("c", &owned("StatefulSet", "db"), after),
            pod("d", &Value::Null, before),
            unmounted,
            ended,
        ]);
        let seen = pods(&maps, "", &all);
        assert_eq!(seen.unknown, None);
        assert_eq!(seen.given.len(), 2);
        let older: Vec<&str> = seen.older.iter().map(String::as_str).collect();
        assert_eq!(
            older,
            ["daemonset/shop/log", "deployment/shop/web", "pod/shop/d"]
        );
        assert_eq!(restarted(older[1]), Some(("deployment", "shop", "web")));
        assert_eq!(restarted(older[2]), None);
        // A secret that was changed later, and one that was not changed yet.
        let encoded = |pem: &str| data_encoding::BASE64.encode(pem.as_bytes());
        let secrets = format!("shop {} {before} 2026-11-29T14:30:00Z\n", encoded(&both));
        assert!(
            pods(&maps, &secrets, &all)
                .older
                .contains("statefulset/shop/db")
        );
        let secrets = format!("kube-system {} {before}\n", encoded(&old));
        assert_eq!(pods(&maps, &secrets, &all).given.len(), 1);
    }

    #[test]
    fn what_can_t_be_read_is_unknown() {
        let at = "2026-11-29T14:00:00Z";
        let maps = list(&[map("default", &ca(), at)]);
        for (maps, secrets, all) in [
            ("", "", r#"{"items":[]}"#),
            (maps.as_str(), "shop", r#"{"items":[]}"#),
            (maps.as_str(), "", "garbage"),
            (r#"{"items":[]}"#, "", r#"{"items":[]}"#),
            // Its namespace was given nothing yet.
            (maps.as_str(), "", &list(&[pod("a", &Value::Null, at)])),
        ] {
            assert!(
                pods(maps, secrets, all).unknown.is_some(),
                "{maps} {secrets} {all}"
            );
        }
    }

    #[test]
    fn a_ca_that_is_mounted_from_its_map_counts_and_other_maps_do_not() {
        let at = "2026-11-29T14:00:00Z";
        let maps = list(&[map("shop", &ca(), at)]);
        let with = |volume: &Value| {
            let mut one = pod("a", &Value::Null, at);
            one["spec"] = json!({ "containers": [{}], "volumes": [volume] });
            pods(&maps, "", &list(&[one])).older.len()
        };
        let named = |name: &str| json!({ "configMap": { "name": name } });
        assert_eq!(with(&named(ROOT_CA)), 1);
        assert_eq!(with(&named("settings")), 0);
        let projected = json!({ "projected": { "sources": [named("settings"), named(ROOT_CA)] } });
        assert_eq!(with(&projected), 1);
    }

    #[test]
    fn the_owner_is_the_controller_where_one_of_them_is() {
        let owners = json!([
            { "kind": "Node", "name": "cp1" },
            { "kind": "DaemonSet", "name": "log", "controller": true },
        ]);
        let at = "2026-11-29T14:00:00Z";
        assert_eq!(owner(&pod("a", &owners, at)), "daemonset/shop/log");
        let none = json!([{ "kind": "Node", "name": "cp1" }, { "kind": "Node", "name": "cp2" }]);
        assert_eq!(owner(&pod("a", &none, at)), "node/shop/cp1");
    }

    #[test]
    fn what_was_given_is_settled_once_every_kubelet_had_its_time() {
        let changed: Timestamp = "2026-11-29T14:00:00Z".parse().unwrap();
        let seen = PodsSeen {
            changed: Some(changed),
            ..PodsSeen::default()
        };
        let after = |seconds| Timestamp::from_second(changed.as_second() + seconds).unwrap();
        assert!(!settled(&seen, after(MARGIN_SECONDS - 1)));
        assert!(settled(&seen, after(MARGIN_SECONDS)));
        assert!(!settled(&PodsSeen::default(), after(MARGIN_SECONDS)));
    }
}
