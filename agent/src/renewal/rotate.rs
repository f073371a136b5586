//! A rotation of a CA on this control plane: the successor's pair is made here or brought from another control plane, then the turn is as
//! that of a renewal.
//!
//! The key is made on a control plane, goes to the others over mTLS alone and only to one that holds the cluster's lease, and lies in
//! files of mode 0600; it is in no order, no journal and no argument.

use hactl_node_plan::certificate::key::belongs;
use hactl_node_plan::certificate::pem::blocks;
use hactl_node_plan::certificate::trust::{certificates, fingerprint, place};
use hactl_proto::certificate::KeySeen;
use hactl_proto::instruction::Fence;
use hactl_proto::name::NodeName;
use hactl_proto::report::Outcome;
use hactl_proto::role::NodeRole;
use hactl_proto::rotation::{Authority, Fingerprint, RotationOrder, Stage, TrustSeen};
use hactl_proto::secret::Secret;
use zeroize::Zeroizing;

use super::turn::{Work, gave_up};
use super::{Inner, Peers, Tale, successor};
use crate::causes::chain;
use crate::health::components::kubelet_answers;
use crate::host::Host;
use crate::inspect::kubernetes::api_server;
use crate::inspect::trust;

const MODE: u32 = 0o600;

impl<H: Host, P: Peers> Inner<H, P> {
    /// What this node says of its part; with it, whether it is well.
    pub(super) async fn trust(&self, authority: Authority) -> TrustSeen {
        let node = self.operations.node();
        let mut seen = trust::seen(&*self.host, &node, &self.paths, authority).await;
        if seen.complaint.is_none() {
            seen.complaint = self.unwell().await;
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
    pub(super) async fn rotate(
        &self,
        authority: Authority,
        stage: Stage,
        to: Option<Fingerprint>,
        tale: &Tale,
    ) -> Outcome {
        if self.operations.node().role != NodeRole::ControlPlane {
            return gave_up("begin", "this node is a worker", "Name a control plane.");
        }
        if place(authority).is_none() {
            return gave_up(
                "begin",
                "this agent does not rotate that CA",
                "See docs/certificates.md for which it does.",
            );
        }
        match (stage, to) {
            (Stage::Prepare, to) => self.prepare(authority, to, tale).await,
            (_, None) => gave_up("begin", "no successor is named", "Name one."),
            (stage, Some(to)) => {
                let order = RotationOrder {
                    authority,
                    stage,
                    to,
                };
                self.take_turn(tale, Work::Rotation(order)).await
            }
        }
    }

    /// Under the lease, so that no two control planes make one: nothing reads what is put here.
    async fn prepare(&self, authority: Authority, to: Option<Fingerprint>, tale: &Tale) -> Outcome {
        let Ok(_turn) = self.turn.try_lock() else {
            return gave_up(
                "begin",
                "a renewal or rotation is under way on this node",
                "Wait for its end: see `hactl-controller journal`.",
            );
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
        let place = place(authority).ok_or("this agent does not rotate that CA")?;
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
    async fn own_pair(
        &self,
        authority: Authority,
        of: &Fingerprint,
    ) -> Result<(String, Secret), String> {
        let place = place(authority).ok_or("this agent does not rotate that CA")?;
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
