//! The agent's port: TCP, mutual TLS, HTTP/2, and the table of permissions before any service.
//!
//! Connections are accepted here and not by tonic's own server, so that a caller that speaks no TLS is told so in its own
//! words, each refusal has its line on this side, and a connection ends with the certificate that it was made with.

mod connection;
mod intruder;
mod refusal;
mod refusal_log;

pub use refusal::Refusal;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use hactl_proto::mtls::{Credential, Trust};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;

use self::refusal_log::RefusalLog;
use super::duties::Duties;
use super::service::Services;

/// What one agent serves at once. Five agents and an operator need a fraction of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Connections; a further one is closed at once.
    pub connections: usize,
    /// Calls of one connection.
    pub calls: u32,
    /// From the first packet to the end of the handshake.
    pub handshake: Duration,
    /// Calls under way when the agent stops have so long to end.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 256,
            calls: 64,
            handshake: Duration::from_secs(10),
            farewell: Duration::from_secs(5),
        }
    }
}

/// Told of each refusal; by default the log, which has few lines for each source.
pub type OnRefusal = Arc<dyn Fn(&Refusal) + Send + Sync>;

/// The agent's server.
#[derive(Clone)]
pub struct Server {
    trust: Arc<Trust>,
    own: Arc<Credential>,
    services: Services,
    limits: Limits,
    on_refusal: OnRefusal,
}

impl Server {
    /// Serves the duties to callers that `trust` believes, showing `own`, which may be replaced while it serves.
    pub fn new(trust: Arc<Trust>, own: Arc<Credential>, duties: &Duties) -> Self {
        let log = RefusalLog::default();
        Self {
            trust,
            own,
            services: Services::new(duties),
            limits: Limits::default(),
            on_refusal: Arc::new(move |refusal| log.write(refusal)),
        }
    }

    /// With other limits.
    #[must_use]
    pub const fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// With somebody else told of refusals.
    #[must_use]
    pub fn with_refusals_to(mut self, on_refusal: OnRefusal) -> Self {
        self.on_refusal = on_refusal;
        self
    }

    /// Serves until `stop` is ready, then lets the calls under way end, within the farewell limit.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()>) {
        let room = Arc::new(Semaphore::new(self.limits.connections));
        let (stopping, stopped) = watch::channel(());
        let mut connections = JoinSet::new();
        let mut stop = std::pin::pin!(stop);
        loop {
            let accepted = tokio::select! {
                () = &mut stop => break,
                // Ended connections leave the set as they end.
                Some(_) = connections.join_next() => continue,
                accepted = listener.accept() => accepted,
            };
            let (tcp, from) = match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    out_of_files(&error).await;
                    continue;
                }
            };
            let Ok(place) = room.clone().try_acquire_owned() else {
                (self.on_refusal)(&Refusal::TooMany {
                    from,
                    limit: self.limits.connections,
                });
                continue;
            };
            let (server, stopped) = (self.clone(), stopped.clone());
            connections.spawn(async move {
                connection::serve(&server, tcp, from, stopped).await;
                drop(place);
            });
        }
        drop(listener);
        // Every connection sees the sender go, and says farewell.
        drop(stopping);
        let all = async { while connections.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(self.limits.farewell, all).await;
    }

    fn refuse(&self, refusal: &Refusal) {
        (self.on_refusal)(refusal);
    }
}

/// Accepting fails when the process is out of file descriptors, and would fail again at once.
async fn out_of_files(error: &std::io::Error) {
    tracing::warn!(%error, "failed to accept a connection");
    tokio::time::sleep(Duration::from_millis(100)).await;
}
