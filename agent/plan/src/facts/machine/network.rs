//! Addresses, routes, listeners.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::facts::Known;

/// Addresses, routes, listeners.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct NetworkFacts {
    /// TCP sockets that listen, on whatever address, by port.
    pub listeners: Known<Vec<Listener>>,
    /// Every address of this machine.
    pub addresses: Known<BTreeSet<IpAddr>>,
    /// The source address that the kernel would use towards each declared peer; `None`: no route.
    pub route_sources: Known<BTreeMap<IpAddr, Option<IpAddr>>>,
    /// What the endpoint's host name resolves to; an address resolves to itself.
    pub endpoint: Known<BTreeSet<IpAddr>>,
}

/// A TCP socket that listens.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Listener {
    /// Its port.
    pub port: u16,
    /// The socket's inode: what tells one holder from the next without looking for its process.
    pub inode: u64,
    /// The process's name, cut to 15 characters by the kernel; `None`: it could not be found.
    pub holder: Option<String>,
}

/// Listening sockets of `/proc/net/tcp` or `/proc/net/tcp6` (state 0A).
pub fn parse_listeners(table: &str) -> Vec<Listener> {
    table.lines().filter_map(parse_listener).collect()
}

fn parse_listener(line: &str) -> Option<Listener> {
    let mut fields = line.split_whitespace();
    let local = fields.nth(1)?;
    let port = u16::from_str_radix(local.rsplit_once(':')?.1, 16).ok()?;
    if fields.nth(1)? != "0A" {
        return None;
    }
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Listener {
        port,
        inode,
        holder: None,
    })
}

/// Ports and process names of `ss -Htlnp`.
pub fn parse_holders(output: &str) -> BTreeMap<u16, String> {
    output
        .lines()
        .filter_map(|line| {
            let port = line.split_whitespace().nth(3)?.rsplit_once(':')?.1;
            let name = line.split_once("users:((\"")?.1.split_once('"')?.0;
            Some((port.parse().ok()?, name.to_owned()))
        })
        .collect()
}

/// IPv4 addresses of this machine in `/proc/net/fib_trie`: leaves `|-- ADDRESS` followed by `/32 host LOCAL`.
pub fn parse_fib_trie(text: &str) -> BTreeSet<IpAddr> {
    let mut local = BTreeSet::new();
    let mut leaf: Option<Ipv4Addr> = None;
    for line in text.lines().map(str::trim) {
        if let Some(address) = line.strip_prefix("|-- ") {
            leaf = address.parse().ok();
        } else if let (Some(address), "/32 host LOCAL") = (leaf, line) {
            local.insert(IpAddr::V4(address));
        }
    }
    local
}

/// IPv6 addresses of `/proc/net/if_inet6`.
pub fn parse_if_inet6(text: &str) -> BTreeSet<IpAddr> {
    text.lines()
        .filter_map(|line| u128::from_str_radix(line.split_whitespace().next()?, 16).ok())
        .map(|bits| IpAddr::V6(Ipv6Addr::from(bits)))
        .collect()
}

/// `prefsrc` of `ip -j route get ADDRESS`.
pub fn parse_route_source(json: &str) -> Option<IpAddr> {
    let routes: serde_json::Value = serde_json::from_str(json).ok()?;
    routes.get(0)?.get("prefsrc")?.as_str()?.parse().ok()
}

/// Addresses of `getent ahosts NAME`.
pub fn parse_ahosts(output: &str) -> BTreeSet<IpAddr> {
    output
        .lines()
        .filter_map(|line| line.split_whitespace().next()?.parse().ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Captured on Debian 12.
    const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1659 1 00000000d47ab145 100 0 0 10 0
   1: 020200C0:9614 507100CB:0050 06 00000000:00000000 03:00000866 00000000     0        0 0 3 00000000e8ae3beb
";
    const TCP6: &str = "\
  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000000000000:280A 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 77 1 0 100 0 0 10 0
";
    const SS: &str = "\
LISTEN 0      4096       127.0.0.1:2379       0.0.0.0:*    users:((\"etcd\",pid=812,fd=8))
LISTEN 0      4096               *:6443             *:*    users:((\"kube-apiserver\",pid=901,fd=7))
LISTEN 0      128             [::]:22            [::]:*
";
    const FIB: &str = "\
Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 192.0.2.0/24 2 0 2
           |-- 192.0.2.0
              /24 link UNICAST
           |-- 192.0.2.2
              /32 host LOCAL
        |-- 192.0.2.255
           /32 link BROADCAST
";

    #[test]
    fn listeners_and_their_holders_are_found() {
        let ports: Vec<_> = parse_listeners(TCP)
            .iter()
            .map(|l| (l.port, l.inode))
            .collect();
        assert_eq!(ports, [(6443, 1659)]);
        assert_eq!(parse_listeners(TCP6)[0].port, 10250);
        let holders = parse_holders(SS);
        assert_eq!(holders.get(&2379).map(String::as_str), Some("etcd"));
        assert_eq!(
            holders.get(&6443).map(String::as_str),
            Some("kube-apiserver")
        );
        assert_eq!(holders.get(&22), None);
        assert!(parse_listeners("garbage\n\u{0}: x y z").is_empty());
    }

    #[test]
    fn addresses_of_both_families_are_found() {
        assert_eq!(
            parse_fib_trie(FIB),
            BTreeSet::from(["192.0.2.2".parse().unwrap()])
        );
        assert_eq!(
            parse_if_inet6("fe8000000000000000fc00fffe000001 04 40 20 80     eth0\nxx\n"),
            BTreeSet::from(["fe80::fc:ff:fe00:1".parse().unwrap()])
        );
    }

    #[test]
    fn routes_and_names_are_read() {
        let route = r#"[{"dst":"10.0.0.2","dev":"eth0","prefsrc":"10.0.0.1","flags":[],"uid":0,"cache":[]}]"#;
        assert_eq!(parse_route_source(route), Some("10.0.0.1".parse().unwrap()));
        assert_eq!(
            parse_route_source("RTNETLINK answers: Network is unreachable"),
            None
        );
        assert_eq!(
            parse_ahosts("10.0.0.9        STREAM api.example\n10.0.0.9        DGRAM\n"),
            BTreeSet::from(["10.0.0.9".parse().unwrap()])
        );
    }
}
