//! What may go wrong with the operator's folder.

use std::io;
use std::path::PathBuf;

use hactl_proto::name::NodeName;
use hactl_proto::name::ZoneName;

/// Why the authority could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AuthorityError {
    /// A cluster lives in the folder already. Nothing was written.
    #[error(
        "make a cluster in {folder}: {present} is there already; use that cluster, or name another folder"
    )]
    Occupied {
        /// The folder.
        folder: PathBuf,
        /// The file that says so.
        present: &'static str,
    },
    /// The folder is not of a cluster.
    #[error(
        "find a cluster in {folder}: {missing} is missing; make one with `hactl-controller init`"
    )]
    Absent {
        /// The folder.
        folder: PathBuf,
        /// The file that is missing.
        missing: String,
    },
    /// A file could not be read or written. What was written before stays.
    #[error("{verb} {path}")]
    File {
        /// `read`, `list`, `write` or `create`.
        verb: &'static str,
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// A file does not hold what its name says. Nothing was changed.
    #[error("read {path}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A key or a certificate could not be made.
    #[error("make {what}")]
    Certificate {
        /// Which.
        what: String,
        /// The cause.
        source: rcgen::Error,
    },
    /// The system gave no random bytes.
    #[error("draw random bytes")]
    Random(#[source] getrandom::Error),
    /// The spec names no such node.
    #[error("make a bundle for {node}: the spec declares no node of that name")]
    NotDeclared {
        /// The node.
        node: NodeName,
    },
    /// The spec names no such zone.
    #[error("make a bundle in zone {zone}: the spec has no such zone")]
    NoSuchZone {
        /// The zone.
        zone: ZoneName,
    },
    /// The spec lets only declared workers join.
    #[error(
        "make a bundle for a worker that the spec does not declare: its policy workerEnrolment is off"
    )]
    EnrolmentOff,
    /// A control plane has to be declared; it needs no token.
    #[error(
        "make an enrolment token for {node}: it is a declared control plane, its bundle needs none"
    )]
    ControlPlane {
        /// The node.
        node: NodeName,
    },
}
