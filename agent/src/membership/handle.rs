//! The membership as the daemon holds it: start it, ask it, tell it this node's health, leave.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use hactl_proto::bundle::Bundle;
use hactl_proto::health::HealthDigest;
use hactl_proto::member::MemberView;
use hactl_proto::name::{ClusterId, NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use tokio::sync::{broadcast, mpsc, oneshot};

use super::clock::Now;
use super::core::{Core, Seed, Settings, Status, ZoneEvent};
use super::detect::Profile;
use super::epoch::{self, EpochError};
use super::identity::MemberId;
use super::remembered;
use super::repair::{self, Exchange, Memory};
use super::seal::{KeyRing, KeyRingError};
use super::shell::{self, Outlets, Work};
use super::streams;
use super::table::MemberEvent;
use super::wire::Malformed;
use crate::host::Host;
use crate::paths::Paths;

/// Why the membership did not start, or does not answer. The node is unchanged but for a raised boot epoch.
#[derive(Debug, thiserror::Error)]
pub enum MembershipError {
    /// There is no boot epoch.
    #[error(transparent)]
    Epoch(#[from] EpochError),
    /// The bundle's gossip keys are no key ring.
    #[error(transparent)]
    Keys(#[from] KeyRingError),
    /// The UDP port could not be bound.
    #[error("bind UDP {address}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// The cause.
        source: io::Error,
    },
    /// The thread could not be started.
    #[error("start the membership's thread")]
    Thread(#[source] io::Error),
    /// It has stopped.
    #[error("ask the membership: it has stopped")]
    Stopped,
}

/// What a membership starts from.
pub struct Start {
    /// The hactl cluster.
    pub cluster: ClusterId,
    /// The gossip keys, the sealing one first.
    pub ring: KeyRing,
    /// This node; its address is what others send to.
    pub node: Seed,
    /// Where to bind; port and family as in the node's address.
    pub bind: SocketAddr,
    /// The declared nodes.
    pub declared: Vec<Seed>,
    /// The zones.
    pub zones: Vec<ZoneName>,
    /// The detector's numbers.
    pub profile: Profile,
    /// No more members than this.
    pub member_limit: usize,
}

/// The largest cluster that one gossip ring is for.
const MEMBER_LIMIT: usize = 5000;

impl Start {
    /// From a bundle, for the node of that name that is reached at `address` (the spec's agent port); bound to the same
    /// address.
    pub fn from_bundle(
        bundle: &Bundle,
        node: NodeName,
        address: SocketAddr,
    ) -> Result<Self, KeyRingError> {
        let port = bundle.spec.policies.agent_port;
        let roles = [
            (&bundle.spec.control_planes, NodeRole::ControlPlane),
            (&bundle.spec.workers, NodeRole::Worker),
        ];
        let declared = roles
            .into_iter()
            .flat_map(|(nodes, role)| nodes.iter().map(move |node| (node, role)))
            .map(|(node, role)| Seed {
                node: node.name.clone(),
                zone: node.zone.clone(),
                role,
                address: SocketAddr::new(node.address, port),
            })
            .collect();
        Ok(Self {
            cluster: bundle.cluster_id,
            ring: ring(bundle)?,
            node: Seed {
                node,
                zone: bundle.zone.clone(),
                role: bundle.role,
                address,
            },
            bind: address,
            declared,
            zones: bundle.spec.zones.clone(),
            profile: Profile::lan(),
            member_limit: MEMBER_LIMIT,
        })
    }
}

/// The bundle's key ring.
pub fn ring(bundle: &Bundle) -> Result<KeyRing, KeyRingError> {
    let keys = bundle.gossip_keys.iter();
    KeyRing::new(
        bundle.cluster_id,
        keys.map(|key| (key.id, key.key.as_str())),
    )
}

/// A running membership. Clones share it; it stops when the last one is dropped.
#[derive(Clone)]
pub struct Membership {
    work: mpsc::Sender<Work>,
    events: broadcast::Sender<MemberEvent>,
    zone_events: broadcast::Sender<ZoneEvent>,
    node: NodeName,
}

/// Does not keep the membership running.
pub(super) struct WeakMembership {
    work: mpsc::WeakSender<Work>,
    events: broadcast::Sender<MemberEvent>,
    zone_events: broadcast::Sender<ZoneEvent>,
    node: NodeName,
}

impl WeakMembership {
    /// The membership, unless all others have let it go.
    pub(super) fn upgrade(&self) -> Option<Membership> {
        Some(Membership {
            work: self.work.upgrade()?,
            events: self.events.clone(),
            zone_events: self.zone_events.clone(),
            node: self.node.clone(),
        })
    }
}

impl Membership {
    /// Raises the boot epoch, binds the port, and runs the gossip on a thread of its own, so that nothing else the agent does
    /// delays its answers; and the state exchange on the caller's runtime. Announces itself at once.
    pub async fn start<H: Host, E: Exchange>(
        start: Start,
        host: Arc<H>,
        paths: &Paths,
        exchange: E,
    ) -> Result<Self, MembershipError> {
        let epoch = epoch::raise(&*host, &paths.boot_epoch()).await?;
        let remembered = remembered::read(&*host, &paths.membership()).await;
        let node = start.node.node.clone();
        let settings = Settings {
            node: start.node,
            epoch,
            seed: getrandom::u64().map_err(EpochError::Random)?,
            declared: start.declared,
            remembered: remembered.clone(),
            zones: start.zones,
            member_limit: start.member_limit,
            profile: start.profile,
        };
        let (events, _) = broadcast::channel(256);
        let (zone_events, _) = broadcast::channel(64);
        let (ask, asked) = mpsc::channel(streams::WAITING);
        let (differ, differing) = mpsc::channel(repair::WAITING);
        let outlets = Outlets {
            members: events.clone(),
            zones: zone_events.clone(),
            streams: ask,
            repairs: differ,
        };
        let work = shell::spawn(settings, start.ring, start.bind, outlets)?;
        let membership = Self {
            work,
            events,
            zone_events,
            node,
        };
        let exchange = Arc::new(exchange);
        let probes = streams::run(membership.downgrade(), Arc::clone(&exchange), asked);
        tokio::spawn(probes);
        let rounds = repair::run(
            membership.downgrade(),
            exchange,
            differing,
            Memory {
                host,
                file: paths.membership(),
                written: remembered,
            },
        );
        tokio::spawn(rounds);
        Ok(membership)
    }

    fn downgrade(&self) -> WeakMembership {
        WeakMembership {
            work: self.work.downgrade(),
            events: self.events.clone(),
            zone_events: self.zone_events.clone(),
            node: self.node.clone(),
        }
    }

    /// This node's name.
    pub const fn node(&self) -> &NodeName {
        &self.node
    }

    /// Every known member, this node included, by name.
    pub async fn members(&self) -> Result<Vec<MemberView>, MembershipError> {
        self.with(|core, _| core.members()).await
    }

    /// Members that live, without this node.
    pub async fn living(&self) -> Result<Vec<Seed>, MembershipError> {
        self.with(|core, _| core.living()).await
    }

    /// A random one of them whose name is known: TLS wants it.
    pub(super) async fn partner(&self) -> Result<Option<Seed>, MembershipError> {
        let pick = getrandom::u64().unwrap_or(0);
        self.with(move |core, _| core.living_at(pick)).await
    }

    /// Whether nothing is heard of any of them.
    pub(super) async fn is_alone(&self) -> Result<bool, MembershipError> {
        self.with(|core, _| core.alone()).await
    }

    /// Declared control planes to ask while nobody is heard.
    pub(super) async fn oracles(&self) -> Result<Vec<Seed>, MembershipError> {
        self.with(|core, _| core.oracles()).await
    }

    /// Reads an answer while nobody is heard.
    pub(super) async fn glance(
        &self,
        answer: Vec<u8>,
    ) -> Result<Result<(), Malformed>, MembershipError> {
        self.with(move |core, _| core.glance(&answer)).await
    }

    /// Changes from now on. A receiver that lags by more than 256 misses the oldest: ask [`Membership::members`] then.
    pub fn events(&self) -> broadcast::Receiver<MemberEvent> {
        self.events.subscribe()
    }

    /// Changes of whole zones and of this node's own contact, from now on.
    pub fn zone_events(&self) -> broadcast::Receiver<ZoneEvent> {
        self.zone_events.subscribe()
    }

    /// A stream answered for a member that is silent by datagrams.
    pub(super) async fn stream_answered(&self, target: MemberId) -> Result<(), MembershipError> {
        self.with(move |core, now| core.stream_answered(target, now))
            .await
    }

    /// Tells the others how this node is; cheap where nothing changed.
    pub async fn publish(&self, digest: HealthDigest) -> Result<(), MembershipError> {
        self.with(|core, now| core.publish(digest, now)).await
    }

    /// How the membership itself is.
    pub async fn status(&self) -> Result<Status, MembershipError> {
        self.with(|core, _| core.status()).await
    }

    /// How far each peer's clock is ahead of this node's, in milliseconds.
    pub async fn clock_offsets(&self) -> Result<Vec<(NodeName, i64)>, MembershipError> {
        self.with(|core, _| core.clock_offsets()).await
    }

    /// Answers a peer's `Exchange` call.
    pub async fn answer(
        &self,
        message: Vec<u8>,
    ) -> Result<Result<Vec<u8>, Malformed>, MembershipError> {
        self.with(move |core, now| core.answer(&message, now)).await
    }

    /// The question that starts an exchange.
    pub async fn compare(&self) -> Result<Vec<u8>, MembershipError> {
        self.with(|core, _| core.compare()).await
    }

    /// Takes the answer to [`Membership::compare`]; returns what the peer lacks.
    pub async fn take_answer(
        &self,
        answer: Vec<u8>,
    ) -> Result<Result<Option<Vec<u8>>, Malformed>, MembershipError> {
        self.with(move |core, now| core.take_answer(&answer, now))
            .await
    }

    /// Takes another key ring, whose first key seals from now on.
    pub async fn rotate(&self, ring: KeyRing) -> Result<(), MembershipError> {
        self.with(|core, _| core.rotate(ring)).await??;
        Ok(())
    }

    /// Tells the others that this node goes, for a stop that is meant to last. A restart of the agent (an upgrade) is better
    /// not announced: the new boot epoch takes over before anyone misses the old one.
    pub async fn leave(&self) -> Result<(), MembershipError> {
        self.with(Core::leave).await
    }

    async fn with<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Core, Now) -> T + Send + 'static,
    ) -> Result<T, MembershipError> {
        let (done, answer) = oneshot::channel();
        let work: Work = Box::new(move |core, now| {
            // The asker may have gone; the work was wanted all the same.
            let _ = done.send(work(core, now));
        });
        self.work
            .send(work)
            .await
            .map_err(|_| MembershipError::Stopped)?;
        answer.await.map_err(|_| MembershipError::Stopped)
    }
}
