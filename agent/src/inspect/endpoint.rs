//! Reads the facts about HAProxy, keepalived and the interface of the node's address.

use std::net::IpAddr;
use std::path::Path;

use hactl_node_plan::command::Command;
use hactl_node_plan::endpoint::{HAPROXY_CONFIG, KEEPALIVED_CONFIG, KUBERNETES_CA};
use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::endpoint::{EndpointFacts, Service};
use hactl_node_plan::plan::NodeContext;
use hactl_proto::role::NodeRole;
use hactl_proto::spec::EndpointMode;

use crate::host::Host;

/// Reads them, on a control plane in the managed mode; elsewhere nothing is asked.
pub(super) async fn inspect<H: Host>(host: &H, node: &NodeContext) -> EndpointFacts {
    let managed = matches!(node.spec.endpoint.mode, EndpointMode::Managed { .. });
    if !managed || node.role != NodeRole::ControlPlane {
        return EndpointFacts::default();
    }
    EndpointFacts {
        interface: interface(host, node.address).await,
        haproxy: service(host, "haproxy.service", HAPROXY_CONFIG).await,
        keepalived: service(host, "keepalived.service", KEEPALIVED_CONFIG).await,
        cluster_ca: matches!(host.read(Path::new(KUBERNETES_CA)).await, Ok(Some(_))),
    }
}

async fn service<H: Host>(host: &H, unit: &str, config: &str) -> Service {
    let show = Command::new(
        "systemctl",
        [
            "show",
            unit,
            "--property=LoadState,ActiveState,UnitFileState",
        ],
    );
    let shown = host
        .run(&show)
        .await
        .map(|output| output.stdout)
        .unwrap_or_default();
    let is = |line: &str| shown.lines().any(|shown| shown == line);
    Service {
        installed: is("LoadState=loaded"),
        active: is("ActiveState=active"),
        enabled: is("UnitFileState=enabled"),
        config: match host.read(Path::new(config)).await {
            Ok(Some(bytes)) => String::from_utf8(bytes).ok(),
            _ => None,
        },
    }
}

/// The interface that holds the address, from `ip -json addr` (iproute2 4.13 and newer).
async fn interface<H: Host>(host: &H, address: IpAddr) -> Known<String> {
    let listed = match host
        .run(&Command::new("ip", ["-json", "addr", "show"]))
        .await
    {
        Ok(output) => output.stdout,
        Err(error) => return Known::Unknown(error.to_string()),
    };
    match serde_json::from_str::<Vec<Link>>(&listed) {
        Err(error) => Known::Unknown(format!("ip -json addr: {error}")),
        Ok(links) => links
            .into_iter()
            .find(|link| {
                link.addr_info
                    .iter()
                    .any(|info| info.local == Some(address))
            })
            .map_or_else(
                || Known::Unknown("no interface has this address".to_owned()),
                |link| Known::Is(link.ifname),
            ),
    }
}

#[derive(serde::Deserialize)]
struct Link {
    ifname: String,
    #[serde(default)]
    addr_info: Vec<AddressInfo>,
}

#[derive(serde::Deserialize)]
struct AddressInfo {
    #[serde(default)]
    local: Option<IpAddr>,
}
