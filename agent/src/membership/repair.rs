//! The rounds of state exchange: at once after a start, then every half minute with one random living member.

use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

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

const EVERY: Duration = Duration::from_secs(30);
const UNTIL_SYNCED: Duration = Duration::from_secs(1);
/// The file of remembered members is looked at after so many rounds.
const REMEMBER_ROUNDS: u32 = 4;

/// Runs until the membership stops.
pub(super) async fn run<H: Host, E: Exchange>(
    weak: WeakMembership,
    exchange: Arc<E>,
    host: Arc<H>,
    file: PathBuf,
    mut written: Vec<Seed>,
) {
    let mut round: u32 = 0;
    let mut synced = false;
    loop {
        tokio::time::sleep(pause(synced)).await;
        let Some(membership) = weak.upgrade() else {
            return;
        };
        let (Ok(living), Ok(oracles)) = (membership.living().await, membership.oracles().await)
        else {
            return;
        };
        let done = match (pick(&living), pick(&oracles)) {
            (Some(peer), _) => {
                let done = once(&membership, &*exchange, peer).await;
                synced |= done.is_ok();
                done
            }
            (None, Some(oracle)) => ask_why(&membership, &*exchange, oracle).await,
            (None, None) => Ok(()),
        };
        if let Err(error) = done {
            // A member that is alive by UDP and does not answer by TCP: worth a line, not an alarm.
            tracing::debug!(%error, "state exchange failed");
        }
        if round.is_multiple_of(REMEMBER_ROUNDS) && !living.is_empty() && living != written {
            match remembered::write(&*host, &file, &living).await {
                Ok(()) => written = living,
                Err(error) => tracing::warn!(%error, "members are not remembered"),
            }
        }
        round = round.wrapping_add(1);
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
    let whole = if synced { EVERY } else { UNTIL_SYNCED };
    whole * 3 / 4 + whole * part / 2000
}

/// A random one of those whose name is known: TLS wants it.
fn pick(living: &[Seed]) -> Option<&Seed> {
    let named: Vec<&Seed> = living.iter().filter(|seed| seed.is_named()).collect();
    let number = usize::try_from(getrandom::u32().unwrap_or(0)).unwrap_or(0);
    named.get(number.checked_rem(named.len())?).copied()
}
