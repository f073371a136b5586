//! A rotation of a CA on this node: on a control plane the successor's pair is made, or brought from another control plane, then the turn is
//! as that of a renewal. A worker's turn is under the lease that the controller holds.
//!
//! The key is made on a control plane, goes to the others over mTLS alone and only to one that holds the cluster's lease, and lies in
//! files of mode 0600; it is in no order, no journal and no argument.

use std::time::Duration;

use hactl_node_plan::certificate::key::belongs;
use hactl_node_plan::certificate::pem::blocks;
use hactl_node_plan::certificate::trust::{certificates, fingerprint, place};
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::plan::rotate::kubelets;
use hactl_proto::certificate::KeySeen;
use hactl_proto::instruction::Fence;
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::role::NodeRole;
use hactl_proto::rotation::{
    Authority, Fingerprint, RotationOrder, RotationTurn, Stage, TrustSeen,
};
use hactl_proto::secret::Secret;
use zeroize::Zeroizing;

use super::turn::{Work, gave_up};
use super::{Inner, Peers, Tale, successor};
use crate::causes::chain;
use crate::health::components::kubelet_answers;
use crate::host::Host;
use crate::inspect::kubernetes::api_server;
use crate::inspect::rollout::ask;
use crate::inspect::trust;

const MODE: u32 = 0o600;
/// A settled node looks at its record twice a minute.
const RECORD_LIMIT: Duration = Duration::from_mins(3);
const RECORD_EVERY: Duration = Duration::from_secs(2);

impl<H: Host, P: Peers> Inner<H, P> {
    /// What this node says of its part; with it, whether it is well.
    pub(super) async fn trust(&self, authority: Authority) -> TrustSeen {
        let node = self.operations.node();
        let mut seen = trust::seen(&*self.host, &node, &self.paths, authority).await;
        if seen.complaint.is_none() {
            seen.complaint = self.unwell().await;
        }
        // Pods matter while there are two, and one look at them is enough.
        let first = node.spec.control_planes.first();
        if authority == Authority::Kubernetes
            && seen.authorities.len() > 1
            && seen.pending.is_empty()
            && seen.complaint.is_none()
            && first.is_some_and(|first| first.name == node.node)
        {
            seen.pods = Some(trust::pods(&*self.host, &node).await);
        }
        seen
    }

    async fn unwell(&self) -> Option<String> {
        let node = self.operations.node();
        if !kubelet_answers(&*self.host).await {
            return Some("its kubelet does not answer".to_owned());
        }
        let serves =
            node.role == NodeRole::Worker || api_server(&*self.host, node.address).await.serves();
        (!serves).then(|| "its API server does not serve".to_owned())
    }

    /// One stage, to its end.
    pub(super) async fn rotate(&self, turn: RotationTurn, tale: &Tale) -> Outcome {
        let node = self.operations.node();
        if place(turn.authority, &node).is_none() {
            return gave_up(
                "begin",
                "this node has no part in that CA",
                "Name a control plane.",
            );
        }
        let (worker, authority) = (node.role == NodeRole::Worker, turn.authority);
        if worker && matches!(turn.stage, Stage::Prepare | Stage::Pods) {
            return gave_up("begin", "this node is a worker", "Name a control plane.");
        }
        let (stage, to) = match (turn.stage, turn.to.clone()) {
            (Stage::Prepare, to) => return self.prepare(authority, to, tale).await,
            (_, None) => return gave_up("begin", "no successor is named", "Name one."),
            (stage, Some(to)) => (stage, to),
        };
        let order = RotationOrder {
            authority,
            stage,
            to,
        };
        let outcome = if worker {
            self.workers_turn(&turn, order, tale).await
        } else {
            self.take_turn(tale, Work::Rotation(order)).await
        };
        if outcome == Outcome::Succeeded
            && (authority, stage) == (Authority::Kubernetes, Stage::Reissue)
        {
            return self.record_follows(tale).await;
        }
        outcome
    }

    /// The controller holds the lease, and gates: a worker restarts its kubelet alone.
    async fn workers_turn(
        &self,
        turn: &RotationTurn,
        order: RotationOrder,
        tale: &Tale,
    ) -> Outcome {
        let Ok(_turn) = self.turn.try_lock() else {
            return under_way();
        };
        if order.stage == Stage::Trust
            && let Err(reason) = self.told(&order, &turn.certificate).await
        {
            return gave_up(
                "successor",
                &reason,
                "`hactl-controller certs rotate-ca` tells it; run it again.",
            );
        }
        self.order(turn.fence, Work::Rotation(order), tale).await
    }

    /// The successor's certificate lies aside; nothing reads it there.
    async fn told(&self, order: &RotationOrder, certificate: &str) -> Result<(), String> {
        let all = certificates(certificate.as_bytes())?;
        if all.first().and_then(fingerprint).as_ref() != Some(&order.to) {
            return Err(format!("what was told is not the CA {}", order.to));
        }
        let folder = self.paths.authorities(order.authority);
        let file = folder.join(format!("{}.crt", order.to.as_str()));
        let done = self.host.replace(&file, certificate.as_bytes(), MODE).await;
        done.map_err(|error| chain(&error))
    }

    /// The kubelet is to present what the successor signed: pairs of it lie ready before the order is given.
    pub(super) async fn ready_kubelet(&self, order: &RotationOrder) -> Result<(), String> {
        if (order.authority, order.stage) != (Authority::Kubernetes, Stage::Reissue) {
            return Ok(());
        }
        let node = self.operations.node();
        let seen = trust::seen(&*self.host, &node, &self.paths, order.authority).await;
        let mut presents = seen.presents.iter();
        if presents.any(|(name, by)| kubelets(name) && *by != order.to) {
            self.make_kubelet_pairs(&order.to).await?;
        }
        Ok(())
    }

    /// Of which cluster this node is, its record says by the CA; it follows while the file holds both.
    async fn record_follows(&self, tale: &Tale) -> Outcome {
        let since = self.host.now();
        let end = tokio::time::Instant::now() + RECORD_LIMIT;
        while let Some(observed) = trust::other_record(&*self.host, &self.paths).await {
            if tokio::time::Instant::now() >= end {
                return Outcome::Failed {
                    step: "record-follows".to_owned(),
                    error: format!("know the cluster by its new CA: {observed}"),
                    done: vec!["reissue".to_owned()],
                    remedy: "See the agent's log, then go on.".to_owned(),
                };
            }
            tale.waits("this node's record to name the new CA", observed, since);
            tokio::time::sleep(RECORD_EVERY).await;
        }
        Outcome::Succeeded
    }

    /// Under the lease, so that no two control planes make one: nothing reads what is put here.
    async fn prepare(&self, authority: Authority, to: Option<Fingerprint>, tale: &Tale) -> Outcome {
        let Ok(_turn) = self.turn.try_lock() else {
            return under_way();
        };
        let held = match self.take_lease(tale).await {
            Ok(held) => held,
            Err(observed) => {
                return gave_up(
                    "take-lease",
                    &observed,
                    "Wait for whoever holds it to end, or stop it, then go on.",
                );
            }
        };
        let put = match &to {
            Some(to) => self.bring(authority, to, held.fence).await,
            None => self.make(authority).await,
        };
        self.release_lease(held).await;
        match put {
            Ok(()) => Outcome::Succeeded,
            Err(observed) => gave_up(
                "prepare",
                &observed,
                "Put it right, then go on: nothing reads what lies there.",
            ),
        }
    }

    /// A fresh CA, unless one lies here already.
    async fn make(&self, authority: Authority) -> Result<(), String> {
        let node = self.operations.node();
        let place = place(authority, &node).ok_or("this node has no part in that CA")?;
        if authority == Authority::Kubernetes {
            self.all_declared().await?;
        }
        let own = trust::signer(&*self.host, place).await;
        let own = own.ok_or_else(|| {
            format!(
                "{} is not there, or of another CA: it is external",
                place.key
            )
        })?;
        let lies = trust::aside(&*self.host, &self.paths, authority).await;
        if lies.iter().any(|(one, _)| one.sha256 != own.sha256) {
            return Ok(());
        }
        let made = successor::make(&own, self.host.now())?;
        tracing::warn!(node = %node.node, %authority, "made a CA to succeed the one in force");
        self.put(authority, &made.0, &made.1).await
    }

    /// A node that nobody declared would have no turn, and would be let in nowhere after the last stage.
    async fn all_declared(&self) -> Result<(), String> {
        #[derive(serde::Deserialize)]
        struct Nodes {
            items: Vec<serde_json::Value>,
        }
        let node = self.operations.node();
        let asked = ask(&*self.host, &Kubectl::admin(node.address).nodes()).await?;
        let nodes: Nodes = serde_json::from_str(&asked.stdout)
            .map_err(|_| "the list of nodes can't be read".to_owned())?;
        let names = nodes
            .items
            .iter()
            .filter_map(|one| one["metadata"]["name"].as_str());
        let declared = |name: &str| {
            let name = NodeName::new(name).ok();
            name.is_some_and(|name| node.spec.declared(&name).is_some())
        };
        let strangers: Vec<&str> = names.filter(|name| !declared(name)).collect();
        if strangers.is_empty() {
            return Ok(());
        }
        Err(format!(
            "nodes of the cluster that the spec does not declare: {}",
            strangers.join(", ")
        ))
    }

    /// The pair of that CA, from whichever control plane has it.
    async fn bring(
        &self,
        authority: Authority,
        to: &Fingerprint,
        fence: Fence,
    ) -> Result<(), String> {
        let node = self.operations.node();
        if self.own_pair(authority, to).await.is_ok() {
            return Ok(());
        }
        let mut reasons = Vec::new();
        let others = node.spec.control_planes.iter();
        for peer in others.filter(|peer| peer.name != node.node) {
            match self.peers.give_pair(peer, authority, to, fence).await {
                Ok((certificate, key)) => {
                    whole(&certificate, &key, to)
                        .map_err(|reason| format!("what {} gave: {reason}", peer.name))?;
                    return self.put(authority, &certificate, &key).await;
                }
                Err(reason) => reasons.push(format!("{}: {reason}", peer.name)),
            }
        }
        Err(format!("get the pair of {to}: {}", reasons.join("; ")))
    }

    /// The key first: a pair counts once its certificate is there.
    async fn put(
        &self,
        authority: Authority,
        certificate: &str,
        key: &Secret,
    ) -> Result<(), String> {
        let all = certificates(certificate.as_bytes())?;
        let name = all.first().map(|one| one.sha256.clone());
        let name = name.ok_or("it holds no certificate")?;
        let folder = self.paths.authorities(authority);
        let parts = [("key", key.expose()), ("crt", certificate)];
        for (end, text) in parts {
            let file = folder.join(format!("{name}.{end}"));
            let done = self.host.replace(&file, text.as_bytes(), MODE).await;
            done.map_err(|error| chain(&error))?;
        }
        Ok(())
    }

    /// The other side: a control plane whose turn it is gets the pair.
    pub(super) async fn give_pair(
        &self,
        caller: &NodeName,
        authority: Authority,
        of: &Fingerprint,
        fence: Fence,
    ) -> Result<(String, Secret), String> {
        let node = self.operations.node();
        let declared = node.spec.declared(caller);
        if !matches!(declared, Some((_, NodeRole::ControlPlane))) {
            return Err(format!("{caller} is no control plane of the spec"));
        }
        self.holds_the_lease(caller, fence).await?;
        let pair = self.own_pair(authority, of).await?;
        tracing::warn!(node = %caller, %authority, %of, "gave a CA's pair to a control plane whose turn it is");
        Ok(pair)
    }

    /// A pair that lies here, aside or in force.
    pub(super) async fn own_pair(
        &self,
        authority: Authority,
        of: &Fingerprint,
    ) -> Result<(String, Secret), String> {
        let place = place(authority, &self.operations.node());
        let place = place.ok_or("this node has no part in that CA")?;
        let aside = trust::aside(&*self.host, &self.paths, authority).await;
        let aside = aside
            .into_iter()
            .find(|(one, _)| fingerprint(one).as_ref() == Some(of));
        let files = match aside {
            Some((_, file)) => (file.with_extension("key"), file),
            None => (place.key.into(), place.bundle.into()),
        };
        let read = async |file: &std::path::Path| {
            let bytes = self.host.read(file).await.map_err(|error| chain(&error))?;
            let bytes = Zeroizing::new(bytes.unwrap_or_default());
            Ok::<_, String>(Zeroizing::new(String::from_utf8_lossy(&bytes).into_owned()))
        };
        let key = Secret::new(&**read(&files.0).await?);
        let certificate = read(&files.1).await?;
        let first = blocks(certificate.as_bytes()).map_err(|fault| fault.to_string())?;
        let first = first.first().map(|block| block.der.clone());
        let first = first.ok_or("it holds no certificate")?;
        let text = hactl_node_plan::certificate::pem::written_as(&first);
        whole(&text, &key, of)?;
        Ok((text, key))
    }
}

fn under_way() -> Outcome {
    gave_up(
        "begin",
        "a renewal or rotation is under way on this node",
        "Wait for its end: see `hactl-controller journal`.",
    )
}

/// Whether that is the pair of that CA.
fn whole(certificate: &str, key: &Secret, of: &Fingerprint) -> Result<(), String> {
    let first = certificates(certificate.as_bytes())?.into_iter().next();
    let first = first.ok_or("it holds no certificate")?;
    if fingerprint(&first).as_ref() != Some(of) {
        return Err(format!("the CA {of} does not lie there"));
    }
    let key = blocks(key.expose().as_bytes()).map_err(|fault| fault.to_string())?;
    match key.first().map(|key| belongs(key, &first)) {
        Some(KeySeen::Belongs) => Ok(()),
        _ => Err("its key is not its own".to_owned()),
    }
}
