//! keepalived's configuration, for 2.0 and newer: VRRP version 3 (RFC 5798), unicast, no preemption.

use std::fmt::Write as _;
use std::net::IpAddr;

use super::HEALTH_PORT;
use crate::plan::NodeContext;

/// Seconds between two adverts. The address moves after three and a skew of less than one: about a second.
const ADVERT_INTERVAL: &str = "0.25";

/// The whole of keepalived.conf.
///
/// Every instance starts as BACKUP and none preempts: a control plane that comes back does not move the address again.
/// Priorities differ only so that two that start at once do not tie. A failing check puts the instance into FAULT instead of
/// lowering its priority: a weight has brought addresses back to dead nodes (peers.md, G5).
pub fn render(
    context: &NodeContext,
    address: IpAddr,
    virtual_router_id: u8,
    interface: &str,
) -> String {
    let place = context
        .spec
        .control_planes
        .iter()
        .position(|node| node.name == context.node)
        .unwrap_or_default();
    let priority = 200_usize.saturating_sub(place);
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    let mut peers = String::new();
    for node in &context.spec.control_planes {
        if node.name != context.node {
            // Writing to a String cannot fail.
            let _ = writeln!(peers, "        {}", node.address);
        }
    }
    format!(
        "\
# Written by hactl-agent from the cluster spec; what is changed here by hand is replaced.
global_defs {{
    router_id {node}
    vrrp_version 3
    enable_script_security
    script_user nobody
}}

vrrp_script haproxy {{
    script \"/usr/bin/hactl-agent probe-haproxy {HEALTH_PORT}\"
    interval 1
    timeout 2
    fall 2
    rise 1
}}

vrrp_instance kubernetes-api {{
    state BACKUP
    nopreempt
    interface {interface}
    virtual_router_id {virtual_router_id}
    priority {priority}
    advert_int {ADVERT_INTERVAL}
    unicast_src_ip {own}
    unicast_peer {{
{peers}    }}
    virtual_ipaddress {{
        {address}/{prefix} dev {interface}
    }}
    track_script {{
        haproxy
    }}
}}
",
        node = context.node,
        own = context.address,
    )
}
