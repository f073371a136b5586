//! `PodDisruptionBudget`s and pods as `kubectl get -o json` shows them: which budget keeps which pods, and who owns those.

use std::collections::BTreeMap;

use hactl_proto::rollout::survey::Budget;
use serde::Deserialize;

/// A pod, as far as a drain is concerned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pod {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// The node that it runs on; empty while it is not scheduled.
    pub node: String,
    /// Its controller, as `ReplicaSet/web-5d4f`.
    pub owner: Option<String>,
    /// A drain leaves it: it belongs to the node (static), to a daemon set, or has ended.
    pub stays: bool,
}

#[derive(Deserialize)]
struct List<T> {
    items: Vec<T>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Metadata {
    #[serde(default)]
    namespace: String,
    name: String,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
    #[serde(default)]
    owner_references: Vec<Owner>,
}

#[derive(Deserialize)]
struct Owner {
    kind: String,
    name: String,
    #[serde(default)]
    controller: bool,
}

/// Reads pods.
pub fn pods(text: &str) -> Option<Vec<Pod>> {
    #[derive(Deserialize)]
    struct Item {
        metadata: Metadata,
        #[serde(default)]
        spec: Spec,
        #[serde(default)]
        status: Status,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Spec {
        node_name: String,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Status {
        phase: String,
    }
    let list: List<Item> = serde_json::from_str(text).ok()?;
    let pod = |item: Item| {
        let owner = item
            .metadata
            .owner_references
            .into_iter()
            .find(|owner| owner.controller);
        let mirror = item
            .metadata
            .annotations
            .contains_key("kubernetes.io/config.mirror");
        let daemon = owner
            .as_ref()
            .is_some_and(|owner| owner.kind == "DaemonSet");
        let ended = ["Succeeded", "Failed"].contains(&item.status.phase.as_str());
        Pod {
            namespace: item.metadata.namespace,
            name: item.metadata.name,
            labels: item.metadata.labels,
            node: item.spec.node_name,
            owner: owner.map(|owner| format!("{}/{}", owner.kind, owner.name)),
            stays: mirror || daemon || ended,
        }
    };
    Some(list.items.into_iter().map(pod).collect())
}

/// The budgets that allow no disruption now and have pods that a drain would evict.
pub fn blocking(budgets: &str, pods: &[Pod]) -> Option<Vec<Budget>> {
    #[derive(Deserialize)]
    struct Item {
        metadata: Metadata,
        #[serde(default)]
        spec: Spec,
        #[serde(default)]
        status: Status,
    }
    #[derive(Deserialize, Default)]
    #[serde(default)]
    struct Spec {
        selector: Option<Selector>,
    }
    #[derive(Deserialize, Default)]
    #[serde(rename_all = "camelCase", default)]
    struct Status {
        disruptions_allowed: i64,
    }
    let list: List<Item> = serde_json::from_str(budgets).ok()?;
    let closed = list
        .items
        .into_iter()
        .filter(|item| item.status.disruptions_allowed <= 0);
    let budget = |item: Item| {
        let selector = item.spec.selector.unwrap_or_default();
        let kept: Vec<&Pod> = pods
            .iter()
            .filter(|pod| !pod.stays && pod.namespace == item.metadata.namespace)
            .filter(|pod| !pod.node.is_empty() && selector.matches(&pod.labels))
            .collect();
        let owner = kept.iter().find_map(|pod| pod.owner.clone());
        (!kept.is_empty()).then(|| Budget {
            name: format!("{}/{}", item.metadata.namespace, item.metadata.name),
            owner: owner.unwrap_or_default(),
            pods: kept
                .iter()
                .map(|pod| (pod.name.clone(), pod.node.clone()))
                .collect(),
        })
    };
    Some(closed.filter_map(budget).collect())
}

/// A label selector. An empty one selects everything (policy/v1; nothing in v1beta1, where such a budget never counted).
#[derive(Deserialize, Default)]
#[serde(rename_all = "camelCase", default)]
struct Selector {
    match_labels: BTreeMap<String, String>,
    match_expressions: Vec<Expression>,
}

#[derive(Deserialize)]
struct Expression {
    key: String,
    operator: String,
    #[serde(default)]
    values: Vec<String>,
}

impl Selector {
    fn matches(&self, labels: &BTreeMap<String, String>) -> bool {
        let equal = self
            .match_labels
            .iter()
            .all(|(key, value)| labels.get(key) == Some(value));
        equal
            && self
                .match_expressions
                .iter()
                .all(|expression| expression.holds(labels))
    }
}

impl Expression {
    /// An operator that is not known counts as holding: the budget is named rather than overlooked.
    fn holds(&self, labels: &BTreeMap<String, String>) -> bool {
        let value = labels.get(&self.key);
        match self.operator.as_str() {
            "In" => value.is_some_and(|value| self.values.contains(value)),
            "NotIn" => value.is_none_or(|value| !self.values.contains(value)),
            "Exists" => value.is_some(),
            "DoesNotExist" => value.is_none(),
            _ => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PODS: &str = r#"{"items":[
        {"metadata":{"namespace":"shop","name":"web-1","labels":{"app":"web"},"ownerReferences":[{"kind":"ReplicaSet","name":"web-5d","controller":true}]},"spec":{"nodeName":"w1"},"status":{"phase":"Running"}},
        {"metadata":{"namespace":"shop","name":"log-1","labels":{"app":"web"},"ownerReferences":[{"kind":"DaemonSet","name":"log","controller":true}]},"spec":{"nodeName":"w1"}},
        {"metadata":{"namespace":"shop","name":"job-1","labels":{"app":"web"}},"spec":{"nodeName":"w1"},"status":{"phase":"Succeeded"}},
        {"metadata":{"namespace":"kube-system","name":"etcd-cp1","labels":{"app":"web"},"annotations":{"kubernetes.io/config.mirror":"x"}},"spec":{"nodeName":"cp1"}},
        {"metadata":{"namespace":"other","name":"web-9","labels":{"app":"web"}},"spec":{"nodeName":"w1"}}]}"#;

    fn closed(spec: &str) -> Vec<Budget> {
        let budgets = format!(
            r#"{{"items":[{{"metadata":{{"namespace":"shop","name":"web"}},"spec":{spec},"status":{{"disruptionsAllowed":0}}}},
                {{"metadata":{{"namespace":"shop","name":"open"}},"spec":{{"selector":{{}}}},"status":{{"disruptionsAllowed":1}}}}]}}"#
        );
        blocking(&budgets, &pods(PODS).unwrap()).unwrap()
    }

    #[test]
    fn a_closed_budget_is_named_with_its_owner_and_only_the_pods_that_would_go() {
        let found = closed(r#"{"selector":{"matchLabels":{"app":"web"}}}"#);
        assert_eq!(
            found,
            [Budget {
                name: "shop/web".to_owned(),
                owner: "ReplicaSet/web-5d".to_owned(),
                pods: vec![("web-1".to_owned(), "w1".to_owned())],
            }]
        );
        let expressions = r#"{"selector":{"matchExpressions":[{"key":"app","operator":"In","values":["web"]},{"key":"gone","operator":"DoesNotExist"}]}}"#;
        assert_eq!(closed(expressions).len(), 1);
        let others = r#"{"selector":{"matchExpressions":[{"key":"app","operator":"NotIn","values":["web"]}]}}"#;
        assert!(closed(others).is_empty());
        assert!(closed(r#"{"selector":{"matchLabels":{"app":"db"}}}"#).is_empty());
    }

    #[test]
    fn garbage_is_not_read() {
        for text in ["", "{}", "[]", r#"{"items":[{}]}"#, &PODS[..90]] {
            assert_eq!(pods(text), None, "{text}");
        }
        assert_eq!(blocking("{\"items\":3}", &[]), None);
    }
}
