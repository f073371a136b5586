//! The agent's contact with its node: the only place that runs processes and touches files.
//!
//! Everything else says what it wants as data. A fake host (`simulated`, for the demo and the simulator) is one table of
//! commands over a file tree in memory.

mod file;
mod http;
mod process;
mod real;
mod tls;
mod unit;

pub use real::RealHost;

use std::future::Future;
use std::path::Path;

use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::etcd::{EtcdAnswer, EtcdCall};
use hactl_proto::Timestamp;

/// Why the host could not do what was asked. The node is unchanged unless the variant says otherwise.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The program is not installed, or could not be started.
    #[error("start {program}")]
    Start {
        /// The program.
        program: String,
        /// The cause.
        source: std::io::Error,
    },
    /// It ran longer than its limit and was ended; it may have changed the node.
    #[error("finish {line} within {seconds} s")]
    Limit {
        /// The command.
        line: String,
        /// Its limit.
        seconds: u64,
    },
    /// A transient unit could not be started, awaited or read; its command may have run.
    #[error("run the unit {unit}: {reason}")]
    Unit {
        /// The unit.
        unit: String,
        /// What systemd said.
        reason: String,
    },
    /// A file could not be read, replaced or removed.
    #[error("{verb} {path}")]
    File {
        /// `read`, `list`, `replace`, `append to` or `remove`.
        verb: &'static str,
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// A component did not answer, or not in time.
    #[error("ask {what}: {reason}")]
    Ask {
        /// What was asked.
        what: String,
        /// What happened.
        reason: String,
    },
}

/// One bounded question to a component on the network: the host's own API server, kubelet or etcd, or a peer's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Question {
    /// An HTTP GET; the answer is status and body. TLS with the CA file given, or unverified where there is no CA yet.
    Get {
        /// `http://` or `https://` URL.
        url: String,
        /// PEM file of the CA to verify with; `None`: unverified (only for "does anything answer").
        ca_file: Option<String>,
        /// Client certificate and key files, PEM.
        identity: Option<(String, String)>,
    },
    /// Whether a connection to a Unix socket is accepted; the answer has status 0 and no body.
    ConnectUnix {
        /// The socket.
        path: String,
    },
    /// One line to a program that answers on a Unix socket and closes it, as HAProxy's admin socket; the answer has status 0.
    Converse {
        /// The socket.
        path: String,
        /// What is said, without the end of the line.
        line: String,
    },
    /// Which certificate a TLS server shows; the answer has status 0 and its first certificate in DER. It is asked for alone:
    /// nothing is believed of it, nothing sent, and a server that wants a client certificate has shown its own by then.
    Certificate {
        /// Address and port.
        of: std::net::SocketAddr,
    },
    /// Whether a TCP connection is accepted; the answer has status 0 and no body.
    Connect {
        /// Address and port.
        to: std::net::SocketAddr,
    },
}

/// The answer to a [`Question`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Body, at most 1 MiB.
    pub body: Vec<u8>,
}

/// A file's name and kind within a folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Entry {
    /// The bare name.
    pub name: String,
    /// Whether it is a folder.
    pub folder: bool,
}

/// What changes whenever a file or folder does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Stamp {
    /// Modification time in nanoseconds of the Unix epoch, or a digest of the contents.
    pub modified: i128,
    /// Inode: a file replaced within one tick of the clock differs.
    pub inode: u64,
    /// Length in bytes.
    pub length: u64,
    /// Permission bits.
    pub mode: u32,
}

/// Room on a file system, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Space {
    /// Its size.
    pub total: u64,
    /// What an unprivileged process may still use.
    pub available: u64,
}

/// A stamp made of the contents: for a simulated host, where reading is free.
async fn contents_stamp<H: Host + ?Sized>(
    host: &H,
    path: &Path,
) -> Result<Option<Stamp>, HostError> {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    let length = match host.list(path).await {
        Ok(Some(entries)) => {
            entries.hash(&mut hasher);
            0
        }
        _ => match host.read(path).await? {
            Some(bytes) => {
                bytes.hash(&mut hasher);
                bytes.len() as u64
            }
            None => return Ok(None),
        },
    };
    Ok(Some(Stamp {
        modified: i128::from(hasher.finish()),
        inode: 0,
        length,
        mode: 0o644,
    }))
}

/// A node, real or simulated.
pub trait Host: Send + Sync + 'static {
    /// Runs a command to its end or its limit. A command with a unit that exists already is not started again: its
    /// result is read (or awaited). When the result of a unit is given, what its command wrote outlives a power cut.
    fn run(&self, command: &Command) -> impl Future<Output = Result<Output, HostError>> + Send;
    /// A file's bytes; `None` where there is none.
    fn read(&self, path: &Path) -> impl Future<Output = Result<Option<Vec<u8>>, HostError>> + Send;
    /// A folder's entries, sorted; `None` where there is none.
    fn list(
        &self,
        path: &Path,
    ) -> impl Future<Output = Result<Option<Vec<Entry>>, HostError>> + Send;
    /// Replaces a file whole: temporary file, fsync, rename, fsync of the folder. Missing folders are made (0755).
    fn replace(
        &self,
        path: &Path,
        bytes: &[u8],
        mode: u32,
    ) -> impl Future<Output = Result<(), HostError>> + Send;
    /// Appends to a file, made with mode 0600 where there is none, and fsyncs it: on return the bytes outlive a power cut. A cut during the call
    /// may leave a part of them.
    fn append(
        &self,
        path: &Path,
        bytes: &[u8],
    ) -> impl Future<Output = Result<(), HostError>> + Send;
    /// Removes a file, or a folder with all in it; nothing there is fine.
    fn remove(&self, path: &Path) -> impl Future<Output = Result<(), HostError>> + Send;
    /// Asks a component, within five seconds.
    fn ask(&self, question: &Question) -> impl Future<Output = Result<Answer, HostError>> + Send;
    /// What changes whenever a file or folder changes, without reading it; `None` where there is none. Links are
    /// followed. A host without such a thing digests the contents, which serves as well and costs more.
    fn stamp(&self, path: &Path) -> impl Future<Output = Result<Option<Stamp>, HostError>> + Send {
        contents_stamp(self, path)
    }
    /// Room on the file system of a path, or of its nearest folder that is there.
    fn space(&self, path: &Path) -> impl Future<Output = Result<Space, HostError>> + Send {
        let what = format!("the file system of {}", path.display());
        std::future::ready(Err(HostError::Ask {
            what,
            reason: "this host has no file systems".to_owned(),
        }))
    }
    /// Asks an etcd member over gRPC with this node's etcd certificates, within ten seconds.
    fn etcd(&self, call: &EtcdCall) -> impl Future<Output = Result<EtcdAnswer, HostError>> + Send {
        let error = HostError::Ask {
            what: call.endpoint.clone(),
            reason: "this host has no etcd".to_owned(),
        };
        std::future::ready(Err(error))
    }
    /// Has the etcd member on this node write a snapshot to the file, mode 0600, and gives its size once its checksum was
    /// verified. A snapshot that is torn or damaged leaves no file.
    fn etcd_snapshot(&self, to: &Path) -> impl Future<Output = Result<u64, HostError>> + Send {
        let error = HostError::Ask {
            what: format!("a snapshot to {}", to.display()),
            reason: "this host has no etcd".to_owned(),
        };
        std::future::ready(Err(error))
    }
    /// The host's wall clock.
    fn now(&self) -> Timestamp;
}
