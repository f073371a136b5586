//! The whole view: the list from one member, then each member asked for itself.

use std::collections::BTreeMap;

use hactl_node_plan::etcd::{
    EtcdAnswer, EtcdCall, EtcdMember, EtcdRequest, EtcdView, MemberHealth, MemberList, MemberStatus,
};
use hactl_node_plan::facts::Known;

use crate::host::{Host, HostError};

/// The list of members as the member at `endpoint` has it, by a linearizable read.
pub async fn members<H: Host>(host: &H, endpoint: &str) -> Result<MemberList, HostError> {
    match host
        .etcd(&EtcdCall::at(endpoint, EtcdRequest::Members))
        .await?
    {
        EtcdAnswer::Members(list) => Ok(list),
        other => Err(unexpected(endpoint, &other)),
    }
}

/// The own state of the member at `endpoint`.
pub async fn status<H: Host>(host: &H, endpoint: &str) -> Result<MemberStatus, HostError> {
    match host
        .etcd(&EtcdCall::at(endpoint, EtcdRequest::Status))
        .await?
    {
        EtcdAnswer::Status(status) => Ok(status),
        other => Err(unexpected(endpoint, &other)),
    }
}

/// The list from `endpoint`, how each member is by its own word, and the alarms.
pub async fn view<H: Host>(host: &H, endpoint: &str) -> Result<EtcdView, HostError> {
    let list = members(host, endpoint).await?;
    let mut health = BTreeMap::new();
    for member in &list.members {
        health.insert(member.id, health_of(host, member).await);
    }
    let alarms = match host
        .etcd(&EtcdCall::at(endpoint, EtcdRequest::Alarms))
        .await
    {
        Ok(EtcdAnswer::Alarms(alarms)) => Known::Is(alarms),
        Ok(other) => Known::Unknown(unexpected(endpoint, &other).to_string()),
        Err(error) => Known::Unknown(error.to_string()),
    };
    Ok(EtcdView {
        list,
        health,
        alarms,
    })
}

/// How a member is: it answers for itself, knows a leader, complains of nothing, and (if it votes) reads through a quorum.
pub async fn health_of<H: Host>(host: &H, member: &EtcdMember) -> MemberHealth {
    let Some(url) = member.client_urls.first() else {
        return MemberHealth::Unhealthy("never started".to_owned());
    };
    let status = match status(host, url).await {
        Ok(status) => status,
        Err(error) => return MemberHealth::Unhealthy(error.to_string()),
    };
    if status.member != member.id {
        return MemberHealth::Unhealthy(format!("{url} answers as member {}", status.member));
    }
    if status.leader.is_none() {
        return MemberHealth::Unhealthy("it knows no leader".to_owned());
    }
    if !status.errors.is_empty() {
        return MemberHealth::Unhealthy(status.errors.join(", "));
    }
    // A learner serves no linearizable reads.
    if member.learner {
        return MemberHealth::Healthy;
    }
    match host.etcd(&EtcdCall::at(url, EtcdRequest::Health)).await {
        Ok(_) => MemberHealth::Healthy,
        Err(error) => MemberHealth::Unhealthy(error.to_string()),
    }
}

fn unexpected(endpoint: &str, answer: &EtcdAnswer) -> HostError {
    HostError::Ask {
        what: endpoint.to_owned(),
        reason: format!("it answered something else: {answer:?}"),
    }
}
