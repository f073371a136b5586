//! The managed endpoint: HAProxy and keepalived of the distribution, configured by the agent of each control plane.
//!
//! We write no proxy: this renders configuration and says when it has to be replaced. HAProxy spreads new connections over
//! the API servers that answer `/readyz` and `/livez`; keepalived keeps the address on a control plane whose HAProxy
//! answers. keepalived asks the HAProxy beside it, never an API server: before `kubeadm init` there is none, and the
//! address must be up by then (architecture.md, "The endpoint").

/// HAProxy's configuration.
pub mod haproxy;
/// keepalived's configuration.
pub mod keepalived;

use std::net::IpAddr;

use hactl_proto::finding::Finding;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::EndpointMode;

use crate::facts::Known;
use crate::facts::endpoint::{EndpointFacts, Service};
use crate::plan::NodeContext;
use crate::step::Step;
use crate::step::endpoint::EndpointStep;

/// Where HAProxy of Debian, Ubuntu and the RHEL-likes reads its configuration.
pub const HAPROXY_CONFIG: &str = "/etc/haproxy/haproxy.cfg";
/// What hactl adds to the distribution's unit of HAProxy.
pub const HAPROXY_DROP_IN: &str = "/etc/systemd/system/haproxy.service.d/hactl.conf";
/// The folder of the admin socket, made by the unit itself: RHEL-likes have none, and Debian's comes from systemd-tmpfiles, whose
/// failure at boot would otherwise keep the endpoint down.
pub const HAPROXY_DROP_IN_TEXT: &str = "\
# Written by hactl-agent: where HAProxy's admin socket lies.
[Service]
RuntimeDirectory=haproxy
RuntimeDirectoryPreserve=yes
";
/// Where keepalived reads its configuration.
pub const KEEPALIVED_CONFIG: &str = "/etc/keepalived/keepalived.conf";
/// The cluster's CA as kubeadm leaves it; there is none before `kubeadm init`.
pub const KUBERNETES_CA: &str = "/etc/kubernetes/pki/ca.crt";
/// Loopback port of the front end that says whether HAProxy itself works.
pub const HEALTH_PORT: u16 = 7471;

/// Whether the API servers' certificates can be verified yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verification {
    /// Before `kubeadm init`, or before this node joined: there is no CA to verify with.
    NoCaYet,
    /// With the cluster's CA.
    ClusterCa,
}

/// What has to be done so that this node does its part of the endpoint. Empty where all is in place, on workers, and
/// where the operator provides the endpoint.
pub fn steps(
    context: &NodeContext,
    facts: &EndpointFacts,
    verification: Verification,
) -> Vec<Step> {
    let EndpointMode::Managed {
        address,
        virtual_router_id,
        interface,
    } = &context.spec.endpoint.mode
    else {
        return Vec::new();
    };
    if context.role != NodeRole::ControlPlane {
        return Vec::new();
    }
    let interface = interface.as_ref().or_else(|| facts.interface.known());
    let (Some(interface), true) = (interface, facts.missing_packages().is_empty()) else {
        return Vec::new();
    };
    let mut steps = Vec::new();
    let haproxy = haproxy::render(context, verification);
    if facts.haproxy.config.as_deref() != Some(haproxy.as_str()) || !facts.haproxy.running() {
        steps.push(EndpointStep::ConfigureHaproxy { config: haproxy });
    }
    let keepalived = keepalived::render(context, *address, *virtual_router_id, interface);
    if facts.keepalived.config.as_deref() != Some(keepalived.as_str())
        || !facts.keepalived.running()
    {
        steps.push(EndpointStep::ConfigureKeepalived { config: keepalived });
    }
    if !steps.is_empty() {
        steps.push(EndpointStep::AwaitAddress {
            address: *address,
            port: context.spec.endpoint.port,
        });
    }
    steps.into_iter().map(Step::Endpoint).collect()
}

/// What stands against doing this node's part of the endpoint; empty in the external mode and on workers.
pub fn findings(context: &NodeContext, facts: &EndpointFacts) -> Vec<Finding> {
    let EndpointMode::Managed {
        address, interface, ..
    } = &context.spec.endpoint.mode
    else {
        return Vec::new();
    };
    if context.role != NodeRole::ControlPlane {
        return Vec::new();
    }
    let mut findings: Vec<Finding> = facts
        .missing_packages()
        .into_iter()
        .map(missing_package)
        .collect();
    if interface.is_none()
        && let Known::Unknown(reason) = &facts.interface
    {
        findings.push(no_interface(context.address, *address, reason));
    }
    findings
}

fn missing_package(package: &str) -> Finding {
    Finding::refusal(
        "endpoint-packages",
        format!("{package} is not installed"),
        "haproxy and keepalived of the distribution, since the endpoint's mode is managed",
        format!("install the package {package}, or set the endpoint's mode to external"),
    )
}

fn no_interface(own: IpAddr, address: IpAddr, reason: &str) -> Finding {
    Finding::refusal(
        "endpoint-interface",
        format!("no interface holds {own} ({reason})"),
        format!("an interface to carry the endpoint's address {address}"),
        "give the node its declared address, or name spec.endpoint.interface",
    )
}

impl EndpointFacts {
    /// Packages of the managed mode that are not installed.
    pub fn missing_packages(&self) -> Vec<&'static str> {
        [("haproxy", &self.haproxy), ("keepalived", &self.keepalived)]
            .into_iter()
            .filter(|(_, service)| !service.installed)
            .map(|(name, _)| name)
            .collect()
    }
}

impl Service {
    /// Whether it runs now and will after a boot.
    pub const fn running(&self) -> bool {
        self.active && self.enabled
    }
}

#[cfg(test)]
mod tests;
