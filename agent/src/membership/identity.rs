//! Who a member is to the others: stable by name, ordered by boot, 23 bytes on the wire with IPv4.
//!
//! Nothing volatile belongs here: a changed identity is a rename, which costs a broadcast to everyone.

use std::fmt;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use ring::digest::{SHA256, digest};

use super::wire::{Malformed, Reader};

/// A node's number: the first eight bytes of SHA-256 over its name. It survives restarts and changes of address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub [u8; 8]);

/// A zone's number: the first two bytes of SHA-256 over its name; the whole name travels in the name plate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ZoneTag(pub u16);

/// One start of one node's agent, as SWIM's identity. State is unique per [`NodeId`]: the higher boot wins, then the
/// higher rejoin, so a node that was down comes back at once.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId {
    /// The node.
    pub node: NodeId,
    /// The boot epoch: persisted and raised before each start, see [`super::epoch`].
    pub boot: u32,
    /// Raised within a boot when the cluster had declared this identity down.
    pub rejoin: u16,
    /// Its zone.
    pub zone: ZoneTag,
    /// Its role.
    pub role: NodeRole,
    /// Where it receives.
    pub endpoint: Endpoint,
}

/// An address and port in 18 bytes: a cluster's members are held by the thousand.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoint {
    /// IPv6, or IPv4 as `::ffff:a.b.c.d`.
    ip: [u8; 16],
    port: u16,
}

impl Endpoint {
    /// The socket address.
    pub fn address(&self) -> SocketAddr {
        let ip = Ipv6Addr::from(self.ip).to_canonical();
        SocketAddr::new(ip, self.port)
    }

    /// Whether it is no IPv4 address.
    const fn is_ipv6(&self) -> bool {
        Ipv6Addr::from_octets(self.ip).to_ipv4_mapped().is_none()
    }
}

impl From<SocketAddr> for Endpoint {
    fn from(address: SocketAddr) -> Self {
        let ip = match address.ip() {
            IpAddr::V4(ip) => ip.to_ipv6_mapped(),
            IpAddr::V6(ip) => ip,
        };
        Self {
            ip: ip.octets(),
            port: address.port(),
        }
    }
}

const IPV6: u8 = 1;
const WORKER: u8 = 2;

impl NodeId {
    /// The number of the node of that name.
    pub fn of(name: &NodeName) -> Self {
        let mut id = [0; 8];
        id.copy_from_slice(&digest(&SHA256, name.as_str().as_bytes()).as_ref()[..8]);
        Self(id)
    }

    /// One of sixteen parts of the node space, for comparing states by parts.
    pub const fn bucket(self) -> usize {
        (self.0[0] >> 4) as usize
    }
}

impl ZoneTag {
    /// The number of the zone of that name.
    pub fn of(name: &ZoneName) -> Self {
        let hash = digest(&SHA256, name.as_str().as_bytes());
        Self(u16::from_be_bytes([hash.as_ref()[0], hash.as_ref()[1]]))
    }
}

impl MemberId {
    /// The identity to announce to where only name and address are known: boot 0 loses to any real one.
    pub fn seed(name: &NodeName, zone: &ZoneName, role: NodeRole, address: SocketAddr) -> Self {
        Self {
            node: NodeId::of(name),
            boot: 0,
            rejoin: 0,
            zone: ZoneTag::of(zone),
            role,
            endpoint: address.into(),
        }
    }

    /// Where it receives.
    pub fn address(&self) -> SocketAddr {
        self.endpoint.address()
    }

    /// Length of [`MemberId::encode`].
    pub const fn encoded_len(&self) -> usize {
        if self.endpoint.is_ipv6() { 35 } else { 23 }
    }

    /// Appends node, boot, rejoin, flags, zone, port, address, in this order: the envelope relies on the first two.
    pub fn encode(&self, out: &mut impl bytes::BufMut) {
        out.put_slice(&self.node.0);
        out.put_u32(self.boot);
        out.put_u16(self.rejoin);
        let family = if self.endpoint.is_ipv6() { IPV6 } else { 0 };
        let role = if self.role == NodeRole::Worker {
            WORKER
        } else {
            0
        };
        out.put_u8(family | role);
        out.put_u16(self.zone.0);
        out.put_u16(self.endpoint.port);
        match self.address().ip() {
            IpAddr::V4(ip) => out.put_slice(&ip.octets()),
            IpAddr::V6(ip) => out.put_slice(&ip.octets()),
        }
    }

    /// Reads what [`MemberId::encode`] wrote.
    pub fn decode(from: &mut Reader<'_>) -> Result<Self, Malformed> {
        let node = NodeId(from.array("node id")?);
        let boot = from.u32("boot epoch")?;
        let rejoin = from.u16("rejoin")?;
        let flags = from.u8("flags")?;
        if flags & !(IPV6 | WORKER) != 0 {
            return Err(Malformed::Range("flags"));
        }
        let zone = ZoneTag(from.u16("zone")?);
        let port = from.u16("port")?;
        let ip = if flags & IPV6 == 0 {
            IpAddr::from(from.array::<4>("address")?)
        } else {
            IpAddr::from(from.array::<16>("address")?)
        };
        let role = if flags & WORKER == 0 {
            NodeRole::ControlPlane
        } else {
            NodeRole::Worker
        };
        Ok(Self {
            node,
            boot,
            rejoin,
            zone,
            role,
            endpoint: SocketAddr::new(ip, port).into(),
        })
    }
}

impl foca::Identity for MemberId {
    type Addr = NodeId;

    fn renew(&self) -> Option<Self> {
        let rejoin = self.rejoin.checked_add(1)?;
        Some(Self { rejoin, ..*self })
    }

    fn addr(&self) -> NodeId {
        self.node
    }

    /// A total order, so that every node keeps the same one.
    fn win_addr_conflict(&self, adversary: &Self) -> bool {
        self > adversary
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            node,
            boot,
            rejoin,
            endpoint,
            ..
        } = self;
        let address = endpoint.address();
        write!(f, "{node}@{address}#{boot}.{rejoin}")
    }
}

#[cfg(test)]
mod tests {
    use foca::Identity as _;
    use proptest::prelude::*;

    use super::*;

    fn seed(address: &str) -> MemberId {
        let (name, zone) = (NodeName::new("cp1").unwrap(), ZoneName::new("a").unwrap());
        MemberId::seed(&name, &zone, NodeRole::Worker, address.parse().unwrap())
    }

    #[test]
    fn an_identity_reads_back_within_its_size() {
        for address in ["10.0.0.1:7470", "[fd00::1]:7470"] {
            let id = seed(address);
            let mut out = Vec::new();
            id.encode(&mut out);
            assert_eq!(out.len(), id.encoded_len());
            assert_eq!(MemberId::decode(&mut Reader::new(&out)), Ok(id));
        }
        assert_eq!(seed("10.0.0.1:7470").encoded_len(), 23);
        assert!(size_of::<MemberId>() <= 36);
    }

    #[test]
    fn a_restart_wins_over_a_rejoin_and_a_new_address_over_neither() {
        let old = seed("10.0.0.9:7470");
        let renewed = old.renew().unwrap();
        let restarted = MemberId { boot: 1, ..old };
        assert!(renewed.win_addr_conflict(&old) && restarted.win_addr_conflict(&renewed));
        let moved = MemberId {
            endpoint: "10.0.0.1:7470".parse::<SocketAddr>().unwrap().into(),
            ..restarted
        };
        assert!(moved.win_addr_conflict(&old));
        assert_eq!(old.addr(), moved.addr());
    }

    proptest! {
        #[test]
        fn decoding_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _ = MemberId::decode(&mut Reader::new(&bytes));
        }
    }
}
