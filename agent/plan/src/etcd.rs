//! etcd as etcd itself says it: what is asked, what is answered, and the arithmetic of quorum on it.
//!
//! What must be known of etcd is asked of etcd, never of gossip or of Kubernetes. No I/O here.

use std::collections::BTreeMap;
use std::fmt;
use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::facts::Known;
use crate::kubeadm::config::host_port;
use crate::kubeadm::layout::{ETCD_CLIENT_PORT, ETCD_PEER_PORT};

pub mod guard;
pub mod quorum;

/// A member's id, as etcd prints it: hexadecimal.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MemberId(pub u64);

/// One question to one etcd member. The node's own certificates of etcd are used (`healthcheck-client`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdCall {
    /// `https://host:2379`.
    pub endpoint: String,
    /// What is asked.
    pub request: EtcdRequest,
}

/// What is asked of a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EtcdRequest {
    /// The members. Since etcd 3.5 only a member that sees a quorum answers; 3.4 tells its own list without one (seen with 3.4.23).
    Members,
    /// This member's own state.
    Status,
    /// A linearizable read of one key that need not exist: it is answered only with a quorum.
    Health,
    /// The alarms of all members.
    Alarms,
    /// Remove a member, by id.
    Remove(MemberId),
    /// Move leadership to a member; asked of the leader.
    MoveLeader(MemberId),
}

/// What a member answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EtcdAnswer {
    /// To [`EtcdRequest::Members`] and [`EtcdRequest::Remove`]: the list, after the removal.
    Members(MemberList),
    /// To [`EtcdRequest::Status`].
    Status(MemberStatus),
    /// To [`EtcdRequest::Alarms`]: each as `NOSPACE on 8e9e05c52164694d`.
    Alarms(Vec<String>),
    /// To [`EtcdRequest::Health`] and [`EtcdRequest::MoveLeader`].
    Done,
}

/// The members of one etcd cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberList {
    /// The cluster's id.
    pub cluster: MemberId,
    /// Who answered.
    pub answered: MemberId,
    /// All members, dead ones and learners included.
    pub members: Vec<EtcdMember>,
}

/// One member as the list has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EtcdMember {
    /// Its id.
    pub id: MemberId,
    /// Its name; empty as long as it never started.
    pub name: String,
    /// Where its peers reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it; empty as long as it never started.
    pub client_urls: Vec<String>,
    /// It follows, and does not vote.
    pub learner: bool,
}

/// A member's own state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberStatus {
    /// Who answered.
    pub member: MemberId,
    /// etcd's version, as 3.4.23.
    pub version: String,
    /// The leader that it knows, if any.
    pub leader: Option<MemberId>,
    /// What it complains of, such as `etcdserver: no leader`.
    pub errors: Vec<String>,
    /// Whether it is a learner.
    pub learner: bool,
}

/// How a member is, asked of the member itself. Unknown counts as unhealthy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MemberHealth {
    /// It answered a linearizable read, knows a leader, complains of nothing.
    Healthy,
    /// It does not answer, or complains.
    Unhealthy(String),
}

/// The list, how each of its members is, and the alarms: what decisions about members are computed on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdView {
    /// The list.
    pub list: MemberList,
    /// By id. A member that is not named here was not asked, and counts as unhealthy.
    pub health: BTreeMap<MemberId, MemberHealth>,
    /// The alarms; unknown counts as set.
    pub alarms: Known<Vec<String>>,
}

impl EtcdMember {
    /// Whether it ever started: etcd learns a member's name and client URLs from itself.
    pub fn started(&self) -> bool {
        !self.name.is_empty() && !self.client_urls.is_empty()
    }

    /// Whether it is the member that kubeadm runs at that address.
    pub fn is_at(&self, address: IpAddr) -> bool {
        self.peer_urls.iter().any(|url| *url == peer_url(address))
    }
}

impl MemberList {
    /// The member that kubeadm runs at that address.
    pub fn at(&self, address: IpAddr) -> Option<&EtcdMember> {
        self.members.iter().find(|member| member.is_at(address))
    }

    /// Those that vote, dead ones included.
    pub fn voters(&self) -> impl Iterator<Item = &EtcdMember> {
        self.members.iter().filter(|member| !member.learner)
    }
}

impl EtcdView {
    /// Whether the member is known to be well.
    pub fn healthy(&self, member: &EtcdMember) -> bool {
        member.started() && self.health.get(&member.id) == Some(&MemberHealth::Healthy)
    }

    /// What is wrong with a member, for a message.
    pub fn complaint(&self, member: &EtcdMember) -> String {
        match self.health.get(&member.id) {
            _ if !member.started() => "never started".to_owned(),
            Some(MemberHealth::Healthy) => "healthy".to_owned(),
            Some(MemberHealth::Unhealthy(reason)) => reason.clone(),
            None => "not asked".to_owned(),
        }
    }
}

impl EtcdCall {
    /// Asks the member on this node.
    pub fn local(request: EtcdRequest) -> Self {
        Self {
            endpoint: format!("https://127.0.0.1:{ETCD_CLIENT_PORT}"),
            request,
        }
    }

    /// Asks the member at this client URL.
    pub fn at(url: &str, request: EtcdRequest) -> Self {
        Self {
            endpoint: url.to_owned(),
            request,
        }
    }
}

/// The peer URL that kubeadm gives the member at that address.
pub fn peer_url(address: IpAddr) -> String {
    format!(
        "https://{}",
        host_port(&address.to_string(), ETCD_PEER_PORT)
    )
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Debug for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

impl From<MemberId> for String {
    fn from(id: MemberId) -> String {
        id.to_string()
    }
}

impl TryFrom<String> for MemberId {
    type Error = std::num::ParseIntError;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}
