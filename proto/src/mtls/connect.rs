//! Reaching an agent: a gRPC channel to a node, by name, at an address.
//!
//! A connection counts as made when the agent has taken this side's certificate: in TLS 1.3 a client learns of its refusal
//! only after its own handshake, so the agent's first bytes (its HTTP/2 settings) are awaited too.

use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::AsyncBufReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::codegen::Service;
use tonic::codegen::http::Uri;
use tonic::transport::{Channel, Endpoint};

use super::credential::Credential;
use super::refusal::{PeerRefusal, Rejection};
use super::trust::Trust;
use crate::name::NodeName;
use crate::subject::dns_name;

/// How long to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// For TCP, TLS and the agent's first bytes together.
    pub connect: Duration,
    /// For the head of an answer; a stream may take longer.
    pub answer: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            answer: Duration::from_mins(1),
        }
    }
}

/// Why an agent was not reached. It changed nothing.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// Nothing answers there.
    #[error("connect to {peer}")]
    Unreachable {
        /// Name and address.
        peer: String,
        /// The cause.
        source: io::Error,
    },
    /// It took too long, with what it was at.
    #[error("connect to {peer} within {} s: {stage}", .limit.as_secs_f32())]
    TimedOut {
        /// Name and address.
        peer: String,
        /// What was not done in time.
        stage: &'static str,
        /// The limit.
        limit: Duration,
    },
    /// Its certificate is not believed here.
    #[error("trust {peer}: {refusal}")]
    Untrusted {
        /// Name and address.
        peer: String,
        /// Why.
        refusal: PeerRefusal,
    },
    /// It does not believe this side's certificate.
    #[error("be trusted by {peer}: {rejection}")]
    Rejected {
        /// Name and address.
        peer: String,
        /// What it let know.
        rejection: Rejection,
    },
    /// What answers there speaks no TLS, or not to us.
    #[error("speak TLS with {peer}: is it an hactl agent?")]
    NotTls {
        /// Name and address.
        peer: String,
        /// The cause.
        source: io::Error,
    },
    /// The node's name makes no DNS name, or TLS could not be set up.
    #[error("prepare the connection to {peer}: {reason}")]
    Unusable {
        /// Name and address.
        peer: String,
        /// Why.
        reason: String,
    },
}

/// Makes channels to agents of one cluster.
#[derive(Debug, Clone)]
pub struct Dialer {
    trust: Arc<Trust>,
    own: Option<Arc<Credential>>,
    limits: Limits,
}

impl Dialer {
    /// With this side's credential; without one an agent only lets it enrol.
    pub const fn new(trust: Arc<Trust>, own: Option<Arc<Credential>>, limits: Limits) -> Self {
        Self { trust, own, limits }
    }

    /// Connects now, so that a refusal is known now, and gives a channel that connects anew by itself when the connection
    /// is lost. The agent is verified by the node's name.
    pub async fn connect(
        &self,
        node: &NodeName,
        address: SocketAddr,
    ) -> Result<Channel, ConnectError> {
        let line = Line {
            dialer: self.clone(),
            node: node.clone(),
            address,
        };
        let first = line.open().await?;
        let uri = format!("http://{}", dns_name(node, self.trust.cluster()));
        let endpoint = Endpoint::from_shared(uri).map_err(|error| line.unusable(&error))?;
        let endpoint = endpoint
            .timeout(self.limits.answer)
            .http2_keep_alive_interval(Duration::from_secs(15))
            .keep_alive_timeout(Duration::from_secs(10))
            .buffer_size(16);
        Ok(endpoint.connect_with_connector_lazy(Connector {
            line,
            first: Arc::new(Mutex::new(Some(first))),
        }))
    }
}

/// The connect error behind a failed call, where a channel could not connect anew.
pub fn explain<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a ConnectError> {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(found) = error.downcast_ref::<ConnectError>() {
            return Some(found);
        }
        cause = error.source();
    }
    None
}

/// One node at one address.
#[derive(Debug, Clone)]
struct Line {
    dialer: Dialer,
    node: NodeName,
    address: SocketAddr,
}

impl Line {
    fn peer(&self) -> String {
        format!("the agent of {} at {}", self.node, self.address)
    }

    fn unusable(&self, reason: &dyn std::fmt::Display) -> ConnectError {
        ConnectError::Unusable {
            peer: self.peer(),
            reason: reason.to_string(),
        }
    }

    async fn open(&self) -> Result<TlsStream<TcpStream>, ConnectError> {
        let stage = Mutex::new("TCP");
        let opened = tokio::time::timeout(self.dialer.limits.connect, self.steps(&stage));
        opened.await.unwrap_or_else(|_| {
            Err(ConnectError::TimedOut {
                peer: self.peer(),
                stage: *stage.lock().unwrap_or_else(PoisonError::into_inner),
                limit: self.dialer.limits.connect,
            })
        })
    }

    async fn steps(
        &self,
        stage: &Mutex<&'static str>,
    ) -> Result<TlsStream<TcpStream>, ConnectError> {
        let reach = |at| *stage.lock().unwrap_or_else(PoisonError::into_inner) = at;
        let trust = &self.dialer.trust;
        let (config, witness) = trust
            .call(&self.node, self.dialer.own.as_ref())
            .map_err(|error| self.unusable(&error))?;
        let name = ServerName::try_from(dns_name(&self.node, trust.cluster()))
            .map_err(|error| self.unusable(&error))?;
        let unreachable = |source| ConnectError::Unreachable {
            peer: self.peer(),
            source,
        };
        let tcp = TcpStream::connect(self.address)
            .await
            .map_err(unreachable)?;
        tcp.set_nodelay(true).map_err(unreachable)?;
        reach("the TLS handshake");
        let handshake = TlsConnector::from(Arc::new(config)).connect(name, tcp);
        let mut tls = match handshake.await {
            Ok(tls) => tls,
            Err(error) => {
                return Err(match witness.take() {
                    Some(refusal) => ConnectError::Untrusted {
                        peer: self.peer(),
                        refusal,
                    },
                    None => self.rejected(error),
                });
            }
        };
        reach("its first answer");
        match tls.fill_buf().await {
            Ok([]) => Err(self.rejected(io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => Ok(tls),
            Err(error) => Err(self.rejected(error)),
        }
    }

    fn rejected(&self, error: io::Error) -> ConnectError {
        let cause = error.get_ref().and_then(|cause| cause.downcast_ref());
        match cause {
            Some(rustls::Error::AlertReceived(alert)) => ConnectError::Rejected {
                peer: self.peer(),
                rejection: (*alert).into(),
            },
            _ => ConnectError::NotTls {
                peer: self.peer(),
                source: error,
            },
        }
    }
}

/// What a channel connects with: the connection that stands already, later new ones.
struct Connector {
    line: Line,
    first: Arc<Mutex<Option<TlsStream<TcpStream>>>>,
}

type Connecting =
    Pin<Box<dyn Future<Output = Result<TokioIo<TlsStream<TcpStream>>, ConnectError>> + Send>>;

impl Service<Uri> for Connector {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = ConnectError;
    type Future = Connecting;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), ConnectError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Connecting {
        let first = self
            .first
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let line = self.line.clone();
        Box::pin(async move {
            match first {
                Some(tls) => Ok(TokioIo::new(tls)),
                None => line.open().await.map(TokioIo::new),
            }
        })
    }
}
