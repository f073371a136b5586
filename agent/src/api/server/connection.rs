//! One connection: handshake, then calls, until it ends, its certificate ends, or the agent stops.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hactl_proto::mtls::{Certified, Rejection, Trust};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use rustls_pki_types::{CertificateDer, UnixTime};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::{Code, Status};

use super::Server;
use super::intruder::{self, Tongue};
use super::refusal::Refusal;
use crate::api::caller::Caller;
use crate::api::permission::{self, Denial};

/// An idle connection is asked so often whether it is still there.
const KEEP_ALIVE: Duration = Duration::from_secs(30);
/// And has so long to say so.
const KEEP_ALIVE_ANSWER: Duration = Duration::from_secs(10);
/// Headers of a call; gRPC has few.
const HEADER_BYTES: u32 = 16 * 1024;

/// Serves one connection to its end.
pub(super) async fn serve(
    server: &Server,
    tcp: TcpStream,
    from: SocketAddr,
    stopped: watch::Receiver<()>,
) {
    let limit = server.limits.handshake;
    // From before the handshake: what is given up meanwhile counts.
    let replaced = server.trust.replacements();
    let shaken = tokio::time::timeout(limit, handshake(server, tcp, from));
    match shaken.await {
        Ok(Ok(tls)) => calls(server, tls, from, (stopped, replaced)).await,
        Ok(Err(refusal)) => server.refuse(&refusal),
        Err(_) => server.refuse(&Refusal::Slow { from, limit }),
    }
}

async fn handshake(
    server: &Server,
    tcp: TcpStream,
    from: SocketAddr,
) -> Result<TlsStream<TcpStream>, Refusal> {
    let ended = |reason: String| Refusal::Handshake { from, reason };
    tcp.set_nodelay(true)
        .map_err(|error| ended(error.to_string()))?;
    match intruder::listen(&tcp).await {
        Ok(Tongue::Tls) => {}
        Ok(tongue) => {
            intruder::dismiss(tcp, tongue).await;
            return Err(match tongue {
                Tongue::Http => Refusal::PlainHttp { from },
                _ => Refusal::NotTls { from },
            });
        }
        Err(error) => return Err(ended(error.to_string())),
    }
    let (config, witness) = server
        .trust
        .serve(&server.own)
        .map_err(|error| ended(error.to_string()))?;
    let accepted = TlsAcceptor::from(Arc::new(config)).accept(tcp).await;
    accepted.map_err(|error| match (witness.take(), alert(&error)) {
        (Some(refusal), _) => Refusal::Untrusted { from, refusal },
        (None, Some(rejection)) => Refusal::Rejected { from, rejection },
        (None, None) => ended(error.to_string()),
    })
}

fn alert(error: &io::Error) -> Option<Rejection> {
    match error.get_ref()?.downcast_ref()? {
        rustls::Error::AlertReceived(alert) => Some((*alert).into()),
        _ => None,
    }
}

async fn calls(
    server: &Server,
    tls: TlsStream<TcpStream>,
    from: SocketAddr,
    (mut stopped, replaced): (watch::Receiver<()>, watch::Receiver<()>),
) {
    let shown = tls.get_ref().1.peer_certificates();
    let chain = shown.unwrap_or_default().to_vec();
    let caller = caller(&tls);
    let life = caller.as_ref().map(remaining);
    let service = service_fn(|request| {
        let (server, caller) = (server.clone(), caller.clone());
        async move { Ok::<_, Infallible>(answer(&server, caller, from, request).await) }
    });
    let connection = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .keep_alive_interval(KEEP_ALIVE)
        .keep_alive_timeout(KEEP_ALIVE_ANSWER)
        .max_concurrent_streams(server.limits.calls)
        .max_header_list_size(HEADER_BYTES)
        .serve_connection(TokioIo::new(tls), service);
    let mut connection = std::pin::pin!(connection);
    let ended = async {
        tokio::select! {
            // The sender is never used, only dropped.
            _ = stopped.changed() => {}
            () = certificate_end(life) => {}
            () = believed_no_longer(&server.trust, &chain, replaced) => {}
        }
    };
    let result = tokio::select! {
        result = connection.as_mut() => result,
        () = ended => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = result {
        // A peer that went away is everyday.
        tracing::debug!(%from, %error, "a connection ended");
    }
}

/// Who the verified certificate is of; `None`: none was shown.
fn caller(tls: &TlsStream<TcpStream>) -> Option<Caller> {
    let leaf = tls.get_ref().1.peer_certificates()?.first()?;
    // The verifier has read it before.
    let certified = Certified::read(leaf).ok()?;
    Some(Caller {
        subject: certified.subject,
        key: certified.key,
        expires: certified.ends,
    })
}

/// What is left of a caller's certificate.
fn remaining(caller: &Caller) -> Duration {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let end = u64::try_from(caller.expires.as_second()).unwrap_or(0);
    Duration::from_secs(end).saturating_sub(now)
}

async fn certificate_end(life: Option<Duration>) {
    match life {
        Some(life) => tokio::time::sleep(life).await,
        None => std::future::pending().await,
    }
}

/// When what is believed was exchanged, and the caller's certificate is of nobody who is believed now.
async fn believed_no_longer(
    trust: &Trust,
    chain: &[CertificateDer<'static>],
    mut replaced: watch::Receiver<()>,
) {
    let Some((leaf, intermediates)) = chain.split_first() else {
        return std::future::pending().await;
    };
    while replaced.changed().await.is_ok() {
        if trust.caller(leaf, intermediates, UnixTime::now()).is_err() {
            return;
        }
    }
    std::future::pending::<()>().await;
}

/// Answers one call: the table first, then the service.
async fn answer(
    server: &Server,
    caller: Option<Caller>,
    from: SocketAddr,
    request: Request<Incoming>,
) -> Response<Body> {
    if let Some(caller) = &caller
        && remaining(caller).is_zero()
    {
        let refusal = Refusal::Ended {
            from,
            caller: caller.subject.clone(),
            at: caller.expires,
        };
        server.refuse(&refusal);
        let text = "this connection's certificate has ended; connect anew";
        return Status::unauthenticated(text).into_http();
    }
    let role = caller.as_ref().map(Caller::role);
    if let Err(denial) = permission::check(request.uri().path(), role) {
        let status = Status::new(code(&denial), denial.to_string());
        server.refuse(&Refusal::Denied {
            from,
            caller: caller.map(|caller| caller.subject),
            denial,
        });
        return status.into_http();
    }
    let mut request = request.map(Body::new);
    if let Some(caller) = caller {
        request.extensions_mut().insert(caller);
    }
    match server.services.call(request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

const fn code(denial: &Denial) -> Code {
    match denial {
        Denial::NoSuchMethod { .. } => Code::Unimplemented,
        Denial::NoCertificate { .. } => Code::Unauthenticated,
        Denial::WrongRole { .. } => Code::PermissionDenied,
    }
}
