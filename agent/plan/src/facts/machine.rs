//! Facts about the machine under Kubernetes.

/// Kernel, runtime, packages, identity, disk.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct MachineFacts {}
