//! The rounds of state exchange: at once after a start, then with each member that told of other states by datagram, and every
//! ten minutes unasked.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use super::core::Seed;
use super::handle::{Membership, WeakMembership};
use super::remembered;
use crate::host::Host;

/// A peer could not be asked, or answered wrongly. Nothing of its answer was taken.
#[derive(Debug, thiserror::Error)]
pub enum ExchangeError {
    /// It could not be reached, or refused.
    #[error("exchange states with {peer}: {reason}")]
    Peer {
        /// The peer's name.
        peer: String,
        /// What happened.
        reason: String,
    },
    /// Its answer is not of our format.
    #[error("read the states of {peer}")]
    Answer {
        /// The peer's name.
        peer: String,
        /// The cause.
        source: super::wire::Malformed,
    },
    /// The membership has stopped.
    #[error("exchange states: the membership has stopped")]
    Stopped,
}

/// How a message reaches a peer's `MembershipService.Exchange`, over mutual TLS.
pub trait Exchange: Send + Sync + 'static {
    /// Sends the message to the peer's agent and returns its answer. Bounded in time by the implementation.
    fn exchange(
        &self,
        peer: &Seed,
        message: Vec<u8>,
    ) -> impl Future<Output = Result<Vec<u8>, ExchangeError>> + Send;
}

/// A look at how things are.
const LOOK: Duration = Duration::from_secs(30);
const UNTIL_SYNCED: Duration = Duration::from_secs(1);
/// Every so many looks states are exchanged unasked: where UDP is filtered one way, no comparison arrives.
const UNASKED: u32 = 20;
/// The file of remembered members is looked at after so many looks.
const REMEMBER: u32 = 8;
/// Peers with other states that may wait; each says so again.
pub(super) const WAITING: usize = 2;

/// What is remembered of the members over a restart, and where.
pub(super) struct Memory<H> {
    pub(super) host: Arc<H>,
    pub(super) file: PathBuf,
    /// What the file holds.
    pub(super) written: Vec<Seed>,
}

/// Runs until the membership stops.
pub(super) async fn run<H: Host, E: Exchange>(
    weak: WeakMembership,
    exchange: Arc<E>,
    mut differing: mpsc::Receiver<Seed>,
    mut memory: Memory<H>,
) {
    let mut look: u32 = 0;
    let mut synced = false;
    let mut next = Instant::now() + pause(synced);
    loop {
        let differs = tokio::select! {
            peer = differing.recv() => match peer {
                Some(peer) => Some(peer),
                None => return,
            },
            () = tokio::time::sleep_until(next) => None,
        };
        let Some(membership) = weak.upgrade() else {
            return;
        };
        let done = if let Some(peer) = differs {
            once(&membership, &*exchange, &peer).await
        } else {
            let unasked = !synced || look.is_multiple_of(UNASKED);
            let done = round(&membership, &*exchange, unasked, &mut synced).await;
            if look.is_multiple_of(REMEMBER) {
                memory.keep(&membership).await;
            }
            look = look.wrapping_add(1);
            next = Instant::now() + pause(synced);
            done
        };
        match done {
            Err(ExchangeError::Stopped) => return,
            // A member that is alive by UDP and does not answer by TCP: worth a line, not an alarm.
            Err(error) => tracing::debug!(%error, "state exchange failed"),
            Ok(()) => {}
        }
    }
}

/// Exchanges states with a random member where it is time, and asks why nobody is heard where nobody is.
async fn round<E: Exchange>(
    membership: &Membership,
    exchange: &E,
    unasked: bool,
    synced: &mut bool,
) -> Result<(), ExchangeError> {
    let stopped = |_| ExchangeError::Stopped;
    if let Some(peer) = membership.partner().await.map_err(stopped)? {
        if unasked || membership.is_alone().await.map_err(stopped)? {
            once(membership, exchange, &peer).await?;
            *synced = true;
        }
        return Ok(());
    }
    let oracles = membership.oracles().await.map_err(stopped)?;
    match pick(&oracles) {
        Some(oracle) => ask_why(membership, exchange, oracle).await,
        None => Ok(()),
    }
}

impl<H: Host> Memory<H> {
    /// Writes the living members where they are others than the file's.
    async fn keep(&mut self, membership: &Membership) {
        let Ok(living) = membership.living().await else {
            return;
        };
        if living.is_empty() || living == self.written {
            return;
        }
        match remembered::write(&*self.host, &self.file, &living).await {
            Ok(()) => self.written = living,
            Err(error) => tracing::warn!(%error, "members are not remembered"),
        }
    }
}

/// One exchange with one peer: compare, take what differs, give what it lacks.
pub async fn once<E: Exchange>(
    membership: &Membership,
    exchange: &E,
    peer: &Seed,
) -> Result<(), ExchangeError> {
    let stopped = |_| ExchangeError::Stopped;
    let question = membership.compare().await.map_err(stopped)?;
    let answer = exchange.exchange(peer, question).await?;
    let lacks = membership
        .take_answer(answer)
        .await
        .map_err(stopped)?
        .map_err(|source| ExchangeError::Answer {
            peer: peer.node.to_string(),
            source,
        })?;
    if let Some(lacks) = lacks {
        exchange.exchange(peer, lacks).await?;
    }
    Ok(())
}

/// Asks a declared control plane while nobody is heard by UDP: another agent may have our name.
async fn ask_why<E: Exchange>(
    membership: &Membership,
    exchange: &E,
    oracle: &Seed,
) -> Result<(), ExchangeError> {
    let stopped = |_| ExchangeError::Stopped;
    let question = membership.compare().await.map_err(stopped)?;
    let answer = exchange.exchange(oracle, question).await?;
    let read = membership.glance(answer).await.map_err(stopped)?;
    read.map_err(|source| ExchangeError::Answer {
        peer: oracle.node.to_string(),
        source,
    })
}

/// Three to five quarters of the time, so that nodes started together do not stay in step.
fn pause(synced: bool) -> Duration {
    let part = getrandom::u32().unwrap_or(u32::MAX / 2) % 1000;
    let whole = if synced { LOOK } else { UNTIL_SYNCED };
    whole * 3 / 4 + whole * part / 2000
}

/// Any of them.
fn pick(oracles: &[Seed]) -> Option<&Seed> {
    let number = usize::try_from(getrandom::u32().unwrap_or(0)).unwrap_or(0);
    oracles.get(number.checked_rem(oracles.len())?)
}
