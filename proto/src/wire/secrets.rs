//! Messages that hold secrets have a `Debug` that leaves them out: prost's own is turned off in `tests/generated.rs`.

use std::fmt;

use super::v1;

impl fmt::Debug for v1::EnrolRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EnrolRequest")
            .field("node", &self.node)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::GetKubeconfigResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GetKubeconfigResponse")
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::GivePairResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GivePairResponse").finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::GossipKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GossipKey")
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for v1::JoinCredentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinCredentials")
            .field("api_server", &self.api_server)
            .field("ca_cert_hash", &self.ca_cert_hash)
            .finish_non_exhaustive()
    }
}
