//! Kubelets that ask the cluster for serving certificates (`serverTLSBootstrap`): what is right is approved. Kubernetes leaves that to
//! others. All control planes look; approving what another has approved changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use hactl_node_plan::certificate::request::decide;
use hactl_node_plan::kubeadm::kubectl::Kubectl;

use super::{Inner, Peers};
use crate::host::Host;
use crate::inspect::kubernetes::api_server;
use crate::inspect::rollout::ask;

impl<H: Host, P: Peers> Inner<H, P> {
    /// Looks once. `told`: the requests whose refusal was said already.
    pub(super) async fn approve_serving(&self, told: &mut BTreeSet<String>) -> Result<(), String> {
        let node = self.operations.node();
        let wanted = node.spec.kubernetes.kubelet.get("serverTLSBootstrap");
        if wanted.and_then(serde_json::Value::as_bool) != Some(true)
            || !api_server(&*self.host, node.address).await.serves()
        {
            return Ok(());
        }
        let declared = node.spec.control_planes.iter().chain(&node.spec.workers);
        let members: BTreeMap<_, _> = declared
            .map(|node| (node.name.clone(), node.address))
            .collect();
        let kubectl = Kubectl::admin(node.address);
        let answer = ask(&*self.host, &kubectl.certificate_requests()).await?;
        let decisions = decide(&answer.stdout, &members)
            .ok_or("the requests for certificates can't be read")?;
        told.retain(|request| decisions.iter().any(|one| one.request == *request));
        for decision in decisions {
            let request = decision.request;
            match decision.verdict {
                Ok(()) => {
                    ask(&*self.host, &kubectl.approve_certificate(&request)).await?;
                    tracing::info!(request, "approved a kubelet's serving certificate");
                }
                Err(reason) if told.insert(request.clone()) => {
                    tracing::warn!(request, reason, "does not approve a serving certificate");
                }
                Err(_) => {}
            }
        }
        Ok(())
    }
}
