//! What is known of the other members, as far as this machine is measured against them.

use hactl_proto::identity::IdentityFingerprint;
use hactl_proto::name::NodeName;

/// What is known of the other members, from their health digests and from measuring. Empty: nothing yet, which is no deviation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PeerFacts {
    /// Identities of the other members that told one.
    pub identities: Vec<(NodeName, IdentityFingerprint)>,
    /// This node's clock less each peer's, in milliseconds, as measured between them.
    pub clock_offsets: Vec<(NodeName, i64)>,
}
