//! The gRPC client: one call to one member, with the certificates that kubeadm made for etcd's probes.
//!
//! Each call makes its own connection: calls are rare, and a member that hangs must not hold up the next one.

use std::path::PathBuf;
use std::time::Duration;

use hactl_node_plan::etcd::{
    EtcdAnswer, EtcdCall, EtcdMember, EtcdRequest, MemberId, MemberList, MemberStatus,
};
use hactl_node_plan::kubeadm::layout;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};

use super::rpc;
use super::rpc::cluster_client::ClusterClient;
use super::rpc::kv_client::KvClient;
use super::rpc::maintenance_client::MaintenanceClient;

/// One call, its connection included. A removal waits for a quorum, whose election may take seconds.
const LIMIT: Duration = Duration::from_secs(10);
/// A member that is away should not cost the whole limit.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);

/// The files that open etcd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EtcdFiles {
    /// etcd's CA, PEM.
    pub ca: PathBuf,
    /// Client certificate, PEM.
    pub certificate: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
}

impl Default for EtcdFiles {
    /// kubeadm's: whoever holds `healthcheck-client` is root in etcd.
    fn default() -> Self {
        Self {
            ca: layout::ETCD_CA.into(),
            certificate: layout::ETCD_CLIENT.into(),
            key: layout::ETCD_CLIENT_KEY.into(),
        }
    }
}

/// Why etcd gave no answer. Only [`EtcdRequest::Remove`] and [`EtcdRequest::MoveLeader`] change anything, and after a time-out
/// they may have.
#[derive(Debug, thiserror::Error)]
pub enum EtcdError {
    /// A certificate or key could not be read.
    #[error("read {path}")]
    File {
        /// The file.
        path: String,
        /// The cause.
        source: std::io::Error,
    },
    /// The connection could not be made.
    #[error("reach etcd at {endpoint}")]
    Connect {
        /// Where.
        endpoint: String,
        /// The cause.
        source: tonic::transport::Error,
    },
    /// The member refused, or could not do it.
    #[error("have etcd at {endpoint} answer: {message}")]
    Refused {
        /// Where.
        endpoint: String,
        /// Its own words, such as `etcdserver: unhealthy cluster`.
        message: String,
    },
    /// It took too long.
    #[error("have an answer of etcd at {endpoint} within {} s", LIMIT.as_secs())]
    Limit {
        /// Where.
        endpoint: String,
    },
}

/// Makes one call.
pub async fn call(files: &EtcdFiles, call: &EtcdCall) -> Result<EtcdAnswer, EtcdError> {
    let asked = async {
        let channel = connect(files, &call.endpoint).await?;
        ask(channel, call.request)
            .await
            .map_err(|status| EtcdError::Refused {
                endpoint: call.endpoint.clone(),
                message: status.message().to_owned(),
            })
    };
    tokio::time::timeout(LIMIT, asked)
        .await
        .unwrap_or_else(|_| {
            Err(EtcdError::Limit {
                endpoint: call.endpoint.clone(),
            })
        })
}

pub(super) async fn connect(files: &EtcdFiles, endpoint: &str) -> Result<Channel, EtcdError> {
    let failed = |source| EtcdError::Connect {
        endpoint: endpoint.to_owned(),
        source,
    };
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(read(&files.ca).await?))
        .identity(Identity::from_pem(
            read(&files.certificate).await?,
            read(&files.key).await?,
        ))
        .domain_name(host(endpoint));
    Endpoint::from_shared(endpoint.to_owned())
        .and_then(|endpoint| endpoint.tls_config(tls))
        .map_err(failed)?
        .connect_timeout(CONNECT_LIMIT)
        .connect()
        .await
        .map_err(failed)
}

async fn ask(channel: Channel, request: EtcdRequest) -> Result<EtcdAnswer, tonic::Status> {
    match request {
        EtcdRequest::Members => {
            let request = rpc::MemberListRequest { linearizable: true };
            let answer = ClusterClient::new(channel).member_list(request).await?;
            let answer = answer.into_inner();
            Ok(list(answer.header, answer.members))
        }
        EtcdRequest::Remove(MemberId(id)) => {
            let request = rpc::MemberRemoveRequest { id };
            let answer = ClusterClient::new(channel).member_remove(request).await?;
            let answer = answer.into_inner();
            Ok(list(answer.header, answer.members))
        }
        EtcdRequest::Status => {
            let answer = MaintenanceClient::new(channel)
                .status(rpc::StatusRequest {})
                .await?;
            Ok(status(answer.into_inner()))
        }
        EtcdRequest::Health => {
            // The key that `etcdctl endpoint health` reads; it need not exist.
            let request = rpc::RangeRequest {
                key: b"health".to_vec(),
                serializable: false,
                count_only: true,
            };
            KvClient::new(channel).range(request).await?;
            Ok(EtcdAnswer::Done)
        }
        EtcdRequest::Alarms => {
            let request = rpc::AlarmRequest::default();
            let answer = MaintenanceClient::new(channel).alarm(request).await?;
            let alarms = answer.into_inner().alarms;
            Ok(EtcdAnswer::Alarms(alarms.iter().map(alarm).collect()))
        }
        EtcdRequest::MoveLeader(MemberId(target_id)) => {
            let request = rpc::MoveLeaderRequest { target_id };
            MaintenanceClient::new(channel).move_leader(request).await?;
            Ok(EtcdAnswer::Done)
        }
    }
}

fn list(header: Option<rpc::ResponseHeader>, members: Vec<rpc::Member>) -> EtcdAnswer {
    let header = header.unwrap_or_default();
    EtcdAnswer::Members(MemberList {
        cluster: MemberId(header.cluster_id),
        answered: MemberId(header.member_id),
        members: members
            .into_iter()
            .map(|member| EtcdMember {
                id: MemberId(member.id),
                name: member.name,
                peer_urls: member.peer_ur_ls,
                client_urls: member.client_ur_ls,
                learner: member.is_learner,
            })
            .collect(),
    })
}

fn status(answer: rpc::StatusResponse) -> EtcdAnswer {
    EtcdAnswer::Status(MemberStatus {
        member: MemberId(answer.header.unwrap_or_default().member_id),
        version: answer.version,
        leader: (answer.leader != 0).then_some(MemberId(answer.leader)),
        errors: answer.errors,
        learner: answer.is_learner,
    })
}

fn alarm(alarm: &rpc::AlarmMember) -> String {
    let kind = alarm.alarm().as_str_name();
    format!("{kind} on {}", MemberId(alarm.member_id))
}

async fn read(path: &PathBuf) -> Result<Vec<u8>, EtcdError> {
    tokio::fs::read(path)
        .await
        .map_err(|source| EtcdError::File {
            path: path.display().to_string(),
            source,
        })
}

/// The host of `https://host:port`, without the brackets of an IPv6 address: what the certificate has to name.
fn host(endpoint: &str) -> &str {
    let authority = endpoint.split("://").last().unwrap_or(endpoint);
    let host = authority
        .rsplit_once(':')
        .map_or(authority, |(host, _)| host);
    host.trim_start_matches('[').trim_end_matches(']')
}

#[cfg(test)]
mod tests {
    use super::host;

    #[test]
    fn the_host_is_what_the_certificate_names() {
        assert_eq!(host("https://127.0.0.1:2379"), "127.0.0.1");
        assert_eq!(host("https://[fd00::1]:2379"), "fd00::1");
        assert_eq!(host("https://cp1.example:2379"), "cp1.example");
    }
}
