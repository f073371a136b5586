//! Clusters that know each other already, of the agent's core or of foca as it comes.

use std::time::Duration;

use hactl_agent::membership::clock::Now;
use hactl_agent::membership::core::{Core, Seed, Settings};
use hactl_agent::membership::detect::Profile;
use hactl_agent::membership::exchange::{Exchange, PARTS, Portion};
use hactl_agent::membership::identity::{MemberId, NodeId};
use hactl_agent::membership::seal::{Epoch, KeyRing};
use hactl_proto::health::{ComponentHealth, HealthDigest};
use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use rand::RngExt as _;

use crate::alone::Tape;
use crate::plain::Plain;
use crate::world::{World, address};

const KEY: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
const ZONES: [&str; 3] = ["zone-a", "zone-b", "zone-c"];
const CONTROL_PLANES: usize = 5;
/// Nobody is refused: the limit is not what is measured.
const LIMIT: usize = 6000;

/// Which zone a node is in.
pub const fn zone_of(index: usize) -> usize {
    index % ZONES.len()
}

/// The node of that number, as a spec would name it.
pub fn seed_of(index: usize) -> anyhow::Result<Seed> {
    let role = if index < CONTROL_PLANES {
        NodeRole::ControlPlane
    } else {
        NodeRole::Worker
    };
    Ok(Seed {
        node: NodeName::new(format!("node-{index:04}"))?,
        zone: ZoneName::new(ZONES[zone_of(index)])?,
        role,
        address: address(index),
    })
}

/// A healthy node's digest.
pub fn digest(disk: u8) -> HealthDigest {
    HealthDigest {
        kubelet: ComponentHealth::Healthy,
        containerd: ComponentHealth::Healthy,
        agent_version: "0.1.0".into(),
        kubelet_version: "v1.36.2".parse().ok(),
        disk_used_percent: Some(disk),
        ..HealthDigest::default()
    }
}

/// A core that knows nobody but whom the spec declares.
pub fn core(index: usize, seed: u64, now: Now) -> anyhow::Result<Core> {
    let declared: anyhow::Result<Vec<Seed>> = (0..CONTROL_PLANES).map(seed_of).collect();
    let zones: Result<Vec<ZoneName>, _> = ZONES.into_iter().map(ZoneName::new).collect();
    let salt = u32::try_from(index).unwrap_or(0);
    let settings = Settings {
        node: seed_of(index)?,
        epoch: Epoch {
            boot: 1_790_000_000,
            salt,
        },
        seed,
        declared: declared?,
        remembered: Vec::new(),
        zones: zones?,
        member_limit: LIMIT,
        profile: Profile::lan(),
    };
    let ring = KeyRing::new(ClusterId::from_bytes([7; 16]), [(1, KEY)])?;
    let mut core = Core::new(settings, ring, now)?;
    core.publish(digest(40), now);
    Ok(core)
}

/// `count` cores that know all of each other.
pub fn agents(count: usize, loss: f64, seed: u64) -> anyhow::Result<World<Core>> {
    let mut world = World::new(loss, seed);
    let now = world.time();
    let mut cores = Vec::with_capacity(count);
    let seeds: Vec<u64> = (0..count).map(|_| world.rng.random()).collect();
    for (index, seed) in seeds.iter().enumerate() {
        cores.push(core(index, *seed, now)?);
    }
    let mut everyone = Portion::default();
    for core in &mut cores {
        add(&mut everyone, core, now)?;
    }
    let everyone = Exchange::Tell(everyone).encode();
    for (index, mut core) in cores.into_iter().enumerate() {
        core.answer(&everyone, now)?;
        while core.poll_event().is_some() {}
        world.add(NodeId::of(&seed_of(index)?.node), core, zone_of(index));
    }
    world.tape = seeds.first().map(|seed| Tape {
        seed: *seed,
        everyone,
        made: now,
        inputs: Vec::new(),
    });
    world.go(Duration::from_secs(1));
    Ok(world)
}

/// A node that knows nobody but whom the spec declares joins; its place.
pub fn join(world: &mut World<Core>) -> anyhow::Result<usize> {
    let index = world.slots.len();
    let now = world.time();
    let core = core(index, world.rng.random(), now)?;
    world.add(NodeId::of(&seed_of(index)?.node), core, zone_of(index));
    let wait = Duration::from_millis(750) + world.within(Duration::from_millis(500));
    world.go_one(index, Duration::from_millis(1), wait);
    Ok(index)
}

/// What the first of `count` nodes is told of the others; nothing happens to it after that.
pub fn told(count: usize) -> anyhow::Result<Tape> {
    let made = World::<Core>::new(0.0, 1).time();
    let mut everyone = Portion::default();
    for index in 0..count {
        add(&mut everyone, &mut core(index, 1, made)?, made)?;
    }
    Ok(Tape {
        seed: 1,
        everyone: Exchange::Tell(everyone).encode(),
        made,
        inputs: Vec::new(),
    })
}

/// Adds what a node that knows nobody tells of itself.
fn add(everyone: &mut Portion, core: &mut Core, now: Now) -> anyhow::Result<()> {
    let all = Exchange::Compare([1; PARTS]).encode();
    if let Exchange::Tell(own) = Exchange::decode(&core.answer(&all, now)?)? {
        everyone.members.extend(own.members);
        everyone.records.extend(own.records);
    }
    Ok(())
}

/// `count` members of foca as it comes.
pub fn plain(count: usize, loss: f64, seed: u64) -> anyhow::Result<World<Plain>> {
    let mut world = World::new(loss, seed);
    let now = world.time();
    let ids: anyhow::Result<Vec<MemberId>> = (0..count)
        .map(|index| {
            let seed = seed_of(index)?;
            let id = MemberId::seed(&seed.node, &seed.zone, seed.role, seed.address);
            Ok(MemberId { boot: 1, ..id })
        })
        .collect();
    let ids = ids?;
    for (index, own) in ids.iter().enumerate() {
        let late = Duration::from_millis(world.rng.random_range(0..1000));
        let start = Now {
            mono: now.mono + late,
            ..now
        };
        let node = Plain::settled(*own, &ids, world.rng.random(), start);
        world.add(own.node, node, zone_of(index));
    }
    world.go(Duration::from_secs(1));
    Ok(world)
}
