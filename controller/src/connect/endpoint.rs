//! The cluster's API as any client reaches it: one bounded GET of `/readyz` through the endpoint, on a connection of its own.
//!
//! The server is verified with the cluster's own CA. Of the kubeconfig that brings it nothing else is kept: the request bears no
//! credentials, since `/readyz` is open to everybody where anonymous requests are not refused (kubeadm's default).

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hactl_proto::secret::Secret;
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

/// The whole exchange: a client that waits longer has given up.
const LIMIT: Duration = Duration::from_secs(5);
/// Most of an answer's head that is read.
const HEAD_BYTES: u64 = 4096;

/// The cluster's endpoint.
#[derive(Debug, Clone)]
pub struct Endpoint {
    host: String,
    port: u16,
    name: ServerName<'static>,
    config: Arc<ClientConfig>,
}

/// Why the endpoint can't be asked.
#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    /// The kubeconfig names no CA that can be used.
    #[error("find the cluster's CA in the kubeconfig: {0}")]
    Authority(String),
    /// The host is neither a name nor an address.
    #[error("ask {0:?}: it is no name that a certificate could be for")]
    Name(String),
    /// TLS can't be set up.
    #[error("set up TLS")]
    Tls(#[source] rustls::Error),
}

impl Endpoint {
    /// The endpoint at a host, believed by the CA in a kubeconfig.
    pub fn new(host: &str, port: u16, kubeconfig: &Secret) -> Result<Self, EndpointError> {
        let mut roots = RootCertStore::empty();
        for certificate in authority(kubeconfig)? {
            roots.add(certificate).map_err(EndpointError::Tls)?;
        }
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(EndpointError::Tls)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = match host.parse::<IpAddr>() {
            Ok(address) => ServerName::IpAddress(address.into()),
            Err(_) => ServerName::try_from(host.to_owned())
                .map_err(|_| EndpointError::Name(host.to_owned()))?,
        };
        Ok(Self {
            host: host.to_owned(),
            port,
            name,
            config: Arc::new(config),
        })
    }

    /// The status of one answer; why there was none, as a text for a person.
    pub async fn readyz(&self) -> Result<u16, String> {
        timeout(LIMIT, self.ask())
            .await
            .map_err(|_| format!("no answer within {} s", LIMIT.as_secs()))?
            .map_err(|error| error.to_string())
    }

    async fn ask(&self) -> std::io::Result<u16> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        let connector = TlsConnector::from(Arc::clone(&self.config));
        let mut stream = connector.connect(self.name.clone(), stream).await?;
        let request = format!(
            "GET /readyz HTTP/1.1\r\nHost: {}\r\nConnection: close\r\nUser-Agent: hactl-controller\r\n\r\n",
            self.host
        );
        stream.write_all(request.as_bytes()).await?;
        let (mut head, mut stream) = (Vec::new(), stream.take(HEAD_BYTES));
        while !head.contains(&b'\n') {
            if stream.read_buf(&mut head).await? == 0 {
                break;
            }
        }
        status(&head).ok_or_else(|| std::io::Error::other("the answer is no HTTP"))
    }
}

/// The status of an answer's first line.
fn status(head: &[u8]) -> Option<u16> {
    let text = String::from_utf8_lossy(head);
    let (line, _) = text.split_once('\n')?;
    let mut words = line.split_whitespace();
    words.next().filter(|word| word.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

/// The certificates of `certificate-authority-data`: base64 of PEM, on one line as kubeadm writes it.
fn authority(kubeconfig: &Secret) -> Result<Vec<CertificateDer<'static>>, EndpointError> {
    let wrong = |reason: &dyn std::fmt::Display| EndpointError::Authority(reason.to_string());
    let data = kubeconfig
        .expose()
        .lines()
        .find_map(|line| line.trim().strip_prefix("certificate-authority-data:"))
        .ok_or_else(|| wrong(&"it holds no certificate-authority-data"))?;
    // What PEM wraps is base64 too: the reader of PEM undoes the outer layer.
    let wrapped = format!(
        "-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        data.trim()
    );
    let inner =
        CertificateDer::from_pem_slice(wrapped.as_bytes()).map_err(|error| wrong(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&inner)
        .map(|certificate| certificate.map(CertificateDer::into_owned))
        .collect();
    let found = found.map_err(|error| wrong(&error))?;
    if found.is_empty() {
        return Err(wrong(&"it holds no certificate"));
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertifiedKey, generate_simple_self_signed};
    use rustls::ServerConfig;
    use rustls_pki_types::PrivateKeyDer;
    use tokio::net::TcpListener;
    use tokio_rustls::TlsAcceptor;

    /// A server that answers each connection with these bytes, and its CA as a kubeconfig holds it.
    async fn server(answer: &'static [u8]) -> (u16, Secret) {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let _ = stream.write_all(answer).await;
                let _ = stream.shutdown().await;
            }
        });
        (port, kubeconfig(&cert.pem()))
    }

    fn kubeconfig(pem: &str) -> Secret {
        let data = base64(pem.as_bytes());
        Secret::new(format!(
            "apiVersion: v1\nclusters:\n- cluster:\n    certificate-authority-data: {data}\n    server: https://localhost:6443\n"
        ))
    }

    fn base64(bytes: &[u8]) -> String {
        const DIGITS: &[u8; 64] =
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        let mut text = String::new();
        for part in bytes.chunks(3) {
            let word = part
                .iter()
                .fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
            let word = word << (8 * (3 - part.len()));
            for at in 0..4 {
                let digit = (word >> (18 - 6 * at)) & 63;
                let shown = at <= part.len();
                text.push(if shown {
                    DIGITS[digit as usize] as char
                } else {
                    '='
                });
            }
        }
        text
    }

    #[tokio::test]
    async fn a_status_is_read_and_what_is_no_http_is_a_failure() {
        for (answer, wanted) in [
            (&b"HTTP/1.1 200 OK\r\n\r\nok"[..], Ok(200)),
            (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", Ok(500)),
            (b"HTTP/1.0 401 \r\n", Ok(401)),
            (b"SSH-2.0-x\r\n", Err("the answer is no HTTP")),
            (b"HTTP/1.1 abc\r\n", Err("the answer is no HTTP")),
            (b"HTTP/1.1", Err("the answer is no HTTP")),
            (b"", Err("the answer is no HTTP")),
        ] {
            let (port, kubeconfig) = server(answer).await;
            let endpoint = Endpoint::new("localhost", port, &kubeconfig).unwrap();
            let got = endpoint.readyz().await;
            assert_eq!(got, wanted.map_err(str::to_owned), "{answer:?}");
        }
    }

    #[tokio::test]
    async fn a_server_of_another_ca_or_name_is_not_believed() {
        let (port, _) = server(b"HTTP/1.1 200 OK\r\n").await;
        let (_, foreign) = server(b"").await;
        let endpoint = Endpoint::new("localhost", port, &foreign).unwrap();
        assert!(endpoint.readyz().await.is_err());
        let (port, own) = server(b"HTTP/1.1 200 OK\r\n").await;
        let endpoint = Endpoint::new("127.0.0.1", port, &own).unwrap();
        assert!(endpoint.readyz().await.is_err());
    }

    #[test]
    fn a_kubeconfig_without_a_usable_ca_is_an_error() {
        for wrong in [
            "",
            "garbage",
            "certificate-authority-data:",
            "certificate-authority-data: %%%",
            "certificate-authority-data: Z2FyYmFnZQ==",
            "certificate-authority: /etc/kubernetes/pki/ca.crt",
        ] {
            let refused = Endpoint::new("localhost", 1, &Secret::new(wrong));
            assert!(
                matches!(refused, Err(EndpointError::Authority(_))),
                "{wrong}"
            );
        }
    }
}
