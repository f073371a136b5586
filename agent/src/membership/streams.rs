//! Probes over streams: a member that is silent by datagrams is asked over gRPC whether it lives. Where it answers, UDP is broken
//! on the way and the member is not.

use std::sync::Arc;

use tokio::sync::{Semaphore, mpsc};

use super::core::StreamProbe;
use super::exchange::Exchange as Message;
use super::handle::WeakMembership;
use super::repair::Exchange;

/// Probes that may wait; beyond, datagrams alone decide.
pub(super) const WAITING: usize = 64;
/// Handshakes at a time: a lost zone must not start hundreds.
const AT_ONCE: usize = 8;

/// Runs until the membership stops.
pub(super) async fn run<E: Exchange>(
    weak: WeakMembership,
    exchange: Arc<E>,
    mut probes: mpsc::Receiver<StreamProbe>,
) {
    let slots = Arc::new(Semaphore::new(AT_ONCE));
    while let Some(probe) = probes.recv().await {
        let Ok(slot) = Arc::clone(&slots).acquire_owned().await else {
            return;
        };
        let Some(membership) = weak.upgrade() else {
            return;
        };
        let exchange = Arc::clone(&exchange);
        tokio::spawn(async move {
            let question = Message::Alive.encode();
            // No answer is what the datagrams said already.
            if exchange.exchange(&probe.peer, question).await.is_ok() {
                let _ = membership.stream_answered(probe.target).await;
            }
            drop(slot);
        });
    }
}
