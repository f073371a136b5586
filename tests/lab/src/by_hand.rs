//! The cluster made with kubeadm by hand, one node after another: proof that the nodes are real, and what hactl's first
//! boot is measured against.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::by_hand_config::{self as config, Secrets};
use crate::cache::write;
use crate::cluster;
use crate::component;
use crate::disk;
use crate::lab::{ENDPOINT_ADDRESS, Lab, Node, Role};
use crate::machine;
use crate::progress::stage;

const KUBEADM_LIMIT: Duration = Duration::from_mins(10);
const READY_LIMIT: Duration = Duration::from_mins(5);

/// How long it took.
pub(crate) struct Taken {
    /// The kubeadm commands, one after another.
    pub(crate) commands: Duration,
    /// From the first command until all was Ready.
    pub(crate) until_ready: Duration,
}

/// Makes it, and says how long each command took.
pub(crate) fn make(lab: &Lab) -> Result<Taken> {
    let control_planes: Vec<&Node> = lab.of_role(Role::ControlPlane).collect();
    let first = *control_planes
        .first()
        .context("there is no control plane")?;
    for node in &lab.nodes {
        let used = disk::root(lab.place(), &node.name)
            .join("etc/kubernetes/kubelet.conf")
            .exists();
        ensure!(
            !used,
            "{} is in a cluster already: start with `up --bare`",
            node.name
        );
    }
    stage("preparing the nodes by hand", |stage| {
        for node in &lab.nodes {
            stage.detail(node.name.clone());
            prepare(lab, node)?;
        }
        Ok(())
    })?;
    stage("putting up HAProxy and keepalived by hand", |stage| {
        for node in &control_planes {
            endpoint(lab, node, &control_planes)?;
        }
        stage.wait(
            "a node to have the endpoint's address",
            Duration::from_secs(30),
            || {
                let has = |node: &&&Node| {
                    on(
                        lab,
                        node,
                        &["ip", "-brief", "address", "show", "dev", "eth0"],
                    )
                    .is_ok_and(|shown| shown.contains(&format!(" {ENDPOINT_ADDRESS}/")))
                };
                control_planes
                    .iter()
                    .find(has)
                    .map(|_| ())
                    .context("no node has it")
            },
        )
    })?;
    let secrets = Secrets::new()?;
    let start = Instant::now();
    let mut took = Vec::new();
    let mut timed = |what: String, node: &Node, document: &str, arguments: &[&str]| {
        let begin = Instant::now();
        stage(&what, |_| kubeadm(lab, node, document, arguments))?;
        took.push((what, begin.elapsed()));
        anyhow::Ok(())
    };
    timed(
        format!("kubeadm init on {}", first.name),
        first,
        &config::init(lab, first, &secrets),
        &["init", "--upload-certs"],
    )?;
    for node in &control_planes[1..] {
        timed(
            format!("kubeadm join of {}", node.name),
            node,
            &config::join(lab, node, &secrets),
            &["join"],
        )?;
    }
    for node in lab.of_role(Role::Worker) {
        timed(
            format!("kubeadm join of {}", node.name),
            node,
            &config::join(lab, node, &secrets),
            &["join"],
        )?;
    }
    let commands = start.elapsed();
    cluster::wait_ready(lab, READY_LIMIT)?;
    for (what, time) in &took {
        println!("{what}: {:.1} s", time.as_secs_f64());
    }
    Ok(Taken {
        commands,
        until_ready: start.elapsed(),
    })
}

impl Taken {
    /// Says it.
    pub(crate) fn print(&self) {
        let Self {
            commands,
            until_ready,
        } = self;
        println!(
            "by hand, the commands alone: {:.1} s",
            commands.as_secs_f64()
        );
        println!(
            "by hand, from the first command to all Ready: {:.1} s",
            until_ready.as_secs_f64()
        );
    }
}

/// What hactl's agent enforces, done as a careful administrator would.
fn prepare(lab: &Lab, node: &Node) -> Result<()> {
    let root = disk::root(lab.place(), &node.name);
    write(
        &root.join("etc/sysctl.d/90-by-hand.conf"),
        "net.ipv4.ip_forward = 1\n",
    )?;
    on(
        lab,
        node,
        &["sysctl", "-q", "-p", "/etc/sysctl.d/90-by-hand.conf"],
    )?;
    let images = on(lab, node, &["ctr", "-n", "k8s.io", "images", "ls", "-q"])?;
    let pause = images
        .lines()
        .find(|name| name.contains("/pause:"))
        .context("no pause image was imported")?;
    let file = root.join("etc/containerd/config.toml");
    let before = std::fs::read_to_string(&file)?;
    write(&file, config::containerd(&before, pause)?)?;
    on(lab, node, &["systemctl", "restart", "containerd"])?;
    Ok(())
}

fn endpoint(lab: &Lab, node: &Node, control_planes: &[&Node]) -> Result<()> {
    let root = disk::root(lab.place(), &node.name);
    write(
        &root.join("etc/haproxy/haproxy.cfg"),
        config::haproxy(control_planes),
    )?;
    write(
        &root.join("etc/keepalived/keepalived.conf"),
        config::keepalived(node, control_planes),
    )?;
    on(lab, node, &["systemctl", "restart", "haproxy"])?;
    on(lab, node, &["systemctl", "restart", "keepalived"])?;
    Ok(())
}

fn kubeadm(lab: &Lab, node: &Node, document: &str, arguments: &[&str]) -> Result<()> {
    write(
        &disk::root(lab.place(), &node.name).join("root/kubeadm.yaml"),
        document,
    )?;
    let mut argv = vec!["kubeadm"];
    argv.extend(arguments);
    argv.extend(["--config", "/root/kubeadm.yaml"]);
    let ignored = component::ignored_preflight_errors(lab.version).join(",");
    let ignore = format!("--ignore-preflight-errors={ignored}");
    argv.push(&ignore);
    machine::inside(lab.place(), &node.name, &argv)?
        .limit(KUBEADM_LIMIT)
        .run()?;
    Ok(())
}

fn on(lab: &Lab, node: &Node, argv: &[&str]) -> Result<String> {
    machine::inside(lab.place(), &node.name, argv)?
        .run()
        .with_context(|| format!("on {}", node.name))
}
