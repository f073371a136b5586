//! Waits for the state that an init or a join has to bring about. Each says what it waits for and what it saw last.

use std::time::Duration;

use hactl_node_plan::etcd::{EtcdCall, EtcdMember, EtcdRequest, MemberHealth, MemberId};
use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::output::{self, NodeObject};

use super::kubectl;
use crate::etcd::view;
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::kubernetes::api_server as ask_api_server;

const EVERY: Duration = Duration::from_millis(500);
/// kubeadm's own limit for a control plane (4 minutes) and some room for a slow disk.
const CONTROL_PLANE_LIMIT: Duration = Duration::from_mins(6);
/// Ready wants the pod network, whose images may have to be pulled first.
const NODE_LIMIT: Duration = Duration::from_mins(10);

/// This node's own API server: `/readyz` and `/livez`.
pub(super) async fn api_server<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let name = format!("API server of {} ready and live", cx.node.node);
    cx.wait(&name, EVERY, CONTROL_PLANE_LIMIT, || async {
        let seen = ask_api_server(&*cx.host, cx.node.address).await;
        Ok(if seen.serves() {
            Condition::Met(())
        } else {
            Condition::Pending(format!(
                "/readyz {}, /livez {}",
                word(&seen.ready),
                word(&seen.live)
            ))
        })
    })
    .await
}

/// This node's etcd member: started, voting, healthy. Gives the cluster's id and the member.
pub(super) async fn etcd_member<H: Host>(
    cx: &ExecuteContext<H>,
) -> Result<(MemberId, EtcdMember), StepError> {
    let name = format!("etcd member {} started, voting and healthy", cx.node.node);
    let endpoint = EtcdCall::local(EtcdRequest::Members).endpoint;
    cx.wait(&name, EVERY, CONTROL_PLANE_LIMIT, || async {
        let list = match view::members(&*cx.host, &endpoint).await {
            Ok(list) => list,
            Err(error) => return Ok(Condition::Pending(error.to_string())),
        };
        let Some(member) = list.at(cx.node.address) else {
            return Ok(Condition::Pending("it is not in the list".to_owned()));
        };
        if !member.started() {
            return Ok(Condition::Pending("it has not started".to_owned()));
        }
        if member.learner {
            return Ok(Condition::Pending("it is a learner".to_owned()));
        }
        Ok(match view::health_of(&*cx.host, member).await {
            MemberHealth::Healthy => Condition::Met((list.cluster, member.clone())),
            MemberHealth::Unhealthy(reason) => Condition::Pending(reason),
        })
    })
    .await
}

/// This node's Node: registered and Ready. Where the spec brings no pod network the operator does, later: then a Node that only
/// waits for that is as far as it can be.
pub(super) async fn node<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let awaited = if cx.node.spec.pod_network.is_some() {
        "registered and Ready"
    } else {
        "registered, and Ready but for the pod network"
    };
    let name = format!("Node {} {awaited}", cx.node.node);
    cx.wait(&name, EVERY, NODE_LIMIT, || async {
        Ok(match look(cx).await {
            Known::Is(Some(node)) if settled(cx, &node) => Condition::Met(()),
            Known::Is(Some(node)) => Condition::Pending(node.message),
            Known::Is(None) => Condition::Pending("not registered".to_owned()),
            Known::Unknown(reason) => Condition::Pending(reason),
        })
    })
    .await
}

fn settled<H>(cx: &ExecuteContext<H>, node: &NodeObject) -> bool {
    node.ready || (cx.node.spec.pod_network.is_none() && node.waits_for_pod_network())
}

async fn look<H: Host>(cx: &ExecuteContext<H>) -> Known<Option<NodeObject>> {
    match cx.host.run(&kubectl(cx).node(&cx.node.node)).await {
        Ok(answer) => output::object(&answer, output::node),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

fn word(fact: &Known<bool>) -> String {
    match fact {
        Known::Is(true) => "ok".to_owned(),
        Known::Is(false) => "not ok".to_owned(),
        Known::Unknown(reason) => format!("unknown ({reason})"),
    }
}
