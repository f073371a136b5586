//! Membership words: what one agent believes of another.

use std::net::SocketAddr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::health::HealthDigest;
use crate::name::{NodeName, ZoneName};
use crate::role::NodeRole;

/// SWIM's three states, in the order of worsening.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// It answers, or someone who answers says so.
    Alive,
    /// A probe failed; it has until the suspicion time-out to refute.
    Suspect,
    /// Nobody heard from it in time, or it left.
    Down,
}

/// One agent's view of one member, itself included.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MemberView {
    /// The member's node name.
    pub node: NodeName,
    /// Its zone.
    pub zone: ZoneName,
    /// What it is declared to be.
    pub role: NodeRole,
    /// Where its datagrams come from.
    pub address: SocketAddr,
    /// What the observer believes.
    pub state: MemberState,
    /// Since when the observer believes it.
    pub since: Timestamp,
    /// SWIM incarnation, raised by the member alone to refute a suspicion.
    pub incarnation: u16,
    /// Counts the starts of the member's agent.
    pub boot_epoch: u64,
    /// Round trip of the last answered probe, in microseconds, if this observer has probed it.
    pub round_trip_us: Option<u32>,
    /// The newest health digest heard, if any.
    pub health: Option<HealthDigest>,
    /// How the observer's probes reach it.
    #[serde(default)]
    pub reach: Reach,
    /// What the observer believes of the member's zone as a whole; in its own row, of its own contact too.
    #[serde(default)]
    pub zone_condition: ZoneCondition,
}

/// By which way an observer's probes reach a member or a zone.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Reach {
    /// Directly, by datagrams both ways.
    #[default]
    Direct,
    /// The observer's datagrams to it get lost; its own arrive, and others reach it.
    NotTo,
    /// Its datagrams to the observer get lost; others hear it.
    NotFrom,
    /// Over TCP alone: datagrams don't come through by any way.
    Stream,
}

/// What an observer believes of a zone as a whole.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum ZoneCondition {
    /// Members of it are heard.
    #[default]
    Reachable,
    /// It fell silent as a whole, while other zones are heard.
    Silent,
    /// The observer's own zone: all others, two or more, fell silent, so it is this one that is cut off.
    CutOff,
    /// It is silent, and nobody can tell whether it is gone or the observer's zone is cut off.
    Undecided,
    /// The observer hears nobody at all: said in its own row alone.
    Alone,
}
