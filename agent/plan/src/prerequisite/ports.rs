//! Ports: free, or held by whom they are for (kubeadm.md 3.5). That a port is held by the right program of a wrong cluster is
//! seen elsewhere: by what lies in `/etc/kubernetes` and in etcd's folder.

use hactl_proto::role::NodeRole;
use hactl_proto::spec::{API_SERVER_PORT, EndpointMode};

use super::{Deviation, Requirements, Situation};
use crate::facts::Known;
use crate::facts::machine::network::Listener;

/// The kernel cuts process names (`comm`) to this length.
const COMM_LENGTH: usize = 15;

/// A port and the program that it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct PortUse {
    /// TCP port.
    pub port: u16,
    /// The program's name.
    pub program: &'static str,
}

/// The ports that this node needs.
pub fn port_uses(wanted: &Requirements) -> Vec<PortUse> {
    let mut uses = vec![
        (10250, "kubelet"),
        (10248, "kubelet"),
        (wanted.agent_port, "hactl-agent"),
    ];
    if wanted.role == NodeRole::ControlPlane {
        uses.extend([
            (API_SERVER_PORT, "kube-apiserver"),
            (10257, "kube-controller-manager"),
            (10259, "kube-scheduler"),
        ]);
        if wanted.etcd_data.is_some() {
            uses.extend([(2379, "etcd"), (2380, "etcd"), (2381, "etcd")]);
        }
        if let Some(endpoint) = &wanted.endpoint
            && matches!(endpoint.mode, EndpointMode::Managed { .. })
        {
            uses.push((endpoint.port, "haproxy"));
        }
    }
    uses.sort_unstable();
    uses.into_iter()
        .map(|(port, program)| PortUse { port, program })
        .collect()
}

/// Each port is free or held by its program.
pub(super) fn check(situation: Situation<'_>) -> Vec<Deviation> {
    let listeners = match &situation.machine.network.listeners {
        Known::Is(listeners) => listeners,
        Known::Unknown(why) => return vec![Deviation::unknown("the ports in use", why)],
    };
    let mut found = Vec::new();
    for PortUse { port, program } in port_uses(situation.wanted) {
        let strange = listeners
            .iter()
            .find(|listener| listener.port == port && !is_held_by(listener, program));
        if let Some(listener) = strange {
            let holder = listener
                .holder
                .as_deref()
                .unwrap_or("a process that can't be named");
            found.push(Deviation::refusal(
                format!("TCP port {port} is held by {holder}"),
                format!("free, or held by {program}"),
                format!("Stop {holder} or move it to another port; `ss -Htlnp sport = :{port}` names its process."),
            ));
        }
    }
    found
}

/// Whether the holder is the program, as far as the kernel tells its name.
fn is_held_by(listener: &Listener, program: &str) -> bool {
    let cut = &program[..program.len().min(COMM_LENGTH)];
    listener
        .holder
        .as_deref()
        .is_some_and(|holder| holder == program || holder == cut)
}
