//! CAs of real nodes with real kubeadm, replaced by fresh ones under a client, and a rotation that is cut off and turned back.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::check_certificates::{all_new, kubelets_serve, serials, whole};
use crate::cluster;
use crate::disk;
use crate::lab::{Lab, Node, Role};
use crate::machine;
use crate::operator;
use crate::progress::{say, stage};
use crate::rollout::{self, Rollout};
use crate::writer::Writer;

const READY_LIMIT: Duration = Duration::from_mins(5);
const KUBERNETES: &str = "etc/kubernetes/pki";
/// Where the pair that the old CA signed is kept, on the node that asks.
const KEPT: &str = "root/hactl-lab-old";
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";

/// What is rotated, and how it is told whether somebody believes a certificate of it.
pub(crate) struct Authority {
    /// As the controller calls it.
    word: &'static str,
    /// Its file below [`KUBERNETES`].
    file: &'static str,
    /// A client's pair below [`KUBERNETES`], without its ending.
    client: &'static str,
    port: u16,
    /// Answered with 200 only to a client that is believed.
    request: &'static str,
}

pub(crate) const ETCD: Authority = Authority {
    word: "etcd",
    file: "etcd/ca.crt",
    client: "etcd/healthcheck-client",
    port: 2379,
    request: "GET /version HTTP/1.1\r\nHost: etcd\r\nConnection: close\r\n\r\n",
};
pub(crate) const FRONT_PROXY: Authority = Authority {
    word: "front-proxy",
    file: "front-proxy-ca.crt",
    client: "front-proxy-client",
    port: 6443,
    // Who may do that by no right but those that the front proxy vouches for.
    request: "GET /api/v1/namespaces/kube-system HTTP/1.1\r\nHost: api\r\nX-Remote-User: hactl-lab\r\n\
        X-Remote-Group: system:masters\r\nConnection: close\r\n\r\n",
};

pub(crate) const CLUSTER: Authority = Authority {
    word: "kubernetes",
    file: "ca.crt",
    client: "apiserver-kubelet-client",
    port: 6443,
    // What anybody may ask who is known, and nobody else: this client may read nothing more in newer versions.
    request: "GET /api HTTP/1.1\r\nHost: api\r\nConnection: close\r\n\r\n",
};

/// A CA before anything was done to it.
struct Before<'a> {
    lab: &'a Lab,
    of: &'a Authority,
    authority: String,
    asks: &'a str,
}

impl<'a> Before<'a> {
    /// Keeps it, and a client's pair that it signed.
    fn keep(lab: &'a Lab, of: &'a Authority) -> Result<Self> {
        let asks = lab.of_role(Role::ControlPlane).next();
        let asks = &asks.context("a lab without control planes")?.name;
        let root = disk::root(lab.place(), asks);
        for end in ["crt", "key"] {
            let from = root.join(KUBERNETES).join(format!("{}.{end}", of.client));
            fs::copy(&from, root.join(format!("{KEPT}.{end}")))
                .with_context(|| format!("failed to keep {}", from.display()))?;
        }
        let authority = fs::read_to_string(root.join(KUBERNETES).join(of.file))?;
        let before = Self {
            lab,
            of,
            authority,
            asks,
        };
        ensure!(before.files()?.len() == 1, "a rotation is under way");
        before.believed(true)?;
        Ok(before)
    }

    /// What the CA's file holds, the same on every node that has it: each certificate in its order.
    fn files(&self) -> Result<Vec<String>> {
        let mut files: Vec<String> = Vec::new();
        let has = |node: &&Node| node.role == Role::ControlPlane || self.of.file == "ca.crt";
        for node in self.lab.nodes.iter().filter(has) {
            let path = disk::root(self.lab.place(), &node.name).join(KUBERNETES);
            files.push(fs::read_to_string(path.join(self.of.file))?);
        }
        let first = files.first().context("a lab without control planes")?;
        ensure!(
            files.iter().all(|one| one == first),
            "the nodes have different CAs"
        );
        let parts = first.split_inclusive("-----END CERTIFICATE-----\n");
        Ok(parts
            .filter(|part| part.contains(BEGIN))
            .map(str::to_owned)
            .collect())
    }

    /// Whether every control plane lets the old client in, or none; the client of now it lets in always.
    fn believed(&self, wanted: bool) -> Result<()> {
        let now: PathBuf = ["/", KUBERNETES, self.of.client].iter().collect();
        for node in self.lab.of_role(Role::ControlPlane) {
            let answer = self.answer(node, &now.display().to_string())?;
            ensure!(
                answer.contains(" 200 OK"),
                "{} does not let in the client of now: {answer}",
                node.name
            );
            let answer = self.answer(node, &format!("/{KEPT}"))?;
            ensure!(
                answer.contains(" 200 OK") == wanted,
                "{} says to a client of the old CA: {answer}",
                node.name
            );
        }
        Ok(())
    }

    fn answer(&self, node: &Node, pair: &str) -> Result<String> {
        let at = format!("{}:{}", node.address(), self.of.port);
        let (certificate, key) = (format!("{pair}.crt"), format!("{pair}.key"));
        let argv = [
            "openssl",
            "s_client",
            "-quiet",
            "-connect",
            &at,
            "-cert",
            &certificate,
            "-key",
            &key,
        ];
        let asked = machine::inside(self.lab.place(), self.asks, &argv)?;
        let said = asked.input(self.of.request).outcome()?;
        Ok(format!("{}{}", said.stdout, said.stderr))
    }
}

fn rotate(lab: &Lab, of: &Authority, more: &[&str]) -> Result<Rollout> {
    let verb = ["certs", "rotate-ca", "--authority", of.word];
    Rollout::start(lab, &[&verb[..], more].concat())
}

fn client(lab: &Lab) -> Result<Writer> {
    let kubeconfig = operator::controller(lab, &["kubeconfig"]).run()?;
    Writer::start_patient(lab, &kubeconfig)
}

fn none_failed(client: Writer) -> Result<()> {
    let (seen, words) = client.end()?;
    say(&format!("the client: {words}"));
    ensure!(seen["failed"] == 0, "{} requests failed", seen["failed"]);
    Ok(())
}

/// To its end, while a client reads and writes.
pub(crate) fn rotated(lab: &Lab, of: &Authority) -> Result<()> {
    let before = Before::keep(lab, of)?;
    let mut numbers = Vec::new();
    for node in lab.of_role(Role::ControlPlane) {
        numbers.push((&node.name, serials(lab, &node.name)?));
    }
    let client = client(lab)?;
    rotate(lab, of, &[])?.end()?;
    let both = before.files()?;
    ensure!(
        both.len() == 2 && both[0] != both[1] && before.authority.contains(&both[1]),
        "it is not the new CA and the old one"
    );
    before.believed(true)?;
    rotate(lab, of, &["--finish"])?.end()?;
    ensure!(before.files()? == both[..1], "the old CA is there still");
    before.believed(false)?;
    for (node, numbers) in numbers {
        all_new(&numbers, &serials(lab, node)?).with_context(|| format!("on {node}"))?;
    }
    whole(lab)?;
    cluster::wait_ready(lab, READY_LIMIT)?;
    none_failed(client)
}

/// The CA of Kubernetes itself, to its end. Whoever asks from outside is given a kubeconfig of now where the operator is told to.
pub(crate) fn cluster_rotated(lab: &Lab) -> Result<()> {
    let before = Before::keep(lab, &CLUSTER)?;
    let mut numbers = Vec::new();
    for node in &lab.nodes {
        numbers.push((node, serials(lab, &node.name)?));
    }
    pods_follow(lab, "hactl-lab-before")?;
    let first = client(lab)?;
    rotate(lab, &CLUSTER, &[])?.end()?;
    let both = before.files()?;
    ensure!(
        both.len() == 2 && both[0] != both[1] && before.authority.contains(&both[0]),
        "it is not the old CA and the new one"
    );
    before.believed(true)?;
    pods_follow(lab, "hactl-lab-trusted")?;
    none_failed(first)?;
    let second = client(lab)?;
    rotate(lab, &CLUSTER, &["--reissue"])?.end()?;
    ensure!(
        before.files()? == [both[1].clone(), both[0].clone()],
        "the new CA does not sign"
    );
    before.believed(true)?;
    pods_follow(lab, "hactl-lab-reissued")?;
    none_failed(second)?;
    let third = client(lab)?;
    rotate(lab, &CLUSTER, &["--finish"])?.end()?;
    ensure!(before.files()? == both[1..], "the old CA is there still");
    before.believed(false)?;
    pods_follow(lab, "hactl-lab-finished")?;
    for (node, numbers) in numbers {
        let now = serials(lab, &node.name)?;
        if node.role == Role::ControlPlane {
            all_new(&numbers, &now).with_context(|| format!("on {}", node.name))?;
        }
        for name in ["kubelet-client", "kubelet-server"] {
            ensure!(
                numbers.get(name) != now.get(name),
                "{name} of {} is the old one",
                node.name
            );
        }
    }
    kubelets_serve(lab)?;
    whole(lab)?;
    cluster::wait_ready(lab, READY_LIMIT)?;
    none_failed(third)
}

/// Every node's kube-proxy hears of a fresh service: it asks with its service account, and believes what its pod was given. That it did is
/// read through its kubelet, which API servers ask with a certificate of their own.
fn pods_follow(lab: &Lab, service: &str) -> Result<()> {
    cluster::kubectl(
        lab,
        &["create", "service", "clusterip", service, "--tcp=80:80"],
    )?;
    let pods = [
        "get",
        "pods",
        "-n",
        "kube-system",
        "-l",
        "k8s-app=kube-proxy",
        "-o",
        "name",
    ];
    stage(
        &format!("waiting until every kube-proxy knows {service}"),
        |stage| {
            let every = Duration::from_secs(3);
            stage.wait_every(every, "them", READY_LIMIT, || {
                let pods = cluster::kubectl(lab, &pods)?;
                ensure!(pods.lines().count() == lab.nodes.len(), "there are {pods}");
                for pod in pods.lines() {
                    let rules = [
                        "exec",
                        "-n",
                        "kube-system",
                        pod,
                        "--",
                        "iptables-save",
                        "-t",
                        "filter",
                    ];
                    let rules = cluster::kubectl(lab, &rules)?;
                    ensure!(rules.contains(service), "{pod} does not know {service}");
                }
                Ok(())
            })
        },
    )
}

/// The controller is killed when one control plane presents the new CA alone; the way back is to where it began.
pub(crate) fn turned_back(lab: &Lab, of: &Authority) -> Result<()> {
    let before = Before::keep(lab, of)?;
    let client = client(lab)?;
    cut_off_and_back(&before, &[])?;
    whole(lab)?;
    cluster::wait_ready(lab, READY_LIMIT)?;
    none_failed(client)
}

/// The same of the CA of Kubernetes itself, where pods and a worker's kubelet have to follow there and back.
pub(crate) fn cluster_turned_back(lab: &Lab) -> Result<()> {
    let before = Before::keep(lab, &CLUSTER)?;
    rotate(lab, &CLUSTER, &[])?.end()?;
    let client = client(lab)?;
    cut_off_and_back(&before, &["--reissue"])?;
    pods_follow(lab, "hactl-lab-turned-back")?;
    kubelets_serve(lab)?;
    whole(lab)?;
    cluster::wait_ready(lab, READY_LIMIT)?;
    none_failed(client)
}

/// Killed on the second control plane's way to the new CA, then back.
fn cut_off_and_back(before: &Before<'_>, forward: &[&str]) -> Result<()> {
    let (lab, of) = (before.lab, before.of);
    let mut forward = rotate(lab, of, forward)?;
    forward.wait_for("cp2: reissue")?;
    forward.kill()?;
    // A turn that was begun goes on, and nobody begins another meanwhile.
    stage("waiting until it is turned back", |stage| {
        let every = Duration::from_secs(10);
        stage.wait_every(every, "its end", rollout::LIMIT, || {
            rotate(lab, of, &["--abort"])?.end()
        })
    })?;
    let files = before.files()?;
    ensure!(
        files.len() == 1 && before.authority.contains(&files[0]),
        "it is not the CA that it was"
    );
    before.believed(true)?;
    for node in lab.of_role(Role::ControlPlane) {
        let aside = disk::root(lab.place(), &node.name)
            .join("var/lib/hactl/certificates/authorities")
            .join(of.word);
        ensure!(!aside.exists(), "{} is there", aside.display());
    }
    Ok(())
}
