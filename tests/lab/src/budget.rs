//! A PodDisruptionBudget that allows no disruption, with a pod under it that runs on a worker.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::cluster;
use crate::kubernetes::Version;
use crate::lab::{Lab, Role};
use crate::machine;
use crate::progress::stage;

const LIMIT: Duration = Duration::from_mins(5);
const FILE: &str = "/tmp/hactl-lab-budget.json";

/// It is there until it is opened.
pub(crate) struct Budget<'a> {
    lab: &'a Lab,
}

impl<'a> Budget<'a> {
    /// As a drain names it.
    pub(crate) const NAME: &'static str = "default/web";
    /// How the name of its pod's owner begins.
    pub(crate) const OWNER: &'static str = "ReplicaSet/web-";

    /// Makes both, and waits until the pod has its node and the budget counts it.
    pub(crate) fn close(lab: &'a Lab) -> Result<Self> {
        // A static image that sleeps, and is on every node: that of the pods' sandboxes.
        let node = lab
            .of_role(Role::ControlPlane)
            .next()
            .context("no control plane")?;
        let images = ["ctr", "-n", "k8s.io", "images", "ls", "-q"];
        let images = machine::inside(lab.place(), &node.name, &images)?.run()?;
        let pause = images
            .lines()
            .find(|name| name.contains("/pause:"))
            .context("no pause image was imported")?;
        machine::inside(lab.place(), &node.name, &["tee", FILE])?
            .input(objects(lab.version, pause).to_string())
            .run()?;
        cluster::kubectl(lab, &["apply", "-f", FILE])?;
        stage("waiting until the budget has its pod", |stage| {
            stage.wait("a pod under the budget", LIMIT, || counted(lab))
        })?;
        Ok(Self { lab })
    }

    /// Takes both away.
    pub(crate) fn open(self) -> Result<()> {
        cluster::kubectl(self.lab, &["delete", "--wait=false", "-f", FILE]).map(drop)
    }
}

fn counted(lab: &Lab) -> Result<()> {
    let node = "jsonpath={.items[0].spec.nodeName}";
    let node = cluster::kubectl(lab, &["get", "pods", "-l", "app=web", "-o", node])?;
    ensure!(!node.trim().is_empty(), "it is not scheduled");
    let expected = "jsonpath={.status.expectedPods}";
    let expected = cluster::kubectl(lab, &["get", "pdb", "web", "-o", expected])?;
    ensure!(
        expected.trim() == "1",
        "the budget counts {expected:?} pods"
    );
    Ok(())
}

fn objects(version: Version, image: &str) -> Value {
    let labels = json!({"app": "web"});
    // policy/v1 came with 1.21, policy/v1beta1 went with 1.25.
    let policy = if version.minor < 21 {
        "policy/v1beta1"
    } else {
        "policy/v1"
    };
    let container = json!({"name": "web", "image": image, "imagePullPolicy": "Never"});
    json!({"apiVersion": "v1", "kind": "List", "items": [
        {
            "apiVersion": "apps/v1", "kind": "Deployment",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {
                "replicas": 1, "selector": {"matchLabels": labels},
                "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
            },
        },
        {
            "apiVersion": policy, "kind": "PodDisruptionBudget",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"minAvailable": 1, "selector": {"matchLabels": labels}},
        },
    ]})
}
