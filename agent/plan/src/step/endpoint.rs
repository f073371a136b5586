//! Steps of the managed endpoint.

use std::net::IpAddr;

/// An effect on HAProxy or keepalived of this node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EndpointStep {
    /// Check the configuration with `haproxy -c`, put it in place, give the unit the folder of its socket, enable it, reload it
    /// (start it where it is not running). Connections that are open stay with the old process.
    ConfigureHaproxy {
        /// The whole file.
        config: String,
    },
    /// Check the configuration with `keepalived -t`, put it in place, enable the unit, reload or start it.
    ConfigureKeepalived {
        /// The whole file.
        config: String,
    },
    /// Wait until some control plane holds the address and an HAProxy accepts connections on it.
    AwaitAddress {
        /// The endpoint's address.
        address: IpAddr,
        /// The endpoint's port.
        port: u16,
    },
}

impl EndpointStep {
    /// The step's name.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::ConfigureHaproxy { .. } => "configure-haproxy",
            Self::ConfigureKeepalived { .. } => "configure-keepalived",
            Self::AwaitAddress { .. } => "await-endpoint-address",
        }
    }
}
