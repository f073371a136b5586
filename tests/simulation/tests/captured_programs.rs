//! apt, dpkg, ctr, HAProxy and etcd of the model held against what the real ones said (`captured/`): the same questions, read by
//! the agent's own parsers. The model has another version than the captured one, so what is compared is what a version is to it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test: one transcript, told in one piece"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use hactl_agent::host::{Host, HostError, Question};
use hactl_agent::inspect::rollout::ADMIN_SOCKET;
use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::endpoint::haproxy::{released, set_server};
use hactl_node_plan::etcd::{
    EtcdAnswer, EtcdCall, EtcdRequest, MemberId, MemberList, MemberStatus,
};
use hactl_node_plan::kubeadm::output::last_line;
use hactl_node_plan::rollout::packages::{Repositories, exactly};
use hactl_node_plan::rollout::{agent_package, images, packages};
use hactl_node_plan::step::machine::PackageTool;
use hactl_proto::rollout::agent::PackageFormat;
use hactl_proto::version::KubernetesVersion;
use hactl_simulation::{Member, SimulatedHost, World};
use serde_json::Value;
use support::captured::{captured, pair};
use support::fleet::{TARGET, cluster};
use support::*;

const APT: PackageTool = PackageTool::Apt;

fn real() -> BTreeMap<String, Output> {
    captured(include_str!("../captured/v1.20.2-cluster"))
}

fn exact(names: &[&str], version: &KubernetesVersion) -> Vec<String> {
    names
        .iter()
        .map(|name| format!("{name}={version}-1.1").replace("=v", "="))
        .collect()
}

#[test]
fn apt_says_what_the_real_one_said() {
    let (real, world) = (real(), cluster());
    life(&world, async {
        let host = world.host(&name("cp1"));
        let ask = |name: &'static str, command: Command| pair(&host, &real, name, command);
        // The next patch version is offered beside the one that is installed.
        let offers = ask("apt-madison", packages::offers(APT, Repositories::AsKnown)).await;
        offers.read_the_same(|output| {
            let complete = packages::complete(&packages::parse_offers(&output.stdout));
            let patches = complete.into_iter().map(|version| version.patch);
            patches.collect::<BTreeSet<_>>()
        });
        let offered = packages::parse_offers(&offers.model.stdout);
        let wanted = exactly(APT, &offered, &["kubeadm"], &TARGET).unwrap();
        let uris = ask("apt-uris", packages::uris(&wanted[0])).await;
        uris.read_the_same(|output| {
            let file = packages::local_file(&output.stdout).unwrap();
            file.rsplit('/').next().unwrap().starts_with("kubeadm_")
        });
        let both = exact(&["kubeadm", "kubelet"], &TARGET);
        ask("apt-fetch", packages::fetch(APT, &both)).await;
        let nobodys = exact(&["kubectl"], &KubernetesVersion::new(9, 9, 9));
        for (name, command) in [
            ("apt-fetch-missing", packages::fetch(APT, &nobodys)),
            ("apt-install-missing", packages::install(APT, &nobodys)),
        ] {
            let missing = ask(name, command).await;
            missing.read_the_same(|output| {
                let words = last_line(&output.stderr);
                words.starts_with("E: Version '9.9.9-") && words.ends_with("was not found")
            });
        }
        let kubectl = || world.state().machines[&name("cp1")].kubectl.clone();
        let target = exact(&["kubectl"], &TARGET);
        ask("apt-install", packages::install(APT, &target)).await;
        assert_eq!(kubectl(), TARGET.to_string());
        assert!(real["kubectl-version"].stdout.contains("v1.20.3"));
        let before = exact(&["kubectl"], &KubernetesVersion::new(1, 36, 2));
        ask("apt-install-back", packages::install(APT, &before)).await;
        assert_eq!(kubectl(), "v1.36.2");
        ask("apt-hold", packages::hold(APT, &["kubeadm", "kubelet"])).await;
        ask(
            "apt-unhold",
            packages::release(APT, &["kubeadm", "kubelet"]),
        )
        .await;
    });
}

#[test]
fn dpkg_and_a_kubeadm_that_is_not_installed_say_what_the_real_ones_said() {
    let (real, world) = (real(), cluster());
    life(&world, async {
        let host = world.host(&name("cp1"));
        let ask = |name: &'static str, command: Command| pair(&host, &real, name, command);
        let deb = PackageFormat::Deb;
        ask("dpkg-query", agent_package::installed(deb))
            .await
            .read_the_same(|output| agent_package::parse_installed(deb, output));
        let file = "/run/hactl/hactl-agent.deb";
        host.replace(file.as_ref(), b"hactl-agent 0.2.0\n", 0o600)
            .await
            .unwrap();
        ask("dpkg-deb-show", agent_package::holds(deb, file))
            .await
            .read_the_same(|output| agent_package::parse_holds(output).is_some());
        ask(
            "dpkg-deb-show-other",
            agent_package::holds(deb, "/etc/hostname"),
        )
        .await;
        let kubeadm = "/srv/kubeadm_1.36.3-1.1_amd64.deb";
        ask(
            "dpkg-deb-unpack",
            packages::unpack(APT, kubeadm, "/run/hactl/staged"),
        )
        .await;
        ask(
            "dpkg-deb-unpack-nowhere",
            packages::unpack(APT, kubeadm, "/nowhere/at/all"),
        )
        .await;
        let staged = images::list("/run/hactl/staged/usr/bin/kubeadm", &TARGET, None);
        ask("staged-images", staged)
            .await
            .read_the_same(|output| components(&images::parse_list(&output.stdout)));
    });
}

/// Components of images with whether their tag is Kubernetes' own.
fn components(names: &[String]) -> BTreeSet<(String, bool)> {
    let parts = names.iter().map(|image| images::component_and_tag(image));
    parts
        .map(|(component, tag)| {
            let own = ["v1.20.2", "v1.20.3", "v1.36.2", "v1.36.3"].contains(&tag.as_str());
            (component, own)
        })
        .collect()
}

#[test]
fn ctr_says_what_the_real_one_said() {
    let (real, world) = (real(), cluster());
    life(&world, async {
        let host = world.host(&name("cp1"));
        let ask = |name: &'static str, command: Command| pair(&host, &real, name, command);
        let present = ask("ctr-images", images::present()).await;
        present.read_the_same(|output| {
            let listed: Vec<String> = output.stdout.lines().map(str::to_owned).collect();
            let mut found = components(&listed);
            found.retain(|(component, own)| *own && component.starts_with("kube-"));
            found
        });
        let digests = ask("ctr-digests", images::digests()).await;
        let containers = ask("ctr-containers", images::containers()).await;
        let tasks = ask("ctr-tasks", images::tasks()).await;
        for component in images::VERSIONED {
            let tags = |containers: &Output, tasks: &Output, digests: &Output| {
                let running = images::running(&containers.stdout, &tasks.stdout, &digests.stdout);
                running[component].len()
            };
            assert_eq!(
                tags(&containers.model, &tasks.model, &digests.model),
                tags(&containers.real, &tasks.real, &digests.real),
                "{component}"
            );
        }
        let missing = ask("ctr-kill-missing", images::end("nothing", "SIGTERM")).await;
        missing.read_the_same(|output| last_line(&output.stderr));

        // Who was ended runs no more; the next one of the same component is another container.
        let ids = |containers: &Output, tasks: &Output| {
            images::running_of("kube-scheduler", &containers.stdout, &tasks.stdout, "")
        };
        let (model, captured) = (
            ids(&containers.model, &tasks.model),
            ids(&containers.real, &tasks.real),
        );
        assert_eq!((model.len(), captured.len()), (1, 1));
        let ended = model.first().unwrap();
        ask("ctr-kill", images::end(ended, "SIGTERM")).await;
        let containers = ask("ctr-containers-after", images::containers()).await;
        let tasks = ask("ctr-tasks-after", images::tasks()).await;
        assert!(ids(&containers.model, &tasks.model).is_disjoint(&model));
        assert!(ids(&containers.real, &tasks.real).is_disjoint(&captured));
        let again = host.run(&images::end(ended, "SIGTERM")).await.unwrap();
        assert!(!again.success(), "{again:?}");
    });
}

#[test]
fn haproxy_says_what_the_real_one_said() {
    let (real, world) = (real(), cluster());
    let cp2 = name("cp2");
    {
        let mut state = world.state();
        let machine = state.machines.get_mut(&name("cp1")).unwrap();
        machine.services.get_mut("haproxy").unwrap().active = true;
    }
    life(&world, async {
        let host = world.host(&name("cp1"));
        let states = "show servers state api-servers";
        let gone = BTreeSet::from([cp2.clone()]);
        for (section, line, wanted) in [
            ("haproxy-states", states.to_owned(), Some(BTreeSet::new())),
            ("haproxy-drain", set_server(&cp2, true), None),
            ("haproxy-states-drained", states.to_owned(), Some(gone)),
            ("haproxy-ready", set_server(&cp2, false), None),
            (
                "haproxy-states-ready",
                states.to_owned(),
                Some(BTreeSet::new()),
            ),
            (
                "haproxy-no-server",
                set_server(&name("nowhere"), true),
                None,
            ),
            (
                "haproxy-no-state",
                "set server api-servers/cp2 state sideways".to_owned(),
                None,
            ),
            (
                "haproxy-no-backend",
                "show servers state nothing".to_owned(),
                None,
            ),
        ] {
            let path = ADMIN_SOCKET.to_owned();
            let question = Question::Converse { path, line };
            let answer = host.ask(&question).await.unwrap();
            let model = String::from_utf8(answer.body).unwrap();
            let captured = &real[section].stdout;
            match wanted {
                Some(wanted) => {
                    assert_eq!(released(captured), wanted, "{section}");
                    assert_eq!(released(&model), wanted, "{section}");
                    assert_eq!(model.lines().next(), captured.lines().next(), "{section}");
                }
                None => assert_eq!(model.trim(), captured.trim(), "{section}"),
            }
        }
    });
}

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
