//! A Kubernetes cluster as its etcd holds it: members and objects.

use std::collections::BTreeMap;
use std::net::IpAddr;

use serde_json::{Value, json};

/// One etcd cluster with what the API servers on it serve.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// etcd's cluster id.
    pub id: u64,
    /// PEM of the Kubernetes CA that its init made.
    pub ca: String,
    /// kubeadm's pin of that CA.
    pub ca_pin: String,
    /// Members in the order of their joining.
    pub members: Vec<Member>,
    /// Who leads; the first member where that one is gone.
    pub leader: u64,
    /// Objects by `kind/namespace/name`; cluster-wide ones have an empty namespace.
    pub objects: BTreeMap<String, Value>,
    revision: u64,
}

/// One etcd member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: u64,
    /// Empty until it has started once.
    pub name: String,
    /// The machine's address.
    pub address: IpAddr,
    /// Whether it only listens: it has no vote until kubeadm promotes it.
    pub learner: bool,
}

impl Cluster {
    pub(crate) fn new(id: u64, ca: String, ca_pin: String, first: Member) -> Self {
        Self {
            leader: first.id,
            id,
            ca,
            ca_pin,
            members: vec![first],
            objects: BTreeMap::new(),
            revision: 1,
        }
    }

    /// The key of an object.
    pub(crate) fn key(kind: &str, namespace: &str, name: &str) -> String {
        format!("{kind}/{namespace}/{name}")
    }

    /// Puts an object, with the next resource version.
    pub(crate) fn put(&mut self, key: String, mut object: Value) {
        self.revision += 1;
        if !object["metadata"].is_object() {
            object["metadata"] = json!({});
        }
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        self.objects.insert(key, object);
    }

    /// The objects of a kind in a namespace, by name.
    pub fn of_kind<'a>(
        &'a self,
        kind: &str,
        namespace: &str,
    ) -> impl Iterator<Item = (&'a str, &'a Value)> {
        let prefix = Self::key(kind, namespace, "");
        self.objects.iter().filter_map(move |(key, object)| {
            let name = key.strip_prefix(&prefix)?;
            Some((name, object))
        })
    }

    /// The leader's id.
    pub fn leading(&self) -> Option<u64> {
        let found = self.members.iter().find(|member| member.id == self.leader);
        found.or(self.members.first()).map(|member| member.id)
    }

    /// The member of a machine.
    pub fn member_at(&self, address: IpAddr) -> Option<&Member> {
        self.members.iter().find(|member| member.address == address)
    }

    /// Whether a pod network was applied.
    pub(crate) fn has_pod_network(&self) -> bool {
        self.objects.contains_key("configmap/kube-system/hactl")
    }
}
