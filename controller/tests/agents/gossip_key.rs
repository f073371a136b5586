//! `certs rotate-gossip-key`: forward, back, to its end, cut off, and held up by the worker that is away.

use std::fs;

use hactl_proto::bundle::Bundle;
use hactl_proto::gossip::GossipRing;

use crate::nodes::Nodes;

const ROTATE: [&str; 4] = ["certs", "rotate-gossip-key", "--without", "w1"];

/// Ids of every agent's keys, the sealing one first.
fn rings(nodes: &Nodes) -> Vec<Vec<u8>> {
    let rings = nodes.made.iter();
    rings
        .map(|made| {
            let ring = made.ring.lock().unwrap();
            ring.keys.iter().map(|key| key.id).collect()
        })
        .collect()
}

fn all(ids: &[u8]) -> Vec<Vec<u8>> {
    vec![ids.to_vec(); 3]
}

/// What a bundle made now holds.
async fn bundled(nodes: &Nodes) -> Vec<u8> {
    let made = nodes.run(&["bundle", "w1"]).await;
    assert_eq!(made.code, 0, "{}", made.err);
    let bundle = fs::read(nodes.path("state/hactl/prod/bundles/w1.json")).unwrap();
    let bundle: Bundle = serde_json::from_slice(&bundle).unwrap();
    bundle.gossip_keys.iter().map(|key| key.id).collect()
}

#[tokio::test]
async fn who_is_away_holds_it_up_by_name_before_anything_is_changed() {
    let nodes = Nodes::start().await;
    let ended = nodes.run(&["certs", "rotate-gossip-key"]).await;
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    for words in ["nothing was changed", "w1 does not answer", "--without w1"] {
        assert!(ended.out.contains(words), "{}", ended.out);
    }
    assert_eq!(rings(&nodes), all(&[1]));
    assert_eq!(bundled(&nodes).await, [1]);
    let nobody = ["certs", "rotate-gossip-key", "--without", "w7"];
    assert_eq!(nodes.run(&nobody).await.code, 2);
}

#[tokio::test]
async fn it_stops_before_the_old_key_goes_and_ends_or_turns_back_when_told() {
    let nodes = Nodes::start().await;
    let ended = nodes.run(&ROTATE).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.err.contains("cp2: install") && ended.err.contains("cp3: use"));
    assert!(ended.out.contains("--finish gives 1 ("), "{}", ended.out);
    assert!(ended.out.contains("w1 was left out"), "{}", ended.out);
    assert_eq!(rings(&nodes), all(&[2, 1]));
    assert_eq!(bundled(&nodes).await, [2, 1]);

    let back = nodes.run(&[&ROTATE[..], &["--abort"]].concat()).await;
    assert_eq!(back.code, 0, "{}{}", back.out, back.err);
    assert_eq!(rings(&nodes), all(&[1]));
    assert_eq!(bundled(&nodes).await, [1]);
    // Nothing is left to be turned back.
    assert_eq!(
        nodes.run(&[&ROTATE[..], &["--abort"]].concat()).await.code,
        0
    );

    assert_eq!(nodes.run(&ROTATE).await.code, 0);
    let ended = nodes.run(&[&ROTATE[..], &["--finish"]].concat()).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("in force alone"), "{}", ended.out);
    assert_eq!(rings(&nodes), all(&[2]));
    assert_eq!(bundled(&nodes).await, [2]);
    let kept = fs::read(nodes.path("state/hactl/prod/gossip.key")).unwrap();
    let kept: GossipRing = serde_json::from_slice(&kept).unwrap();
    assert_eq!(kept.keys.len(), 1);
    for text in [ended.out, ended.err] {
        assert!(!text.contains(&kept.keys[0].key));
    }
}

#[tokio::test]
async fn an_agent_that_fails_its_order_holds_up_the_next_stage_and_the_same_goes_on() {
    let nodes = Nodes::start().await;
    *nodes.made[1].deaf.lock().unwrap() = true;
    let ended = nodes.run(&ROTATE).await;
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    assert!(ended.out.contains("cp2: install"), "{}", ended.out);
    assert_eq!(rings(&nodes), [vec![1, 2], vec![1], vec![1, 2]]);
    // Its finish is not begun either, for as long as one does not have the key.
    let ended = nodes.run(&[&ROTATE[..], &["--finish"]].concat()).await;
    assert_eq!(ended.code, 4, "{}{}", ended.out, ended.err);
    assert_eq!(rings(&nodes)[0], [1, 2]);
    *nodes.made[1].deaf.lock().unwrap() = false;
    assert_eq!(nodes.run(&ROTATE).await.code, 0);
    assert_eq!(rings(&nodes), all(&[2, 1]));
}

#[tokio::test]
async fn one_that_was_left_out_and_comes_back_is_given_the_key_in_force_and_no_other_is_made() {
    let nodes = Nodes::start().await;
    let before = nodes.made[2].ring.lock().unwrap().clone();
    assert_eq!(nodes.run(&ROTATE).await.code, 0);
    assert_eq!(
        nodes.run(&[&ROTATE[..], &["--finish"]].concat()).await.code,
        0
    );
    *nodes.made[2].ring.lock().unwrap() = before;
    let ended = nodes.run(&ROTATE).await;
    assert_eq!(ended.code, 0, "{}{}", ended.out, ended.err);
    assert_eq!(rings(&nodes), all(&[2]));
}

#[tokio::test]
async fn another_state_folders_rotation_is_told_and_nothing_is_changed() {
    let nodes = Nodes::start().await;
    nodes.made[2].ring.lock().unwrap().revision = 40;
    let ended = nodes.run(&ROTATE).await;
    assert_eq!(ended.code, 3, "{}{}", ended.out, ended.err);
    assert!(
        ended.err.contains("cp3 are of revision 40"),
        "{}",
        ended.err
    );
    assert_eq!(rings(&nodes), all(&[1]));
}
