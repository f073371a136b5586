//! Who speaks no TLS is told so in its own words, before TLS would only hang up.

use std::io;

use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

/// What a client's first byte says it speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tongue {
    /// A TLS record of type handshake (RFC 8446, 5.1).
    Tls,
    /// A method's first letter: HTTP/1 or the preface of HTTP/2 without TLS.
    Http,
    /// Anything else.
    Unknown,
}

const WORDS: &str = "this is the port of hactl-agent: it speaks gRPC over mutual TLS, with certificates of its own cluster";

/// Looks at the first byte and leaves it there. A caller that hangs up first speaks nothing.
pub(super) async fn listen(tcp: &TcpStream) -> io::Result<Tongue> {
    let mut first = [0];
    let read = tcp.peek(&mut first).await?;
    Ok(match (read, first) {
        (1, [0x16]) => Tongue::Tls,
        (1, [letter]) if letter.is_ascii_uppercase() => Tongue::Http,
        _ => Tongue::Unknown,
    })
}

/// Says why, and hangs up. What could not be said is no loss.
pub(super) async fn dismiss(mut tcp: TcpStream, tongue: Tongue) {
    let words = match tongue {
        Tongue::Http => format!(
            "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{WORDS}\n",
            WORDS.len() + 1
        ),
        _ => format!("{WORDS}\n"),
    };
    let _ = tcp.write_all(words.as_bytes()).await;
    // Unread bytes would turn the close into a reset, and the client would lose the words.
    let mut unread = [0; 1024];
    let _ = tcp.try_read(&mut unread);
    let _ = tcp.shutdown().await;
}
