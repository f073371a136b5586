//! Certificates of real nodes with real kubeadm: read, renewed under a client, an agent killed in the middle of it, renewed in time by the
//! agents alone, and all of them ended.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use serde_json::Value;

use crate::clock::Ahead;
use crate::cluster;
use crate::lab::{Lab, Role};
use crate::machine;
use crate::operator;
use crate::power;
use crate::progress::{say, stage};
use crate::rollout::Rollout;
use crate::short_lived;
use crate::writer::Writer;

const ASK_LIMIT: Duration = Duration::from_mins(1);
/// Three control planes, each with four pods that begin anew.
const RENEW_LIMIT: Duration = Duration::from_mins(30);
const READY_LIMIT: Duration = Duration::from_mins(5);
/// For certificates that are to end while the nodes are off.
const SHORTEST_LIFE: Duration = Duration::from_mins(1);
/// More than a lease holds, and than what is signed is backdated by some.
const AHEAD: Duration = Duration::from_mins(10);
/// What is signed for less than that is none of kubeadm's.
const LONG: Duration = Duration::from_hours(24);
/// What `kubeadm certs renew` renews on every control plane.
const RENEWED: [&str; 10] = [
    "apiserver",
    "apiserver-kubelet-client",
    "front-proxy-client",
    "apiserver-etcd-client",
    "etcd-server",
    "etcd-peer",
    "etcd-healthcheck-client",
    "admin.conf",
    "controller-manager.conf",
    "scheduler.conf",
];

/// What `certs -o json` says of one node.
fn inventory(lab: &Lab, node: &str) -> Result<Value> {
    let said = operator::controller(lab, &["certs", node, "-o", "json"])
        .limit(ASK_LIMIT)
        .outcome()?;
    let told: Value = serde_json::from_str(&said.stdout)
        .with_context(|| format!("certs {node} ended with {:?}: {}", said.code, said.stderr))?;
    let seen = &told["nodes"][0]["seen"];
    let of = if seen["said"].is_object() {
        &seen["said"]
    } else {
        seen
    };
    Ok(of.clone())
}

/// Serial numbers by name.
pub(crate) fn serials(lab: &Lab, node: &str) -> Result<BTreeMap<String, String>> {
    let seen = inventory(lab, node)?;
    let certificates = seen["certificates"].as_array();
    let certificates = certificates.with_context(|| format!("no certificates in {seen}"))?;
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(certificates
        .iter()
        .map(|one| (text(&one["name"]), text(&one["serial"])))
        .collect())
}

/// The table of all, and [`whole`].
pub(crate) fn shown(lab: &Lab) -> Result<()> {
    println!("{}", operator::controller(lab, &["certs"]).run()?);
    whole(lab)
}

/// Every node's certificates are whole, signed by its CAs, and served.
pub(crate) fn whole(lab: &Lab) -> Result<()> {
    for node in &lab.nodes {
        let seen = inventory(lab, &node.name)?;
        let findings = seen["findings"].as_array().cloned().unwrap_or_default();
        let errors: Vec<&Value> = findings
            .iter()
            .filter(|finding| finding["severity"] == "refusal")
            .collect();
        ensure!(errors.is_empty(), "{}: {errors:?}", node.name);
        let served = seen["served"].as_array().cloned().unwrap_or_default();
        let wanted = if node.role == Role::ControlPlane {
            7
        } else {
            2
        };
        ensure!(
            served.len() == wanted && served.iter().all(|one| one["same"] == true),
            "{} serves {served:?}",
            node.name
        );
    }
    Ok(())
}

/// Kubelets asked the cluster for serving certificates, agents approved, and the kubelets serve them.
pub(crate) fn kubelets_serve(lab: &Lab) -> Result<()> {
    stage(
        "waiting until every kubelet serves what the cluster signed",
        |stage| {
            stage.wait_every(Duration::from_secs(3), "the kubelets", READY_LIMIT, || {
                for node in &lab.nodes {
                    let seen = inventory(lab, &node.name)?;
                    let of = |list: &str, field: &str, value: &str| {
                        let list = seen[list].as_array().cloned().unwrap_or_default();
                        list.into_iter().find(|one| one[field] == value)
                    };
                    let signed = of("certificates", "name", "kubelet-server").unwrap_or_default();
                    let served = of("served", "by", "kubelet").unwrap_or_default();
                    ensure!(
                        signed["signedBy"] == "ca"
                            && served["certificate"] == "kubelet-server"
                            && served["same"] == true,
                        "{}: {signed}, {served}",
                        node.name
                    );
                }
                Ok(())
            })
        },
    )
}

/// All control planes renew while a client reads and writes.
pub(crate) fn renewed(lab: &Lab) -> Result<()> {
    let control_planes: Vec<&str> = lab
        .of_role(Role::ControlPlane)
        .map(|node| node.name.as_str())
        .collect();
    let mut before = BTreeMap::new();
    for node in &control_planes {
        before.insert(*node, serials(lab, node)?);
    }
    let client = Writer::start(lab, &operator::controller(lab, &["kubeconfig"]).run()?)?;
    let said = operator::controller(lab, &["certs", "renew"])
        .limit(RENEW_LIMIT)
        .outcome()?;
    println!(
        "$ hactl-controller certs renew\n{}{}",
        said.stderr, said.stdout
    );
    let (seen, words) = client.end()?;
    say(&format!("the client: {words}"));
    ensure!(said.code == Some(0), "it ended with {:?}", said.code);
    for node in &control_planes {
        all_new(&before[node], &serials(lab, node)?).with_context(|| format!("on {node}"))?;
    }
    whole(lab)?;
    cluster::wait_ready(lab, READY_LIMIT)?;
    ensure!(seen["failed"] == 0, "{} requests failed", seen["failed"]);
    Ok(())
}

pub(crate) fn all_new(
    before: &BTreeMap<String, String>,
    after: &BTreeMap<String, String>,
) -> Result<()> {
    for name in RENEWED {
        let (old, new) = (before.get(name), after.get(name));
        ensure!(new.is_some() && old != new, "{name}: {old:?}, then {new:?}");
    }
    Ok(())
}

/// The agent of a control plane is killed when its API server is about to begin anew.
pub(crate) fn agent_killed(lab: &Lab) -> Result<()> {
    let victim = "cp2";
    let before = serials(lab, victim)?;
    let mut renewal = Rollout::start(lab, &["certs", "renew", "--node", victim])?;
    renewal.wait_for("cp2: restart-api-server")?;
    say("killing cp2's agent in the middle of a renewal");
    let kill = [
        "systemctl",
        "kill",
        "--kill-whom=main",
        "--signal=KILL",
        "hactl-agent",
    ];
    machine::inside(lab.place(), victim, &kill)?.run()?;
    renewal.kill()?;
    stage("waiting until the renewal has ended", |stage| {
        stage.wait("new certificates served", RENEW_LIMIT, || {
            all_new(&before, &serials(lab, victim)?)?;
            let progress = ["cat", "/var/lib/hactl/certificates/renewal.json"];
            let progress = machine::inside(lab.place(), victim, &progress)?.run()?;
            ensure!(progress.contains("\"finished\": true"), "{progress}");
            whole(lab)
        })
    })?;
    cluster::wait_ready(lab, READY_LIMIT)
}

/// To a clock that is ten minutes ahead every lease that another renews has long run out. Its control plane still waits for its turn, and its
/// own turn goes as any other.
pub(crate) fn clock_ahead(lab: &Lab) -> Result<()> {
    let (right, ahead) = ("cp1", "cp2");
    let before = [right, ahead].map(|node| serials(lab, node));
    let clock = Ahead::start(lab, ahead, AHEAD)?;
    stage("waiting until its agent tells another time", |stage| {
        stage.wait("it", READY_LIMIT, || {
            let seen = inventory(lab, ahead)?;
            let at: Timestamp = seen["at"].as_str().unwrap_or_default().parse()?;
            let wanted = Timestamp::now() + AHEAD - ASK_LIMIT;
            ensure!(at > wanted, "{ahead} says that it is {at}");
            say(&format!("{ahead} says that it is {at}"));
            Ok(())
        })
    })?;
    whole(lab)?;
    let mut first = Rollout::start(lab, &["certs", "renew", "--node", right])?;
    first.wait_for("cp1: kubeadm-certs-renew")?;
    let mut second = Rollout::start(lab, &["certs", "renew", "--node", ahead])?;
    second.wait_for("renewal-cp1 holds it")?;
    // In this order: what the second has said while the first goes on.
    for said in std::iter::repeat_with(|| second.said()) {
        if first.ended()? {
            break;
        }
        ensure!(!said.contains("cp2: keep-"), "two turns at once:\n{said}");
        thread::sleep(Duration::from_millis(300));
    }
    first.end()?;
    second.end()?;
    for (node, before) in [right, ahead].into_iter().zip(before) {
        all_new(&before?, &serials(lab, node)?).with_context(|| format!("on {node}"))?;
    }
    whole(lab)?;
    clock.end()?;
    stage("waiting until all is as before", |stage| {
        stage.wait("it", READY_LIMIT, || whole(lab))
    })?;
    cluster::wait_ready(lab, READY_LIMIT)
}

/// When each certificate of a node ends, by name.
fn ends(lab: &Lab, node: &str) -> Result<BTreeMap<String, Timestamp>> {
    let seen = inventory(lab, node)?;
    let certificates = seen["certificates"].as_array();
    certificates
        .with_context(|| format!("no certificates in {seen}"))?
        .iter()
        .map(|one| {
            let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
            Ok((text("name"), text("notAfter").parse()?))
        })
        .collect()
}

/// Certificates of so short a life: nobody orders anything, and a client notices nothing.
pub(crate) fn renewed_in_time(lab: &Lab, life: Duration) -> Result<()> {
    let kubeconfig = operator::controller(lab, &["kubeconfig"]).run()?;
    short_lived::control_planes(lab, life)?;
    let start = Instant::now();
    // As users' clients do: etcd's leader moves off each control plane whose turn it is, and refuses what is under way then.
    let client = Writer::start_patient(lab, &kubeconfig)?;
    stage("waiting until the agents renew", |stage| {
        let every = Duration::from_secs(5);
        stage.wait_every(every, "certificates of a year", life, || {
            for node in lab.of_role(Role::ControlPlane) {
                let (ends, soon) = (ends(lab, &node.name)?, Timestamp::now() + LONG);
                for name in RENEWED {
                    let end = ends.get(name).context("it is not there");
                    ensure!(*end? > soon, "{name} of {} ends soon", node.name);
                }
            }
            Ok(())
        })
    })?;
    let took = start.elapsed();
    stage("waiting until every port serves them", |stage| {
        stage.wait_every(Duration::from_secs(5), "it", READY_LIMIT, || whole(lab))
    })?;
    let (seen, words) = client.end()?;
    say(&format!(
        "of a life of {} s they were renewed after {} s; the client: {words}",
        life.as_secs(),
        took.as_secs()
    ));
    ensure!(seen["failed"] == 0, "{} requests failed", seen["failed"]);
    Ok(())
}

/// Everything that kubeadm and Kubernetes sign ends while the nodes are off: neither kubelets nor API servers come up again by themselves.
pub(crate) fn all_ended(lab: &Lab, on_again: impl Fn(&[String]) -> Result<()>) -> Result<()> {
    short_lived::all(lab, SHORTEST_LIFE, true)?;
    let start = Instant::now();
    let names: Vec<String> = lab.nodes.iter().map(|node| node.name.clone()).collect();
    for name in &names {
        power::off(lab, name)?;
    }
    thread::sleep((SHORTEST_LIFE + Duration::from_secs(2)).saturating_sub(start.elapsed()));
    on_again(&names)?;
    stage(
        "waiting until every agent tells that all have ended",
        |stage| {
            stage.wait("the agents", READY_LIMIT, || {
                for node in lab.of_role(Role::ControlPlane) {
                    let ends = ends(lab, &node.name)?;
                    for name in RENEWED {
                        let end = ends.get(name).context("it is not there");
                        ensure!(*end? < Timestamp::now(), "{name} has not ended");
                    }
                }
                Ok(())
            })
        },
    )?;
    // Each agent looks after its kubelet within a minute; the pods then try, and can't.
    thread::sleep(Duration::from_secs(90));
    ensure!(
        cluster::kubectl(lab, &["get", "nodes"]).is_err(),
        "the API answers"
    );
    let start = Instant::now();
    let said = operator::controller(lab, &["certs", "renew", "--all"])
        .limit(RENEW_LIMIT)
        .outcome()?;
    println!(
        "$ hactl-controller certs renew --all\n{}{}",
        said.stderr, said.stdout
    );
    ensure!(said.code == Some(0), "it ended with {:?}", said.code);
    say(&format!("it took {} s", start.elapsed().as_secs()));
    cluster::wait_ready(lab, READY_LIMIT)?;
    say(&format!(
        "every node is Ready after {} s",
        start.elapsed().as_secs()
    ));
    whole(lab)?;
    for node in &lab.nodes {
        let end = ends(lab, &node.name)?.get("kubelet-client").copied();
        ensure!(
            end.is_some_and(|end| end > Timestamp::now() + LONG),
            "the kubelet of {} has a certificate until {end:?}",
            node.name
        );
    }
    Ok(())
}
