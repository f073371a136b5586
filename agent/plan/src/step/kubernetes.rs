//! Steps that change Kubernetes on this node.

/// Steps that change Kubernetes on this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KubernetesStep {}

impl KubernetesStep {
    /// The step's name.
    pub fn name(&self) -> &'static str {
        match *self {}
    }
}
