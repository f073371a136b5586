//! A client that opens new TLS connections at a steady rate and remembers what became of each: how a fail-over looks to
//! those who use the endpoint.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, setns};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::cli;
use crate::identity::Identity;
use crate::lab::{ENDPOINT_ADDRESS, ENDPOINT_PORT, Lab};
use crate::switch::Switch;
use crate::tally::{Request, Tally};
use crate::trust_anyone::TrustAnyone;

/// What a client with rights reads and writes.
const WRITTEN: &str = "/api/v1/namespaces/default/configmaps/hactl-lab-client";

/// What one connection needs to know.
struct Knock {
    address: SocketAddr,
    config: Arc<ClientConfig>,
    path: String,
    limit: Duration,
    again: u32,
    /// Every other request writes, with the administrator's rights.
    writes: bool,
}

/// Knocks from the operator's machine for as long as asked, and prints what came of it.
pub(crate) fn run(lab: &Lab, options: &cli::Client) -> Result<()> {
    // Threads started from here on are in the namespace too.
    let namespace = File::open(Switch::of(lab.place()).operator())
        .context("failed to open the operator's namespace")?;
    setns(namespace.as_fd(), CloneFlags::CLONE_NEWNET)
        .context("failed to enter the operator's namespace")?;
    let address = options
        .address
        .clone()
        .unwrap_or_else(|| format!("{ENDPOINT_ADDRESS}:{ENDPOINT_PORT}"));
    let knock = Arc::new(Knock {
        address: address
            .parse()
            .with_context(|| format!("{address:?} is no address with a port"))?,
        config: match &options.admin {
            Some(kubeconfig) => TrustAnyone::with_identity(&Identity::read(kubeconfig)?)?,
            None => TrustAnyone::config()?,
        },
        writes: options.admin.is_some(),
        path: options.path.clone(),
        limit: Duration::from_millis(options.limit),
        again: options.again,
    });
    let every = Duration::from_secs(1) / options.rate.max(1);
    let count = u32::try_from(options.seconds)?.saturating_mul(options.rate.max(1));
    let (send, receive) = mpsc::channel();
    let start = Instant::now();
    for number in 0..count {
        if options.until.as_ref().is_some_and(|until| until.exists()) {
            break;
        }
        thread::sleep((start + every * number).saturating_duration_since(Instant::now()));
        let (knock, send) = (Arc::clone(&knock), send.clone());
        let begin = start.elapsed();
        thread::spawn(move || {
            let (failure, before) = knock.until_answered(number);
            send.send(Request {
                begin,
                end: start.elapsed(),
                failure,
                before,
            })
            .ok();
        });
    }
    drop(send);
    let tally = Tally::new(receive.iter().collect());
    println!(
        "{}",
        if options.json {
            tally.json()
        } else {
            tally.text()
        }
    );
    Ok(())
}

impl Knock {
    /// How the last try failed, and those before it.
    fn until_answered(&self, number: u32) -> (Option<String>, Vec<String>) {
        let mut before = Vec::new();
        loop {
            let failure = self.once(number).err().map(|error| self.said(&error));
            match failure {
                Some(failure) if before.len() < self.again as usize => before.push(failure),
                last => return (last, before),
            }
        }
    }

    /// A failure in words that those of the same kind share.
    fn said(&self, error: &anyhow::Error) -> String {
        let kind = error
            .root_cause()
            .downcast_ref::<std::io::Error>()
            .map(std::io::Error::kind);
        match kind {
            Some(ErrorKind::WouldBlock | ErrorKind::TimedOut) => self.too_late(),
            _ => format!("{error:#}"),
        }
    }

    fn too_late(&self) -> String {
        format!("no answer within {} ms", self.limit.as_millis())
    }

    /// A read, or every other time, where it may, a write.
    fn request(&self, number: u32) -> String {
        let head = "HTTP/1.1\r\nHost: hactl-lab\r\nConnection: close\r\n";
        if self.writes && number % 2 == 1 {
            let body = format!("{{\"data\":{{\"number\":\"{number}\"}}}}");
            return format!(
                "PATCH {WRITTEN} {head}Content-Type: application/merge-patch+json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len()
            );
        }
        let path = if self.writes { WRITTEN } else { &self.path };
        format!("GET {path} {head}\r\n")
    }

    /// One request on a connection of its own; anything but a 200 in time is a failure.
    fn once(&self, number: u32) -> Result<()> {
        let start = Instant::now();
        let left = || {
            let left = self.limit.saturating_sub(start.elapsed());
            if left.is_zero() {
                bail!(self.too_late())
            }
            Ok(left)
        };
        let stream =
            TcpStream::connect_timeout(&self.address, self.limit).context("failed to connect")?;
        stream.set_nodelay(true)?;
        let name = ServerName::IpAddress(self.address.ip().into());
        let connection = ClientConnection::new(Arc::clone(&self.config), name)?;
        let mut tls = StreamOwned::new(connection, stream);
        tls.sock.set_read_timeout(Some(left()?))?;
        tls.sock.set_write_timeout(Some(left()?))?;
        let request = self.request(number);
        tls.write_all(request.as_bytes())
            .context("failed to send")?;
        let mut answer = Vec::new();
        let mut buffer = [0_u8; 4096];
        while !answer.windows(2).any(|end| end == b"\r\n") {
            tls.sock.set_read_timeout(Some(left()?))?;
            match tls.read(&mut buffer).context("failed to read")? {
                0 => bail!("the connection ended without an answer"),
                count => answer.extend_from_slice(&buffer[..count]),
            }
        }
        let status = status_of(&answer);
        if status.split(' ').nth(1) == Some("200") {
            return Ok(());
        }
        // Why it failed stands in the body, which ends with the connection.
        while let Ok(count @ 1..) = tls.read(&mut buffer) {
            answer.extend_from_slice(&buffer[..count]);
        }
        let verb = request.split(' ').next().unwrap_or_default();
        bail!("{verb}: {status}{}", reason_in(&answer))
    }
}

/// The status line of an answer.
fn status_of(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    text.lines().next().unwrap_or_default().to_owned()
}

/// What the API server says of a failure (the `message` of a Kubernetes Status), if it does.
fn reason_in(answer: &[u8]) -> String {
    let text = String::from_utf8_lossy(answer);
    let body = text.split_once("\r\n\r\n").map_or("", |(_, body)| body);
    let status = serde_json::from_str::<serde_json::Value>(body).unwrap_or_default();
    status["message"]
        .as_str()
        .map(|message| format!(": {message}"))
        .unwrap_or_default()
}
