//! HAProxy's configuration, for 2.2 and newer (`http-check connect`, HAProxy 2.2 release notes).

use std::collections::BTreeSet;
use std::fmt::Write as _;

use hactl_proto::name::NodeName;
use hactl_proto::spec::API_SERVER_PORT;

use super::{HEALTH_PORT, KUBERNETES_CA, Verification};
use crate::plan::NodeContext;

/// The whole of haproxy.cfg.
///
/// Times are for nodes of one region: a server that does not answer a connection within 400 ms costs that connection a
/// redispatch, not a failure; two failed checks take it out. Both `/readyz` and `/livez` must answer 200, since not every
/// build has etcd in `/readyz` (kubeadm.md 7.1).
pub fn render(context: &NodeContext, verification: Verification) -> String {
    let endpoint = &context.spec.endpoint;
    let mut text = format!(
        "\
# Written by hactl-agent from the cluster spec; what is changed here by hand is replaced.
global
    log /dev/log local0
    stats socket /run/haproxy/admin.sock mode 660 level admin
    stats timeout 30s
    user haproxy
    group haproxy
    maxconn 8000

defaults
    log global
    mode tcp
    option dontlognull
    option clitcpka
    option srvtcpka
    option redispatch 1
    retries 3
    timeout connect 400ms
    timeout queue 5s
    timeout check 3s
    # Watches and exec sessions are silent for long; dead peers are found by TCP keep-alive.
    timeout client 24h
    timeout server 24h

frontend kubernetes-api
    bind {listen}
    default_backend api-servers

# keepalived asks here whether this HAProxy works.
frontend health
    mode http
    bind 127.0.0.1:{HEALTH_PORT}
    timeout client 2s
    monitor-uri /healthz

backend api-servers
    balance leastconn
    option httpchk
    http-check connect ssl sni kubernetes
    http-check send meth GET uri /readyz
    http-check expect status 200
    http-check connect ssl sni kubernetes
    http-check send meth GET uri /livez
    http-check expect status 200
    default-server check inter 1s fastinter 300ms downinter 1s fall 2 rise 2 on-marked-down shutdown-sessions {verify}
",
        listen = if context.address.is_ipv4() {
            format!("*:{}", endpoint.port)
        } else {
            format!(":::{} v4v6", endpoint.port)
        },
        verify = match verification {
            Verification::NoCaYet => "check-ssl verify none".to_owned(),
            // `kubernetes` is in every API server certificate that kubeadm signs.
            Verification::ClusterCa =>
                format!("check-ssl verify required ca-file {KUBERNETES_CA} verifyhost kubernetes"),
        },
    );
    for node in &context.spec.control_planes {
        let address = match node.address {
            std::net::IpAddr::V4(address) => address.to_string(),
            std::net::IpAddr::V6(address) => format!("[{address}]"),
        };
        // Writing to a String cannot fail.
        let _ = writeln!(text, "    server {} {address}:{API_SERVER_PORT}", node.name);
    }
    text
}

/// The line for the admin socket that makes this HAProxy let go of a control plane, or take it back (management guide, 9.3).
pub fn set_server(node: &NodeName, release: bool) -> String {
    let state = if release { "drain" } else { "ready" };
    format!("set server api-servers/{node} state {state}")
}

/// Of `show servers state api-servers`, the servers whose administrative state says "drain" by command (`srv_admin_state`, the
/// seventh column, has bit 0x08; management guide, 9.3).
pub fn released(text: &str) -> BTreeSet<NodeName> {
    const FORCED_DRAIN: u32 = 0x08;
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| {
            let columns: Vec<&str> = line.split_whitespace().collect();
            let admin: u32 = columns.get(6)?.parse().ok()?;
            (admin & FORCED_DRAIN != 0).then(|| NodeName::new(*columns.get(3)?).ok())?
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// HAProxy 2.6.12, cp2 drained by command.
    const STATES: &str = "1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight\n\
        4 api-servers 1 cp1 10.99.0.11 2 0 1 1 8 15 3 4 6 0 0 0 - 6443 - 0 0 - - 0\n\
        4 api-servers 2 cp2 10.99.0.12 2 8 0 1 8 15 3 4 6 0 0 0 - 6443 - 0 0 - - 0\n";

    #[test]
    fn a_drained_server_is_told_from_one_that_is_ready() {
        let cp2 = NodeName::new("cp2").unwrap();
        assert_eq!(released(STATES), BTreeSet::from([cp2.clone()]));
        assert!(released("").is_empty() && released("Can't find backend.\n\n").is_empty());
        assert_eq!(
            set_server(&cp2, true),
            "set server api-servers/cp2 state drain"
        );
        assert_eq!(
            set_server(&cp2, false),
            "set server api-servers/cp2 state ready"
        );
    }
}
