//! A bundle: the one file, mode 0600, that makes a machine a node of one cluster.
//!
//! A control plane's bundle may issue node certificates; a worker's holds the CA certificate and an enrolment token only.
//! No private key of a node is in it: those are made on the node.

use serde::{Deserialize, Serialize};

use crate::name::{ClusterId, NodeName, ZoneName};
use crate::role::NodeRole;
use crate::spec::ClusterSpec;

/// The version of the bundle's own format.
pub const BUNDLE_API: &str = "hactl.io/v1alpha1";

/// What the file holds, as JSON (which is YAML too). It derives no `Debug`: it holds secrets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bundle {
    /// [`BUNDLE_API`].
    pub api_version: String,
    /// Always `Bundle`.
    pub kind: String,
    /// The hactl cluster.
    pub cluster_id: ClusterId,
    /// Raised at each change of the spec by the operator.
    pub generation: u64,
    /// Who the machine is; `None`: any worker, named by its host name.
    pub node: Option<NodeName>,
    /// Its role.
    pub role: NodeRole,
    /// Its zone; always given, since a worker joining by token is not in the spec.
    pub zone: ZoneName,
    /// The spec.
    pub spec: ClusterSpec,
    /// The cluster's own CA (not Kubernetes's), PEM: both roots while one succeeds the other.
    pub ca_certificate: String,
    /// The revision of CA and issuer, as that of the key ring. Absent until the first rotation.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub trust_revision: u64,
    /// The gossip key ring, the sealing one first, 32 bytes in hexadecimal each.
    pub gossip_keys: Vec<GossipKey>,
    /// The ring's revision: an agent that was given a higher one keeps that. Absent until the first rotation.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gossip_revision: u64,
    /// How the node gets its certificate.
    pub admission: Admission,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// One key of the gossip ring.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GossipKey {
    /// Named in each datagram, so that no trial decryption is needed.
    pub id: u8,
    /// 64 hexadecimal digits.
    pub key: String,
}

/// How the node gets its certificate.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", rename_all_fields = "camelCase", tag = "by")]
pub enum Admission {
    /// A declared control plane signs its own, and those of workers that enrol, with an intermediate CA of its own.
    Issuer {
        /// The intermediate's certificate, PEM, signed by the cluster's CA.
        certificate: String,
        /// Its key, PEM.
        key: String,
        /// Key that enrolment tokens are verified with, 64 hexadecimal digits.
        enrolment_key: String,
    },
    /// A worker shows a token to any control plane's agent.
    Token {
        /// The enrolment token.
        token: String,
    },
}
