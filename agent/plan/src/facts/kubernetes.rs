//! Facts about Kubernetes on this node.

/// What kubeadm made, what serves, what etcd says.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct KubernetesFacts {}
