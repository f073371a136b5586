//! hactl's own CA while one root succeeds another: what an agent says of its part.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::Timestamp;
use crate::name::NodeName;
use crate::rotation::Fingerprint;

/// A node's part in hactl's own CA, as it has it in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OwnTrustSeen {
    /// The node.
    pub node: NodeName,
    /// When, by its clock.
    pub at: Timestamp,
    /// The revision of what it was given.
    pub revision: u64,
    /// Roots that it believes.
    pub believes: BTreeSet<Fingerprint>,
    /// Roots that signed what it shows and, on a control plane, what it gives out. One that it does not believe itself is left out.
    pub shows: BTreeSet<Fingerprint>,
}
