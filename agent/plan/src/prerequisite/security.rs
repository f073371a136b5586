//! What may stand in the way of packets and containers on RHEL and its kin. hactl changes neither: it says what is needed.

use hactl_proto::role::NodeRole;

use super::{Deviation, Situation, port_uses};
use crate::facts::Known;
use crate::facts::machine::system::{Family, Selinux};

/// firewalld drops by default what nodes say to each other; kubeadm warns as well (`Firewalld`).
pub(super) fn firewall(situation: Situation<'_>) -> Vec<Deviation> {
    match &situation.machine.system.firewalld {
        Known::Is(false) => vec![],
        Known::Unknown(why) => vec![Deviation::unknown("whether firewalld runs", why)],
        Known::Is(true) => {
            let mut open: Vec<String> = port_uses(situation.wanted)
                .into_iter()
                // These two answer on loopback only.
                .filter(|port_use| ![10248, 2381].contains(&port_use.port))
                .map(|port_use| format!("--add-port={}/tcp", port_use.port))
                .collect();
            open.push(format!("--add-port={}/udp", situation.wanted.agent_port));
            if situation.wanted.role == NodeRole::ControlPlane {
                open.push("--add-protocol=vrrp".to_owned());
            }
            vec![Deviation::warning(
                "firewalld runs",
                "nodes reach each other",
                format!(
                    "Run `firewall-cmd --permanent {}` with the pod network's own ports besides, then `firewall-cmd --reload`; \
                     or stop firewalld.",
                    open.join(" ")
                ),
            )]
        }
    }
}

/// An enforcing `SELinux` needs the policy for containers.
pub(super) fn selinux(situation: Situation<'_>) -> Vec<Deviation> {
    let machine = situation.machine;
    let red_hat =
        matches!(&machine.system.distribution, Known::Is(d) if d.family == Family::RedHat);
    let policy = matches!(&machine.packages.installed, Known::Is(packages) if packages.contains_key("container-selinux"));
    match &machine.system.selinux {
        Known::Is(Selinux::Enforcing) if red_hat && !policy => vec![Deviation::warning(
            "SELinux enforces and container-selinux is not installed",
            "the policy for containers",
            "Run `dnf install container-selinux`, then restart containerd.",
        )],
        Known::Unknown(why) => vec![Deviation::unknown("SELinux's mode", why)],
        Known::Is(_) => vec![],
    }
}
