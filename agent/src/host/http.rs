//! One bounded HTTP GET to a component: its own client, since nothing else in the agent speaks HTTP/1.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::HOST;
use hyper::{Request, Uri};
use hyper_util::rt::TokioIo;
use rustls_pki_types::{IpAddr as TlsAddress, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::{Answer, HostError, Question, tls};
use crate::causes::chain;

/// The whole exchange, from connecting to the body's last byte.
const LIMIT: Duration = Duration::from_secs(5);
/// Of a server on this node. etcd without a quorum takes connections and says nothing, and whoever asks for all ports waits five seconds.
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(2);
/// Most of a body that is read.
const BODY_BYTES: usize = 1 << 20;

/// A cause with all that is behind it.
pub(super) type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Asks and reads the answer, within the question's limit and 1 MiB.
pub(super) async fn ask(question: &Question) -> Result<Answer, HostError> {
    let (what, answer) = match question {
        Question::Get {
            url,
            ca_file,
            identity,
        } => {
            let asked = get(url, ca_file.as_deref(), identity.as_ref());
            (url.clone(), timeout(LIMIT, asked).await)
        }
        Question::Converse { path, line } => {
            (path.clone(), timeout(LIMIT, converse(path, line)).await)
        }
        Question::Certificate { of } => (
            format!("{of} for its certificate"),
            timeout(HANDSHAKE_LIMIT, certificate(*of)).await,
        ),
        Question::Connect { to } => (to.to_string(), timeout(LIMIT, connect(*to)).await),
        Question::ConnectUnix { path } => (path.clone(), timeout(LIMIT, connect_unix(path)).await),
    };
    let reason = match answer {
        Ok(Ok(answer)) => return Ok(answer),
        Ok(Err(cause)) => chain(&*cause),
        Err(_) => {
            let limit = match question {
                Question::Certificate { .. } => HANDSHAKE_LIMIT,
                _ => LIMIT,
            };
            format!("no answer within {} s", limit.as_secs())
        }
    };
    Err(HostError::Ask { what, reason })
}

/// Begins a handshake for the server's certificate alone.
async fn certificate(of: SocketAddr) -> Result<Answer, Cause> {
    let stream = TcpStream::connect(of).await?;
    let (config, shown) = tls::onlooker()?;
    let name = ServerName::IpAddress(TlsAddress::from(of.ip()));
    let ended = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await;
    match (shown.get(), ended) {
        (Some(der), _) => Ok(Answer {
            status: 0,
            body: der.to_vec(),
        }),
        (None, Err(error)) => Err(error.into()),
        (None, Ok(_)) => Err("it showed no certificate".into()),
    }
}

/// Connects and says nothing.
async fn connect(to: SocketAddr) -> Result<Answer, Cause> {
    TcpStream::connect(to).await?;
    Ok(ACCEPTED)
}

async fn converse(path: &str, line: &str) -> Result<Answer, Cause> {
    let mut stream = UnixStream::connect(path).await?;
    stream.write_all(format!("{line}\n").as_bytes()).await?;
    let mut body = Vec::new();
    stream
        .take(BODY_BYTES as u64)
        .read_to_end(&mut body)
        .await?;
    Ok(Answer { status: 0, body })
}

async fn connect_unix(path: &str) -> Result<Answer, Cause> {
    UnixStream::connect(path).await?;
    Ok(ACCEPTED)
}

/// The answer to whether a connection is accepted.
const ACCEPTED: Answer = Answer {
    status: 0,
    body: Vec::new(),
};

async fn get(
    url: &str,
    ca_file: Option<&str>,
    identity: Option<&(String, String)>,
) -> Result<Answer, Cause> {
    let uri: Uri = url.parse()?;
    let host = uri.host().ok_or("the URL names no host")?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    let secure = match uri.scheme_str() {
        Some("https") => true,
        Some("http") => false,
        _ => return Err("the URL is neither http nor https".into()),
    };
    let port = uri.port_u16().unwrap_or(if secure { 443 } else { 80 });
    let stream = TcpStream::connect((host, port)).await?;
    if !secure {
        return exchange(stream, &uri).await;
    }
    let config = tls::client(ca_file, identity)?;
    let name = match host.parse::<IpAddr>() {
        Ok(address) => ServerName::IpAddress(TlsAddress::from(address)),
        Err(_) => ServerName::try_from(host.to_owned())?,
    };
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, stream)
        .await?;
    exchange(stream, &uri).await
}

/// One request, one answer, on a connection of its own.
async fn exchange<S>(stream: S, uri: &Uri) -> Result<Answer, Cause>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let path = uri.path_and_query().map_or("/", |path| path.as_str());
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    let request = Request::get(path)
        .header(HOST, authority)
        .body(Empty::<Bytes>::new())?;
    let answer = async {
        let response = sender.send_request(request).await?;
        let status = response.status().as_u16();
        let body = Limited::new(response.into_body(), BODY_BYTES)
            .collect()
            .await?;
        Ok(Answer {
            status,
            body: body.to_bytes().to_vec(),
        })
    };
    tokio::pin!(answer);
    // The connection is driven here rather than in a task of its own, so that it ends with the question.
    tokio::select! {
        answer = &mut answer => answer,
        closed = connection => {
            closed?;
            answer.await
        }
    }
}

#[cfg(test)]
mod tests;
