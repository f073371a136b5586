//! First boots of real nodes with real kubeadm, and what may go wrong in them: what CI runs of the lab.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;

use crate::agent;
use crate::cache::remove;
use crate::cluster;
use crate::disk;
use crate::lab::{ENDPOINT_ADDRESS, Lab, Node, Role};
use crate::machine;
use crate::power;
use crate::progress::{Stage, say, stage};
use crate::view;

/// A member that is gone must be known to be gone.
const DOWN_LIMIT: Duration = Duration::from_secs(30);
/// How long the API may be away from the endpoint after its holder lost power.
const ENDPOINT_LIMIT: Duration = Duration::from_mins(1);
/// A secret of a join must be gone this long after all nodes are Ready.
const REMOVED_LIMIT: Duration = Duration::from_mins(1);
const READY_LIMIT: Duration = Duration::from_mins(5);
/// A join anew may need a second try: a kubelet that has just started was seen to reject etcd's pod for good (v1.20.2,
/// `error finding a set of pods to preempt`), and kubeadm waits for it until its own limit.
const REJOIN_LIMIT: Duration = Duration::from_mins(15);
/// Drift must show within half a minute, and is mended then.
const DRIFT_LIMIT: Duration = Duration::from_mins(1);
/// The guard runs before the kubelet does.
const GUARD_LIMIT: Duration = Duration::from_mins(1);
/// How often every agent is killed during a first boot, and how long it is let live between.
const KILLS: u32 = 8;
const BETWEEN_KILLS: Duration = Duration::from_secs(7);
/// How long a client knocks while the holder of the endpoint loses power.
const CLIENT_SECONDS: u64 = 20;

/// The cases so far; how many passed is said when it goes.
#[derive(Default)]
pub(crate) struct Cases {
    /// Of the cases that need no other one before, only those with some of these words in their names; empty: all.
    pub(crate) only: Vec<String>,
    passed: u32,
    failed: u32,
    skipped: u32,
}

impl Cases {
    /// Runs a case by its name.
    pub(crate) fn case<T>(&mut self, name: &str, run: impl FnOnce() -> Result<T>) -> Result<T> {
        let result = run();
        let (count, word) = match &result {
            Ok(_) => (&mut self.passed, "ok"),
            Err(_) => (&mut self.failed, "FAILED"),
        };
        *count += 1;
        println!("lab: {name} ... {word}");
        result.with_context(|| name.to_owned())
    }

    /// Runs a case that needs no other one before, where it was picked.
    pub(crate) fn picked(&mut self, name: &str, run: impl FnOnce() -> Result<()>) -> Result<()> {
        if self.only.is_empty() || self.only.iter().any(|words| name.contains(words)) {
            self.case(name, run)
        } else {
            Ok(())
        }
    }

    /// Says that a case is not run, and why.
    pub(crate) fn skipped(&mut self, name: &str, why: &str) {
        self.skipped += 1;
        println!("lab: {name} ... skipped: {why}");
    }
}

impl Drop for Cases {
    fn drop(&mut self) {
        let Self {
            passed,
            failed,
            skipped,
            ..
        } = self;
        println!("lab: {passed} passed, {failed} failed, {skipped} skipped");
    }
}

/// A cluster that has just booted itself: one certificate authority, and soon nothing left over from the joins.
pub(crate) fn whole(lab: &Lab) -> Result<()> {
    stage("looking at what the first boot left", |stage| {
        let authorities: Vec<String> = lab
            .of_role(Role::ControlPlane)
            .map(|node| on(lab, node, &["sha256sum", "/etc/kubernetes/pki/ca.crt"]))
            .collect::<Result<_>>()?;
        ensure!(
            authorities.windows(2).all(|pair| pair[0] == pair[1]),
            "the control planes have different certificate authorities: {authorities:?}"
        );
        // A node is Ready before its join has come to its end.
        stage.wait("the joins' secrets to be removed", REMOVED_LIMIT, || {
            no_join_secrets(lab)
        })
    })
}

fn no_join_secrets(lab: &Lab) -> Result<()> {
    let secrets = cluster::kubectl(lab, &["get", "secrets", "-n", "kube-system", "-o", "json"])?;
    let secrets: Value = serde_json::from_str(&secrets)?;
    for secret in secrets["items"].as_array().into_iter().flatten() {
        let name = secret["metadata"]["name"].as_str().unwrap_or_default();
        let token = secret["type"] == "bootstrap.kubernetes.io/token";
        ensure!(!token && name != "kubeadm-certs", "{name} is there");
    }
    Ok(())
}

/// The endpoint's holder loses power under a client, is missed by all, and comes back.
pub(crate) fn power_loss(lab: &Lab, on_again: impl Fn(&str) -> Result<()>) -> Result<()> {
    let victim = holder(lab)?.name.clone();
    let client = start_client()?;
    thread::sleep(Duration::from_secs(3));
    power::off(lab, &victim)?;
    stage(
        &format!("waiting until every agent misses {victim}"),
        |stage| view::wait_for(lab, stage, &victim, "down", DOWN_LIMIT),
    )?;
    stage(
        "waiting until the API answers through the endpoint",
        |stage| {
            stage.wait("the endpoint", ENDPOINT_LIMIT, || {
                cluster::kubectl(lab, &["get", "nodes"]).map(|_| ())
            })
        },
    )?;
    let seen = client
        .wait_with_output()
        .context("failed to wait for the client")?;
    say(&format!(
        "the client: {}",
        String::from_utf8_lossy(&seen.stdout).trim()
    ));
    on_again(&victim)?;
    cluster::wait_ready(lab, READY_LIMIT)?;
    stage(
        &format!("waiting until every agent sees {victim} again"),
        |stage| view::wait_for(lab, stage, &victim, "alive", DOWN_LIMIT),
    )
}

/// A setting that Kubernetes needs is taken back behind the agent's back: it sees that, and puts it right.
pub(crate) fn drift(lab: &Lab) -> Result<()> {
    let node = lab.nodes.last().context("a lab without nodes")?;
    on(lab, node, &["sysctl", "-q", "-w", "net.ipv4.ip_forward=0"])?;
    stage(
        &format!("waiting until {} forwards packets again", node.name),
        |stage| {
            stage.wait("its agent to mend the drift", DRIFT_LIMIT, || {
                let value = on(lab, node, &["sysctl", "-n", "net.ipv4.ip_forward"])?;
                ensure!(
                    value.trim() == "1",
                    "net.ipv4.ip_forward is {}",
                    value.trim()
                );
                Ok(())
            })
        },
    )
}

/// A control plane loses what etcd had written: no empty etcd may start on it. With a fresh disk it joins again.
pub(crate) fn lost_data(
    lab: &Lab,
    on_again: impl Fn(&str) -> Result<()>,
    wipe: impl Fn(&str) -> Result<()>,
) -> Result<()> {
    let holder = holder(lab)?.name.clone();
    let mut others = lab
        .of_role(Role::ControlPlane)
        .filter(|node| node.name != holder);
    let victim = others.next().context("a lab with one control plane")?;
    let members = members_of_etcd(lab)?;
    power::off(lab, &victim.name)?;
    remove(
        &disk::folder(lab.place(), &victim.name)
            .join("etcd")
            .join("member"),
    )?;
    on_again(&victim.name)?;
    stage(
        &format!(
            "waiting until etcd's manifest is held back on {}",
            victim.name
        ),
        |stage| {
            stage.wait("the guard", GUARD_LIMIT, || {
                let held =
                    disk::root(lab.place(), &victim.name).join("var/lib/hactl/held/etcd.yaml");
                ensure!(held.exists(), "there is no {}", held.display());
                Ok(())
            })
        },
    )?;
    ensure!(
        !disk::folder(lab.place(), &victim.name)
            .join("etcd")
            .join("member")
            .exists(),
        "an etcd has started on {}, whose data was lost",
        victim.name
    );
    ensure!(
        members_of_etcd(lab)? == members,
        "etcd's members have changed"
    );
    wipe(&victim.name)?;
    cluster::wait_ready(lab, REJOIN_LIMIT)?;
    let after = members_of_etcd(lab)?;
    ensure!(
        after.len() == members.len() && after != members,
        "{} did not join as a new member: {members:?}, then {after:?}",
        victim.name
    );
    Ok(())
}

/// The ids of etcd's members, as the first control plane that is on tells them.
fn members_of_etcd(lab: &Lab) -> Result<Vec<String>> {
    let pod = format!("etcd-{}", holder(lab)?.name);
    let certificates = "/etc/kubernetes/pki/etcd";
    let listed = cluster::kubectl(
        lab,
        &[
            "exec",
            "-n",
            "kube-system",
            &pod,
            "--",
            "etcdctl",
            "--endpoints=https://127.0.0.1:2379",
            &format!("--cacert={certificates}/ca.crt"),
            &format!("--cert={certificates}/peer.crt"),
            &format!("--key={certificates}/peer.key"),
            "member",
            "list",
        ],
    )?;
    let mut ids: Vec<String> = listed
        .lines()
        .filter_map(|line| line.split(',').next())
        .map(str::to_owned)
        .collect();
    ids.sort();
    Ok(ids)
}

/// Kills every agent again and again while they make the cluster; one time its package is installed over itself instead.
pub(crate) fn kill_agents(lab: &Lab) -> Result<()> {
    stage(
        &format!("killing every agent {KILLS} times"),
        |stage: &Stage| {
            let start = Instant::now();
            for round in 1..=KILLS {
                thread::sleep((BETWEEN_KILLS * round).saturating_sub(start.elapsed()));
                for node in &lab.nodes {
                    stage.detail(format!("round {round}, {}", node.name));
                    if round == KILLS / 2 {
                        agent::install_again(lab, node)?;
                        continue;
                    }
                    let kill = [
                        "systemctl",
                        "kill",
                        "--kill-whom=main",
                        "--signal=KILL",
                        "hactl-agent",
                    ];
                    // One that is just being started again has no process to kill.
                    machine::inside(lab.place(), &node.name, &kill)?.outcome()?;
                }
            }
            Ok(())
        },
    )
}

/// The control plane that has the endpoint's address.
pub(crate) fn holder(lab: &Lab) -> Result<&Node> {
    for node in lab.of_role(Role::ControlPlane) {
        let shown = on(lab, node, &["ip", "-brief", "address"])?;
        if shown.contains(&format!(" {ENDPOINT_ADDRESS}/")) {
            return Ok(node);
        }
    }
    bail!("no control plane has the endpoint's address {ENDPOINT_ADDRESS}")
}

/// Starts a client that knocks at the endpoint from another process.
pub(crate) fn start_client() -> Result<std::process::Child> {
    Command::new(std::env::current_exe()?)
        .args(["client", "--json", "--seconds", &CLIENT_SECONDS.to_string()])
        .stdout(Stdio::piped())
        .spawn()
        .context("failed to start the client")
}

fn on(lab: &Lab, node: &Node, argv: &[&str]) -> Result<String> {
    let run = machine::inside(lab.place(), &node.name, argv)?.run();
    run.with_context(|| format!("on {}", node.name))
}
