//! etcd: its list, its leader, learners, an election, snapshots.

use std::collections::{BTreeMap, BTreeSet};

use hactl_agent::host::{Host, HostError};
use hactl_node_plan::command::Output;
use hactl_node_plan::etcd::{
    EtcdAnswer, EtcdCall, EtcdRequest, MemberId, MemberList, MemberStatus,
};
use hactl_node_plan::kubeadm::output::last_line;
use hactl_simulation::{Member, SimulatedHost, World};
use serde_json::Value;

use crate::real;
use crate::support::fleet::cluster;
use crate::support::*;

/// What etcdctl printed of a list: name, whether it votes, ports of its peer and client URLs.
type Shape = BTreeSet<(String, bool, Vec<String>, Vec<String>)>;

fn ports(urls: &[String]) -> Vec<String> {
    let port = |url: &String| url.rsplit(':').next().unwrap_or_default().to_owned();
    urls.iter().map(port).collect()
}

fn shape(list: &MemberList) -> Shape {
    let members = list.members.iter();
    members
        .map(|one| {
            let (peers, clients) = (ports(&one.peer_urls), ports(&one.client_urls));
            (one.name.clone(), one.learner, peers, clients)
        })
        .collect()
}

fn listed(output: &Output) -> Shape {
    let json: Value = serde_json::from_str(&output.stdout).unwrap();
    let texts = |one: &Value, key: &str| -> Vec<String> {
        serde_json::from_value(one[key].clone()).unwrap_or_default()
    };
    let members = json["members"].as_array().unwrap().iter();
    members
        .map(|one| {
            (
                one["name"].as_str().unwrap_or_default().to_owned(),
                one["isLearner"].as_bool().unwrap_or_default(),
                ports(&texts(one, "peerURLs")),
                ports(&texts(one, "clientURLs")),
            )
        })
        .collect()
}

/// Whether the one that answers leads, whether it knows a leader, whether it is a learner.
fn stands(status: &MemberStatus) -> (bool, bool, bool) {
    let leads = status.leader == Some(status.member);
    (leads, status.leader.is_some(), status.learner)
}

fn stood(output: &Output) -> (bool, bool, bool) {
    let json: Value = serde_json::from_str(&output.stdout).unwrap();
    let status = &json[0]["Status"];
    let (own, leader) = (&status["header"]["member_id"], &status["leader"]);
    let learner = status["isLearner"].as_bool().unwrap_or_default();
    (own == leader, leader.as_u64().is_some(), learner)
}

async fn at(host: &SimulatedHost, last: u8, request: EtcdRequest) -> Result<EtcdAnswer, HostError> {
    let url = format!("https://10.99.0.{last}:2379");
    host.etcd(&EtcdCall::at(&url, request)).await
}

async fn status(host: &SimulatedHost, last: u8) -> MemberStatus {
    match at(host, last, EtcdRequest::Status).await.unwrap() {
        EtcdAnswer::Status(status) => status,
        other => panic!("{other:?}"),
    }
}

async fn members(host: &SimulatedHost, last: u8) -> MemberList {
    match at(host, last, EtcdRequest::Members).await.unwrap() {
        EtcdAnswer::Members(members) => members,
        other => panic!("{other:?}"),
    }
}

/// etcd's own words, as etcdctl passes them on.
fn refused(answer: Result<EtcdAnswer, HostError>, real: &Output) {
    let Err(HostError::Ask { reason, .. }) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!(format!("Error: {reason}"), last_line(&real.stderr));
}

fn member_of(world: &World, node: &str) -> MemberId {
    let state = world.state();
    let address = state.machines[&name(node)].address;
    let cluster = state.clusters.values().next().unwrap();
    MemberId(cluster.member_at(address).unwrap().id)
}

#[test]
fn etcd_lists_and_moves_its_leader_as_the_real_one_did() {
    let (real, world) = (real(), cluster());
    life(&world, async {
        let host = world.host(&name("cp1"));
        assert_eq!(
            shape(&members(&host, 11).await),
            listed(&real["etcd-members"])
        );
        assert_eq!(
            at(&host, 11, EtcdRequest::Health).await.is_ok(),
            real["etcd-health"].success()
        );
        assert_eq!(
            stands(&status(&host, 11).await),
            stood(&real["etcd-status-leads"])
        );
        let heir = member_of(&world, "cp2");
        let moved = at(&host, 11, EtcdRequest::MoveLeader(heir)).await;
        assert_eq!(moved.is_ok(), real["etcd-move"].success());
        assert_eq!(
            stands(&status(&host, 11).await),
            stood(&real["etcd-status-moved"])
        );
        assert_eq!(status(&host, 11).await.leader, Some(heir));
        let stranger = EtcdRequest::Remove(MemberId(0x1234));
        refused(at(&host, 11, stranger).await, &real["etcd-remove-missing"]);
    });
}

#[test]
fn a_learner_of_etcd_is_listed_and_refuses_as_the_real_one_did() {
    let (real, world) = (real(), cluster());
    {
        let mut state = world.state();
        let cluster = state.clusters.values_mut().next().unwrap();
        cluster.members.push(Member {
            id: 0x99,
            name: String::new(),
            address: [10, 99, 0, 14].into(),
            learner: true,
        });
    }
    life(&world, async {
        let host = world.host(&name("cp1"));
        // The real learner had to share an address, so it has ports of its own.
        let port = |port: &str| port.trim_start_matches('1').to_owned();
        let listed = listed(&real["etcd-members-unstarted"]).into_iter();
        let listed: Shape = listed
            .map(|(name, learner, peers, clients)| {
                (
                    name,
                    learner,
                    peers.iter().map(|one| port(one)).collect(),
                    clients,
                )
            })
            .collect();
        assert_eq!(shape(&members(&host, 11).await), listed);
        world
            .state()
            .clusters
            .values_mut()
            .next()
            .unwrap()
            .members
            .pop();
        for member in &mut world.state().clusters.values_mut().next().unwrap().members {
            member.learner = member.name == "cp3";
        }
        assert_eq!(
            stands(&status(&host, 13).await),
            stood(&real["learner-status"])
        );
        for (request, section) in [
            (EtcdRequest::Members, "learner-members"),
            (EtcdRequest::Health, "learner-health"),
            (EtcdRequest::Alarms, "learner-alarms"),
        ] {
            refused(at(&host, 13, request).await, &real[section]);
        }
    });
}

#[test]
fn etcd_elects_anew_and_without_a_quorum_does_nothing_as_the_real_one_did() {
    let (real, world) = (real(), cluster());
    life(&world, async {
        let host = world.host(&name("cp1"));
        let dead = member_of(&world, "cp2");
        at(&host, 11, EtcdRequest::MoveLeader(dead)).await.unwrap();
        world.power_off(&name("cp2"));
        assert!(at(&host, 12, EtcdRequest::Status).await.is_err());
        assert!(!real["elected-dead"].success());
        let (_, knows, learner) = stands(&status(&host, 11).await);
        let (_, knew, was) = stood(&real["elected-status"]);
        assert_eq!((knows, learner), (knew, was));
        assert_ne!(status(&host, 11).await.leader, Some(dead));
        assert_eq!(
            shape(&members(&host, 11).await),
            listed(&real["elected-members"])
        );

        world.power_off(&name("cp3"));
        assert_eq!(
            stands(&status(&host, 11).await),
            stood(&real["alone-status"])
        );
        for (request, section) in [
            (EtcdRequest::Health, "alone-health"),
            (EtcdRequest::Remove(MemberId(0x1234)), "alone-remove"),
        ] {
            assert_eq!(
                at(&host, 11, request).await.is_ok(),
                real[section].success(),
                "{section}"
            );
        }
    });
}

#[test]
fn a_snapshot_of_etcd_is_built_as_the_real_one_was_and_needs_no_quorum() {
    let (real, world) = (real(), cluster());
    life(&world, async {
        let host = world.host(&name("cp1"));
        for section in ["etcd-snapshot", "elected-snapshot", "alone-snapshot"] {
            match section {
                "elected-snapshot" => world.power_off(&name("cp2")),
                "alone-snapshot" => world.power_off(&name("cp3")),
                _ => {}
            }
            let lines = real[section].stdout.lines();
            let real: BTreeMap<&str, &str> =
                lines.map(|line| line.split_once(' ').unwrap()).collect();
            assert_eq!(real["checksum"], real["of"], "{section}");
            let path = "/var/lib/hactl/snapshots/taken".as_ref();
            let size = host.etcd_snapshot(path).await.unwrap();
            let bytes = host.read(path).await.unwrap().unwrap();
            assert_eq!(u64::try_from(bytes.len()), Ok(size));
            for size in [size, real["size"].parse().unwrap()] {
                assert_eq!((size - 32) % 512, 0, "{section}");
            }
            assert_eq!(hex::encode(&bytes[16..20]), real["magic"], "{section}");
        }
    });
}
