//! Addresses, routes, listeners.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use hactl_node_plan::command::Command;
use hactl_node_plan::facts::machine::network::{
    Listener, NetworkFacts, parse_ahosts, parse_fib_trie, parse_holders, parse_if_inet6,
    parse_listeners, parse_route_source,
};
use hactl_node_plan::prerequisite::{Requirements, port_uses};

use super::reader::{Reader, known, succeeded};
use crate::host::Host;

/// How long the tables of sockets are believed: less than the 30 seconds within which drift is to be seen.
const TABLE_LIFE: Duration = Duration::from_secs(20);
/// How long a name's addresses are believed.
const NAME_LIFE: Duration = Duration::from_mins(5);

pub(super) async fn inspect<H: Host>(
    read: &mut Reader<'_, H>,
    wanted: &Requirements,
) -> NetworkFacts {
    let addresses = addresses(read).await;
    let route_sources = route_sources(read, wanted, &addresses).await;
    NetworkFacts {
        listeners: known(listeners(read, wanted).await),
        addresses: known(addresses),
        route_sources: known(route_sources),
        endpoint: known(endpoint(read, wanted).await),
    }
}

/// Those on the ports that the node needs, with their holders' names: looked up when a socket there is another one.
async fn listeners<H: Host>(
    read: &mut Reader<'_, H>,
    wanted: &Requirements,
) -> Result<Vec<Listener>, String> {
    let mut listeners = sockets(read, wanted).await?;
    if listeners.is_empty() {
        return Ok(listeners);
    }
    let sockets: Vec<(u16, u64)> = listeners.iter().map(|l| (l.port, l.inode)).collect();
    let command = Command::new("ss", ["-Htlnp"]);
    // Without `ss` the holders stay unnamed, which the check says.
    if let Ok(output) = read.ask_while_equal(command, sockets).await {
        let holders = parse_holders(&output.stdout);
        for listener in &mut listeners {
            listener.holder = holders.get(&listener.port).cloned();
        }
    }
    Ok(listeners)
}

/// The tables cost more than all other files together: the kernel walks its whole hash of connections for each.
async fn sockets<H: Host>(
    read: &mut Reader<'_, H>,
    wanted: &Requirements,
) -> Result<Vec<Listener>, String> {
    let now = read.host.now();
    if let Some((at, listeners)) = &read.cache.listeners
        && now.duration_since(*at).unsigned_abs() < TABLE_LIFE
    {
        return Ok(listeners.clone());
    }
    let ports: BTreeSet<u16> = port_uses(wanted).iter().map(|used| used.port).collect();
    let mut listeners = Vec::new();
    for table in ["/proc/net/tcp", "/proc/net/tcp6"] {
        // Without IPv6 there is no tcp6.
        let text = read.text(table).await?.unwrap_or_default();
        let found = parse_listeners(&text).into_iter();
        listeners.extend(found.filter(|listener| ports.contains(&listener.port)));
    }
    listeners.sort();
    read.cache.listeners = Some((now, listeners.clone()));
    Ok(listeners)
}

async fn addresses<H: Host>(read: &Reader<'_, H>) -> Result<BTreeSet<IpAddr>, String> {
    let trie = read.text("/proc/net/fib_trie").await?;
    let six = read.text("/proc/net/if_inet6").await?;
    if trie.is_none() && six.is_none() {
        return Err("there is no /proc/net/fib_trie".to_owned());
    }
    let mut addresses = parse_fib_trie(&trie.unwrap_or_default());
    addresses.extend(parse_if_inet6(&six.unwrap_or_default()));
    Ok(addresses)
}

/// Asked again when this machine's addresses or its routes to networks change. Routes to single hosts, of which some pod networks
/// make one a pod, do not count.
async fn route_sources<H: Host>(
    read: &mut Reader<'_, H>,
    wanted: &Requirements,
    addresses: &Result<BTreeSet<IpAddr>, String>,
) -> Result<BTreeMap<IpAddr, Option<IpAddr>>, String> {
    let routes = read.text("/proc/net/route").await?.unwrap_or_default();
    let networks: String = routes
        .lines()
        .filter(|route| !route.contains("FFFFFFFF"))
        .collect();
    let depends = (networks, addresses.clone().unwrap_or_default());
    let mut sources = BTreeMap::new();
    for peer in &wanted.peers {
        let words = ["-j", "route", "get", &peer.to_string()].map(str::to_owned);
        let output = read
            .ask_while_equal(Command::new("ip", words), &depends)
            .await?;
        // It fails where there is no route.
        sources.insert(*peer, parse_route_source(&output.stdout));
    }
    Ok(sources)
}

async fn endpoint<H: Host>(
    read: &mut Reader<'_, H>,
    wanted: &Requirements,
) -> Result<BTreeSet<IpAddr>, String> {
    let Some(endpoint) = &wanted.endpoint else {
        return Ok(BTreeSet::new());
    };
    if let Ok(address) = endpoint.host.parse() {
        return Ok(BTreeSet::from([address]));
    }
    let command = Command::new("getent", ["ahosts", &endpoint.host]);
    let line = command.line();
    let output = read.ask_each(command, NAME_LIFE).await?;
    match output.status {
        // Not found.
        Some(2) => Ok(BTreeSet::new()),
        _ => Ok(parse_ahosts(&succeeded(&line, Ok(output))?)),
    }
}
