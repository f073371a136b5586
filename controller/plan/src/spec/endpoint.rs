//! `spec.endpoint`: how the API servers are reached as one.

use std::net::IpAddr;

use hactl_proto::name::NodeName;
use hactl_proto::spec::{Endpoint, EndpointMode};

use super::field::{Fields, Value};
use super::position::Located;
use super::problem::Problems;

/// Fields of `spec.endpoint`.
pub(crate) const FIELDS: &[&str] = &[
    "host",
    "port",
    "mode",
    "address",
    "virtualRouterId",
    "interface",
];
/// Fields that only the managed mode takes.
const MANAGED: &[&str] = &["address", "virtualRouterId", "interface"];
/// Values of `mode`.
pub(crate) const MODES: &[&str] = &["managed", "external"];

/// The port in the managed mode when the spec names none.
pub(crate) const DEFAULT_MANAGED_PORT: u16 = 8443;
/// The port in the external mode when the spec names none.
pub(crate) const DEFAULT_EXTERNAL_PORT: u16 = 6443;

/// The section with positions.
#[derive(Debug)]
pub(crate) struct DraftEndpoint {
    pub(crate) managed: bool,
    pub(crate) host: Option<Located<String>>,
    /// Where no port is given: the default's, at the section's place.
    pub(crate) port: Option<Located<u16>>,
    pub(crate) address: Option<Located<IpAddr>>,
    virtual_router_id: Option<u8>,
    interface: Option<String>,
}

impl DraftEndpoint {
    pub(crate) fn finish(self) -> Option<Endpoint> {
        let mode = if self.managed {
            let address = self.address?.value;
            EndpointMode::Managed {
                address,
                virtual_router_id: self
                    .virtual_router_id
                    .unwrap_or_else(|| default_router_id(address)),
                interface: self.interface,
            }
        } else {
            EndpointMode::External
        };
        Some(Endpoint {
            host: self.host?.value,
            port: self.port?.value,
            mode,
        })
    }
}

/// The address's last byte: clusters that share a segment have different addresses, so that they seldom meet. Never 0,
/// which VRRP does not allow (RFC 9568, 5.2.3).
fn default_router_id(address: IpAddr) -> u8 {
    let last = match address {
        IpAddr::V4(address) => address.octets()[3],
        IpAddr::V6(address) => address.octets()[15],
    };
    last.max(1)
}

pub(crate) fn read(body: &Fields<'_>, problems: &mut Problems) -> Option<DraftEndpoint> {
    let why = "every kubeconfig and certificate carries it, and kubeadm has no command to change it later";
    let section = body.require("endpoint", why, problems)?;
    let fields = Fields::open(&section, FIELDS, problems)?;
    let mode = match fields.get("mode") {
        Some(value) => value.choice(MODES, problems)?,
        None => "managed",
    };
    let managed = mode == "managed";
    if !managed {
        fields.forbid(
            MANAGED,
            "it belongs to the managed mode: here the operator provides the endpoint",
            problems,
        );
    }
    let host = fields
        .require("host", why, problems)
        .and_then(|value| host(&value, problems));
    let address = if managed {
        address(&fields, host.as_ref(), problems)
    } else {
        None
    };
    Some(DraftEndpoint {
        managed,
        port: port(&fields, managed, problems),
        virtual_router_id: fields
            .get("virtualRouterId")
            .and_then(|value| value.integer(1, 255, problems)),
        interface: fields
            .get("interface")
            .and_then(|value| interface(&value, problems)),
        host,
        address,
    })
}

/// A DNS name (RFC 1123) or an address.
fn host(value: &Value<'_>, problems: &mut Problems) -> Option<Located<String>> {
    let text = value.text("a DNS name or an address", problems)?;
    // What has digits and dots only was meant as an IPv4 address: no DNS name ends in a number.
    let numeric = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let good = text.parse::<IpAddr>().is_ok() || (!numeric && NodeName::new(text).is_ok());
    if !good {
        let why = "it becomes kubeadm's controlPlaneEndpoint and a name in certificates; the port is a field of its own";
        value.error(
            format!("{text:?} is neither a DNS name nor an address"),
            why,
            "write it as api.example.org",
            problems,
        );
        return None;
    }
    Some(value.locate(text.to_owned()))
}

fn port(fields: &Fields<'_>, managed: bool, problems: &mut Problems) -> Option<Located<u16>> {
    match fields.get("port") {
        Some(value) => value
            .integer(1, 65_535, problems)
            .map(|port| value.locate(port)),
        None => Some(Located {
            at: fields.at(),
            path: format!("{}.port", fields.path()),
            value: if managed {
                DEFAULT_MANAGED_PORT
            } else {
                DEFAULT_EXTERNAL_PORT
            },
        }),
    }
}

fn address(
    fields: &Fields<'_>,
    host: Option<&Located<String>>,
    problems: &mut Problems,
) -> Option<Located<IpAddr>> {
    let from_host = host.and_then(|host| {
        let value = host.value.parse().ok()?;
        Some(Located {
            at: host.at,
            path: host.path.clone(),
            value,
        })
    });
    let Some(value) = fields.get("address") else {
        if from_host.is_none() && host.is_some() {
            let why = "keepalived must know which address moves between the control planes";
            fields.require("address", why, problems);
        }
        return from_host;
    };
    let address: IpAddr = value.parse("an address such as 10.0.0.10", problems)?;
    if let Some(host) = from_host.filter(|host| host.value != address) {
        let what = format!("{address} is not the host, {}", host.value);
        let why = "clients would ask an address that nobody serves";
        value.error(
            what,
            why,
            "give both the same, or remove the address",
            problems,
        );
    }
    Some(value.locate(address))
}

/// A network interface's name as Linux takes it: up to 15 bytes, no '/' and no blank.
fn interface(value: &Value<'_>, problems: &mut Problems) -> Option<String> {
    let text = value.text("an interface's name such as eth0", problems)?;
    let good =
        (1..=15).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic() && b != b'/');
    if !good {
        let why = "Linux takes 1 to 15 characters without blanks and '/'";
        value.error(
            format!("{text:?} is no interface's name"),
            why,
            "look it up with: ip link",
            problems,
        );
        return None;
    }
    Some(text.to_owned())
}
