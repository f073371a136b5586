//! The cluster spec: from the operator's YAML to [`ClusterSpec`], with every problem named.
//!
//! `document` turns text into a tree with positions, `field` takes fields out of it, one file a section reads them, and
//! `check` compares sections with each other. Nothing stops at the first problem but a text that is no YAML.
//! What a node or a cluster is at this moment is no business of this module: it judges the text alone.

mod certificates;
mod check;
mod document;
mod endpoint;
mod etcd;
mod field;
mod free_form;
mod kubernetes;
mod networks;
mod nodes;
mod pod_network;
mod policies;
mod position;
mod problem;
mod suggest;
mod upgrade;

#[cfg(test)]
mod tests;

use hactl_proto::name::ClusterName;
use hactl_proto::spec::ClusterSpec;

use document::Node;
use field::{Fields, Value};
pub use position::Position;
use problem::Problems;
pub use problem::{Problem, Report};

/// The `apiVersion` of a spec.
pub const API_VERSION: &str = "hactl.io/v1alpha1";
/// The `kind` of a spec.
pub const KIND: &str = "Cluster";
/// A spec file may have that many bytes at most.
pub const SIZE_LIMIT: usize = 1 << 20;

/// Loads a file that the spec names by its path, or says why it cannot. The caller knows the spec's folder.
pub type LoadFile<'a> = dyn FnMut(&str) -> Result<String, String> + 'a;

/// A spec that can be used.
#[derive(Debug, Clone, PartialEq)]
pub struct Accepted {
    /// The spec, defaults filled in.
    pub spec: ClusterSpec,
    /// What its operator should know; nothing in it refuses.
    pub warnings: Vec<Problem>,
}

/// A spec that cannot be used: at least one of the problems is an error, warnings are among them.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// All that was found, in the order of the file's lines.
    pub problems: Vec<Problem>,
}

/// Reads a spec file whole and judges it.
pub fn read(bytes: &[u8], load: &mut LoadFile<'_>) -> Result<Accepted, Refused> {
    let mut problems = Problems::default();
    let spec = document::parse(bytes, &mut problems).and_then(|root| {
        let spec = read_root(&root, load, &mut problems);
        // A field that could not be read was reported where it was read.
        spec.filter(|_| !problems.refuse())
    });
    let problems = problems.sorted();
    match spec {
        Some(spec) => Ok(Accepted {
            spec,
            warnings: problems,
        }),
        None => Err(Refused { problems }),
    }
}

/// Fields of the document itself.
pub(crate) const ROOT_FIELDS: &[&str] = &["apiVersion", "kind", "metadata", "spec"];
/// Fields of `metadata`.
pub(crate) const METADATA_FIELDS: &[&str] = &["name"];
/// Fields of `spec`.
pub(crate) const SPEC_FIELDS: &[&str] = &[
    "kubernetes",
    "networks",
    "endpoint",
    "etcd",
    "zones",
    "controlPlanes",
    "workers",
    "workerEnrolment",
    "podNetwork",
    "policies",
    "upgrade",
    "certificates",
];

fn read_root(root: &Node, load: &mut LoadFile<'_>, problems: &mut Problems) -> Option<ClusterSpec> {
    let root = Value::root(root);
    let fields = Fields::open(&root, ROOT_FIELDS, problems)?;
    constant(&fields, "apiVersion", API_VERSION, problems);
    constant(&fields, "kind", KIND, problems);
    let name = read_name(&fields, problems);
    let body = fields.require("spec", "it holds the cluster itself", problems)?;
    let body = Fields::open(&body, SPEC_FIELDS, problems)?;
    read_body(name, &body, load, problems)
}

fn read_body(
    name: Option<ClusterName>,
    body: &Fields<'_>,
    load: &mut LoadFile<'_>,
    problems: &mut Problems,
) -> Option<ClusterSpec> {
    let kubernetes = kubernetes::read(body, problems);
    let networks = networks::read(body, problems);
    let endpoint = endpoint::read(body, problems);
    let etcd = etcd::read(body, problems);
    let zones = nodes::read_zones(body, problems);
    let control_planes = nodes::read_control_planes(body, &zones, problems);
    let workers = nodes::read_workers(body, &zones, problems);
    let pod_network = pod_network::read(body, load, problems);
    let policies = policies::read(body, problems);
    let upgrade = upgrade::read(body, problems);
    let certificates = certificates::read(body, problems);
    check::all(
        &check::Draft {
            networks: &networks,
            endpoint: endpoint.as_ref(),
            etcd: etcd.as_ref(),
            zones: &zones,
            control_planes: &control_planes,
            workers: &workers,
            policies: &policies,
            upgrade: &upgrade,
        },
        problems,
    );
    Some(ClusterSpec {
        name: name?,
        kubernetes: kubernetes?,
        networks: networks.finish(),
        endpoint: endpoint?.finish()?,
        etcd: etcd?.value,
        zones: zones.finish(),
        control_planes: control_planes.finish()?,
        workers: workers.finish()?,
        pod_network,
        policies: policies.finish(),
        upgrade: upgrade.finish(),
        certificates,
    })
}

fn constant(fields: &Fields<'_>, name: &str, wanted: &str, problems: &mut Problems) {
    let why = format!("hactl reads {API_VERSION} of kind {KIND}");
    let Some(value) = fields.require(name, &why, problems) else {
        return;
    };
    let Some(text) = value.text(wanted, problems) else {
        return;
    };
    if text != wanted {
        let remedy = format!("write {name}: {wanted}");
        problems.error(
            value.at(),
            value.path(),
            format!("{text:?} is not known"),
            why,
            remedy,
        );
    }
}

fn read_name(fields: &Fields<'_>, problems: &mut Problems) -> Option<ClusterName> {
    let metadata = fields.require("metadata", "it holds the cluster's name", problems)?;
    let metadata = Fields::open(&metadata, METADATA_FIELDS, problems)?;
    let name = metadata.require(
        "name",
        "kubeadm's clusterName and the state folder are named by it",
        problems,
    )?;
    name.parse("a name such as prod-1", problems)
}
