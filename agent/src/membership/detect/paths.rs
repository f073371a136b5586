//! By which ways others are reached: where direct probes to a zone fail while others reach its members, the path is broken, and
//! in which direction.

use std::collections::BTreeMap;
use std::time::Duration;

use hactl_proto::member::Reach;

use super::super::identity::{NodeId, ZoneTag};

/// A zone whose datagrams arrive is heard; one that was not for so long, in a cluster that probes, is not.
const UNHEARD: Duration = Duration::from_secs(5);
/// Of the last eight probes into a zone so many must have come through by detours only.
const MOST: u32 = 4;

/// So many probes into a zone, all failed and nothing heard of it between them, make it dark.
const DARK: u8 = 3;

/// How a probe was answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// By its target.
    Direct,
    /// Through a helper, or by some other datagram of its target.
    Detour,
    /// Over a stream alone.
    Stream,
}

#[derive(Debug, Clone, Copy, Default)]
struct Path {
    /// The last eight probes, the newest in the lowest bit: set where the answer took a detour.
    detours: u8,
    streams: u8,
    heard: Option<Duration>,
    /// Probes into it that failed since it was last heard.
    failed: u8,
}

/// The ways to members and zones, where they are not the direct one.
#[derive(Debug, Default)]
pub struct Paths {
    /// Members whose last probe took a detour.
    members: BTreeMap<NodeId, Reach>,
    zones: BTreeMap<ZoneTag, Path>,
}

impl Paths {
    /// A datagram of that zone arrived; whether it had been dark.
    pub fn heard(&mut self, zone: ZoneTag, now: Duration) -> bool {
        let path = self.zones.entry(zone).or_default();
        path.heard = Some(now);
        std::mem::take(&mut path.failed) >= DARK
    }

    /// Whether anything of that zone was heard after then.
    pub fn heard_since(&self, zone: ZoneTag, since: Duration) -> bool {
        let heard = self.zones.get(&zone).and_then(|path| path.heard);
        heard.is_some_and(|heard| heard > since)
    }

    /// Zones of which something was heard after then.
    pub fn heard_after(&self, then: Duration) -> impl Iterator<Item = ZoneTag> {
        let heard = move |path: &Path| path.heard.is_some_and(|heard| heard > then);
        let zones = self.zones.iter().filter(move |(_, path)| heard(path));
        zones.map(|(zone, _)| *zone)
    }

    /// A probe into that zone failed by all ways.
    pub fn failed(&mut self, zone: ZoneTag) {
        let path = self.zones.entry(zone).or_default();
        path.failed = path.failed.saturating_add(1);
    }

    /// Zones of which nothing was heard through several probes: this node's own evidence, not what others say.
    pub fn dark(&self) -> impl Iterator<Item = ZoneTag> {
        let dark = self.zones.iter().filter(|(_, path)| path.failed >= DARK);
        dark.map(|(zone, _)| *zone)
    }

    /// A probe was answered that way.
    pub fn answered(&mut self, node: NodeId, zone: ZoneTag, way: Way, now: Duration) {
        let path = self.zones.entry(zone).or_default();
        path.detours = (path.detours << 1) | u8::from(way != Way::Direct);
        path.streams = (path.streams << 1) | u8::from(way == Way::Stream);
        match reach(way, path.is_heard(now)) {
            Reach::Direct => self.members.remove(&node),
            other => self.members.insert(node, other),
        };
    }

    /// How a member was reached last.
    pub fn member(&self, node: NodeId) -> Reach {
        self.members.get(&node).copied().unwrap_or(Reach::Direct)
    }

    /// How a zone is reached by now.
    pub fn zone(&self, zone: ZoneTag, now: Duration) -> Reach {
        let Some(path) = self.zones.get(&zone) else {
            return Reach::Direct;
        };
        if path.streams.count_ones() >= MOST {
            return Reach::Stream;
        }
        if path.detours.count_ones() < MOST {
            return Reach::Direct;
        }
        reach(Way::Detour, path.is_heard(now))
    }

    /// Forgets members that `keep` does not name.
    pub fn retain(&mut self, keep: impl Fn(NodeId) -> bool) {
        self.members.retain(|node, _| keep(*node));
    }

    /// A member is down, or another one now.
    pub fn forget(&mut self, node: NodeId) {
        self.members.remove(&node);
    }
}

impl Path {
    fn is_heard(&self, now: Duration) -> bool {
        self.heard.is_some_and(|heard| heard + UNHEARD > now)
    }
}

/// Where the zone's datagrams arrive, ours get lost on the way to it; else its own do.
const fn reach(way: Way, heard: bool) -> Reach {
    match (way, heard) {
        (Way::Direct, _) => Reach::Direct,
        (Way::Stream, _) => Reach::Stream,
        (Way::Detour, true) => Reach::NotTo,
        (Way::Detour, false) => Reach::NotFrom,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId([1; 8]);
    const ZONE: ZoneTag = ZoneTag(1);

    #[test]
    fn a_one_way_cut_is_named_by_its_direction() {
        let mut paths = Paths::default();
        let now = Duration::from_secs(100);
        for _ in 0..4 {
            paths.heard(ZONE, now);
            paths.answered(NODE, ZONE, Way::Detour, now);
        }
        assert_eq!(paths.zone(ZONE, now), Reach::NotTo);
        assert_eq!(paths.member(NODE), Reach::NotTo);
        let later = now + UNHEARD;
        assert_eq!(paths.zone(ZONE, later), Reach::NotFrom);
        for _ in 0..5 {
            paths.answered(NODE, ZONE, Way::Direct, later);
        }
        assert_eq!(
            (paths.zone(ZONE, later), paths.member(NODE)),
            (Reach::Direct, Reach::Direct)
        );
    }

    #[test]
    fn a_zone_is_dark_after_failures_in_a_row_and_not_when_it_is_heard_between_them() {
        let mut paths = Paths::default();
        paths.failed(ZONE);
        paths.failed(ZONE);
        assert!(!paths.heard(ZONE, Duration::ZERO));
        for _ in 0..3 {
            assert_eq!(paths.dark().count(), 0);
            paths.failed(ZONE);
        }
        assert_eq!(paths.dark().collect::<Vec<_>>(), [ZONE]);
        assert!(paths.heard(ZONE, Duration::ZERO), "it was dark");
        assert_eq!(paths.dark().count(), 0);
    }

    #[test]
    fn one_detour_is_a_members_and_not_a_zones() {
        let mut paths = Paths::default();
        paths.answered(NODE, ZONE, Way::Direct, Duration::ZERO);
        paths.answered(NODE, ZONE, Way::Stream, Duration::ZERO);
        assert_eq!(paths.member(NODE), Reach::Stream);
        assert_eq!(paths.zone(ZONE, Duration::ZERO), Reach::Direct);
    }
}
