//! Facts about the managed endpoint on this node.

use super::Known;

/// HAProxy, keepalived and the interface that carries the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointFacts {
    /// The interface that holds the node's own address.
    pub interface: Known<String>,
    /// HAProxy of the distribution.
    pub haproxy: Service,
    /// keepalived of the distribution.
    pub keepalived: Service,
    /// Whether the cluster's CA lies on this node.
    pub cluster_ca: bool,
}

/// A service of the distribution.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Service {
    /// Its package is there.
    pub installed: bool,
    /// It runs now.
    pub active: bool,
    /// It starts at boot.
    pub enabled: bool,
    /// Its configuration as it lies on disk.
    pub config: Option<String>,
}

impl Default for EndpointFacts {
    fn default() -> Self {
        Self {
            interface: Known::Unknown("not read".to_owned()),
            haproxy: Service::default(),
            keepalived: Service::default(),
            cluster_ca: false,
        }
    }
}
