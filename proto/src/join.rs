//! Words of a join: a node applies to a member of the Kubernetes cluster, which answers with what the join needs.

use std::net::IpAddr;

use crate::instruction::{Fence, JoinCredentials};
use crate::name::NodeName;
use crate::report::Waiting;
use crate::role::NodeRole;

/// Who wants to join. The member checks it against the caller's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Applicant {
    /// Its name, the one in its certificate.
    pub node: NodeName,
    /// As what it joins.
    pub role: NodeRole,
    /// The address that it advertises: its etcd peer URL and kubelet address.
    pub address: IpAddr,
}

/// What a member says to an applicant, until it has said [`Admission::Admitted`] or the stream ends with an error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Admission {
    /// Another join or another disruption holds the lease, or an old etcd member is being removed.
    Waiting(Waiting),
    /// Join now, with these.
    Admitted {
        /// Minted for this join.
        credentials: JoinCredentials,
        /// The lease's number; control planes only, workers join in parallel without it.
        fence: Option<Fence>,
    },
}
