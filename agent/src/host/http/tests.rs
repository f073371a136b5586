use rcgen::{CertificateParams, Issuer, KeyPair};
use rustls::ServerConfig;
use rustls_pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// A CA's certificate file, and a server certificate of it for a name.
struct Authority {
    folder: tempfile::TempDir,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.crt"), certificate.pem()).unwrap();
        Self {
            folder,
            issuer: Issuer::new(params, key),
        }
    }

    fn file(&self) -> String {
        self.folder.path().join("ca.crt").display().to_string()
    }

    fn server(&self, name: &str) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![name.to_owned()])
            .unwrap()
            .signed_by(&key, &self.issuer)
            .unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config =
            ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_no_client_auth()
                .with_single_cert(vec![certificate.der().clone()], key)
                .unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

/// Answers one connection with these bytes after its request, over TLS where an acceptor is given.
async fn serve(answer: Vec<u8>, tls: Option<TlsAcceptor>) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        match tls {
            None => reply(stream, &answer).await,
            Some(tls) => {
                if let Ok(stream) = tls.accept(stream).await {
                    reply(stream, &answer).await;
                }
            }
        }
    });
    port
}

async fn reply(mut stream: impl AsyncRead + AsyncWrite + Unpin, answer: &[u8]) {
    let mut request = [0; 1024];
    let _ = stream.read(&mut request).await;
    let _ = stream.write_all(answer).await;
    let _ = stream.shutdown().await;
}

fn get(url: String, ca_file: Option<String>) -> Question {
    Question::Get {
        url,
        ca_file,
        identity: None,
    }
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok";

#[tokio::test]
async fn a_plain_answer_comes_back_with_its_status() {
    let answer = b"HTTP/1.1 500 No\r\ncontent-length: 3\r\n\r\nbad".to_vec();
    let port = serve(answer, None).await;
    let answer = ask(&get(format!("http://127.0.0.1:{port}/healthz"), None))
        .await
        .unwrap();
    assert_eq!((answer.status, answer.body.as_slice()), (500, &b"bad"[..]));
}

#[tokio::test]
async fn the_server_is_verified_by_the_ca_file_and_the_url_s_address() {
    let ours = Authority::new();
    let other = Authority::new();
    let cases = [
        (ours.server("127.0.0.1"), Some(ours.file()), true),
        (ours.server("127.0.0.2"), Some(ours.file()), false),
        (other.server("127.0.0.1"), Some(ours.file()), false),
        (other.server("127.0.0.1"), None, true),
        (
            ours.server("127.0.0.1"),
            Some("/no/such/ca".to_owned()),
            false,
        ),
    ];
    for (number, (server, ca_file, fits)) in cases.into_iter().enumerate() {
        let port = serve(OK.to_vec(), Some(server)).await;
        let url = format!("https://127.0.0.1:{port}/readyz");
        let answer = ask(&get(url, ca_file)).await;
        assert_eq!(answer.is_ok(), fits, "case {number}: {answer:?}");
    }
}

#[tokio::test]
async fn garbage_an_endless_body_and_a_closed_port_are_named() {
    let endless = [b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 2 << 20]].concat();
    for answer in [b"\x16\x03garbage\r\n\r\n".to_vec(), Vec::new(), endless] {
        let port = serve(answer, None).await;
        let error = ask(&get(format!("http://127.0.0.1:{port}/"), None)).await;
        assert!(matches!(error, Err(HostError::Ask { .. })), "{error:?}");
    }
    for url in ["http://127.0.0.1:1/", "ftp://127.0.0.1/", "", "https://"] {
        let error = ask(&get(url.to_owned(), None)).await;
        assert!(error.is_err(), "{url}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_costs_five_seconds_of_virtual_time_and_no_more() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let question = get(format!("http://127.0.0.1:{port}/"), None);
    let error = ask(&question).await.unwrap_err().to_string();
    assert!(error.contains("no answer within 5 s"), "{error}");
    // etcd without a quorum: its port must be given up before whoever asks for every port of the node gives up.
    let of = ([127, 0, 0, 1], port).into();
    let error = ask(&Question::Certificate { of }).await.unwrap_err();
    let error = error.to_string();
    assert!(error.contains("no answer within 2 s"), "{error}");
}

#[tokio::test]
async fn a_servers_certificate_is_seen_whoever_signed_it_and_only_where_it_holds_the_key() {
    let authority = Authority::new();
    let port = serve(Vec::new(), Some(authority.server("elsewhere.example"))).await;
    let of = ([127, 0, 0, 1], port).into();
    let answer = ask(&Question::Certificate { of }).await.unwrap();
    let seen = hactl_node_plan::certificate::x509::Certificate::parse(&answer.body).unwrap();
    assert_eq!(seen.sans, ["elsewhere.example"]);
    // What speaks no TLS shows none.
    let port = serve(b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), None).await;
    let of = ([127, 0, 0, 1], port).into();
    assert!(ask(&Question::Certificate { of }).await.is_err());
}
