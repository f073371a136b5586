//! Hearing the other declared control planes: their newest answers, and since when each answers or is silent.

use std::collections::BTreeMap;
use std::time::Duration;

use hactl_node_plan::bootstrap::candidate::Heard;
use hactl_node_plan::bootstrap::next::Peer;
use hactl_proto::Timestamp;
use hactl_proto::name::NodeName;
use hactl_proto::spec::DeclaredNode;
use hactl_proto::standing::{GrantRequest, StandingAnswer};
use tokio::task::JoinSet;

use super::peers::{PeerError, Peers};
use std::sync::Arc;

/// How long one peer is waited for. A silent one is asked again in the next round.
const LIMIT: Duration = Duration::from_secs(3);

/// What was heard so far.
#[derive(Debug, Default)]
pub(super) struct Hearing {
    peers: BTreeMap<NodeName, Peer>,
    /// Why a silent peer is silent, as last tried.
    silence: BTreeMap<NodeName, String>,
}

impl Hearing {
    /// The peers as the decision wants them.
    pub(super) const fn peers(&self) -> &BTreeMap<NodeName, Peer> {
        &self.peers
    }

    /// Why a peer did not answer.
    pub(super) fn silence(&self, node: &NodeName) -> Option<&str> {
        self.silence.get(node).map(String::as_str)
    }

    /// Asks all of them at once. Gives the answers, for the record to meet.
    pub(super) async fn ask<P: Peers>(
        &mut self,
        peers: &Arc<P>,
        of: &[DeclaredNode],
        now: Timestamp,
    ) -> Vec<StandingAnswer> {
        let mut asked = JoinSet::new();
        for peer in of.iter().cloned() {
            let peers = Arc::clone(peers);
            asked.spawn(async move {
                let answer = bounded(&peer, peers.standing(&peer)).await;
                (peer.name, answer)
            });
        }
        let mut answers = Vec::new();
        while let Some(joined) = asked.join_next().await {
            let Ok((node, answer)) = joined else { continue };
            match answer {
                Ok(answer) => {
                    answers.push(answer.clone());
                    self.silence.remove(&node);
                    self.heard(node, Some(answer), now);
                }
                Err(error) => {
                    self.silence.insert(node.clone(), error.reason);
                    self.heard(node, None, now);
                }
            }
        }
        answers
    }

    fn heard(&mut self, node: NodeName, answer: Option<StandingAnswer>, now: Timestamp) {
        let peer = self.peers.entry(node).or_insert_with(|| Peer {
            heard: Heard::default(),
            since: now,
        });
        if peer.heard.answer.is_some() != answer.is_some() {
            peer.since = now;
        }
        peer.heard.answer = answer;
    }

    /// Asks these for their grants, all at once. A grant once held is kept: it does not expire.
    pub(super) async fn request_grants<P: Peers>(
        &mut self,
        peers: &Arc<P>,
        of: Vec<DeclaredNode>,
        request: &GrantRequest,
    ) {
        let mut asked = JoinSet::new();
        for peer in of {
            let (peers, request) = (Arc::clone(peers), request.clone());
            asked.spawn(async move {
                let verdict = bounded(&peer, peers.request_grant(&peer, request)).await;
                (peer.name, verdict)
            });
        }
        while let Some(joined) = asked.join_next().await {
            let Ok((node, verdict)) = joined else {
                continue;
            };
            let Some(peer) = self.peers.get_mut(&node) else {
                continue;
            };
            let instance = peer.heard.answer.as_ref().map(|answer| answer.instance);
            match (verdict, instance) {
                (Ok(Ok(grant)), Some(instance)) => {
                    peer.heard.grant = Some((instance, grant));
                    peer.heard.refusal = None;
                }
                (Ok(Err(refusal)), _) => peer.heard.refusal = Some(refusal),
                (Err(error), _) => {
                    self.silence.insert(node, error.reason);
                }
                (Ok(Ok(_)), None) => {}
            }
        }
    }
}

async fn bounded<T>(
    peer: &DeclaredNode,
    call: impl Future<Output = Result<T, PeerError>>,
) -> Result<T, PeerError> {
    match tokio::time::timeout(LIMIT, call).await {
        Ok(answer) => answer,
        Err(_) => Err(PeerError {
            peer: peer.name.clone(),
            reason: format!("no answer within {} s", LIMIT.as_secs()),
        }),
    }
}
