//! `spec.zones`, `spec.controlPlanes` and `spec.workers`.

use std::net::IpAddr;

use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::role::NodeRole;
use hactl_proto::spec::DeclaredNode;

use super::field::{Fields, Value};
use super::position::{Located, Position};
use super::problem::Problems;
use super::suggest;

/// Fields of a node in `spec.controlPlanes` and `spec.workers`.
pub(crate) const FIELDS: &[&str] = &["name", "address", "zone"];

/// The zones that could be read.
#[derive(Debug)]
pub(crate) struct DraftZones {
    pub(crate) at: Position,
    pub(crate) zones: Vec<Located<ZoneName>>,
    /// Whether all could be read: otherwise a node's zone is not said to be undeclared.
    whole: bool,
}

impl DraftZones {
    pub(crate) fn finish(self) -> Vec<ZoneName> {
        self.zones.into_iter().map(|zone| zone.value).collect()
    }

    pub(crate) fn count_whole(&self) -> Option<usize> {
        self.whole.then_some(self.zones.len())
    }
}

/// A node as far as it could be read.
#[derive(Debug)]
pub(crate) struct DraftNode {
    pub(crate) at: Position,
    pub(crate) path: String,
    pub(crate) name: Option<Located<NodeName>>,
    pub(crate) address: Option<Located<IpAddr>>,
    pub(crate) zone: Option<ZoneName>,
}

impl DraftNode {
    /// What to call it in a message about another one.
    pub(crate) fn label(&self) -> &str {
        self.name
            .as_ref()
            .map_or(&self.path, |name| name.value.as_str())
    }
}

/// The nodes of one role.
#[derive(Debug)]
pub(crate) struct DraftNodes {
    pub(crate) at: Position,
    pub(crate) path: String,
    pub(crate) role: NodeRole,
    pub(crate) nodes: Vec<DraftNode>,
    /// Whether the list itself could be read: otherwise its length says nothing.
    pub(crate) whole: bool,
}

impl DraftNodes {
    pub(crate) fn finish(self) -> Option<Vec<DeclaredNode>> {
        let declared = |node: DraftNode| {
            Some(DeclaredNode {
                name: node.name?.value,
                address: node.address?.value,
                zone: node.zone?,
            })
        };
        self.nodes.into_iter().map(declared).collect()
    }
}

pub(crate) fn read_zones(body: &Fields<'_>, problems: &mut Problems) -> DraftZones {
    let why = "control planes are spread over zones so that the cluster outlives the loss of one";
    let section = body.require("zones", why, problems);
    let items = section
        .as_ref()
        .and_then(|section| section.list("a list of names, such as [a, b, c]", problems));
    let at = section.as_ref().map_or(body.at(), Value::at);
    let mut draft = DraftZones {
        at,
        zones: Vec::new(),
        whole: items.is_some(),
    };
    for item in items.unwrap_or_default() {
        match item.parse::<ZoneName>("a name such as a or rack-1", problems) {
            Some(zone) => add_zone(&mut draft.zones, item.locate(zone), problems),
            None => draft.whole = false,
        }
    }
    if draft.whole && draft.zones.is_empty() {
        problems.error(
            draft.at,
            "spec.zones",
            "is an empty list",
            "every node is in a zone",
            "write [a] for a single one",
        );
        draft.whole = false;
    }
    draft
}

fn add_zone(zones: &mut Vec<Located<ZoneName>>, zone: Located<ZoneName>, problems: &mut Problems) {
    match zones.iter().find(|earlier| earlier.value == zone.value) {
        None => zones.push(zone),
        Some(earlier) => {
            let why = format!("it is named at line {} already", earlier.at.line);
            problems.error(
                zone.at,
                &zone.path,
                format!("zone {} is named twice", zone.value),
                why,
                "remove one",
            );
        }
    }
}

pub(crate) fn read_control_planes(
    body: &Fields<'_>,
    zones: &DraftZones,
    problems: &mut Problems,
) -> DraftNodes {
    let why =
        "who may ever be a control plane is fixed by the spec: the first boot asks all of them";
    let section = body.require("controlPlanes", why, problems);
    let draft = read_nodes(
        body,
        section.as_ref(),
        NodeRole::ControlPlane,
        zones,
        problems,
    );
    if draft.whole && draft.nodes.is_empty() {
        problems.error(
            draft.at,
            &draft.path,
            "is an empty list",
            why,
            "declare one, three or five control planes",
        );
    }
    draft
}

pub(crate) fn read_workers(
    body: &Fields<'_>,
    zones: &DraftZones,
    problems: &mut Problems,
) -> DraftNodes {
    let section = body.get("workers");
    read_nodes(body, section.as_ref(), NodeRole::Worker, zones, problems)
}

fn read_nodes(
    body: &Fields<'_>,
    section: Option<&Value<'_>>,
    role: NodeRole,
    zones: &DraftZones,
    problems: &mut Problems,
) -> DraftNodes {
    let items = section
        .and_then(|section| section.list("a list of nodes with name, address and zone", problems));
    let nodes = items
        .iter()
        .flatten()
        .map(|item| read_node(item, zones, problems))
        .collect();
    DraftNodes {
        at: section.map_or(body.at(), Value::at),
        path: section.map_or(body.path(), Value::path).to_owned(),
        role,
        nodes,
        whole: items.is_some(),
    }
}

fn read_node(item: &Value<'_>, zones: &DraftZones, problems: &mut Problems) -> DraftNode {
    let mut node = DraftNode {
        at: item.at(),
        path: item.path().to_owned(),
        name: None,
        address: None,
        zone: None,
    };
    let Some(fields) = Fields::open(item, FIELDS, problems) else {
        return node;
    };
    node.name = fields
        .require(
            "name",
            "it is the host's name and the Kubernetes Node's",
            problems,
        )
        .and_then(|value| Some(value.locate(value.parse("a host name such as cp1", problems)?)));
    node.address = fields
        .require("address", "the others reach the node by it", problems)
        .and_then(|value| {
            Some(value.locate(value.parse("an address such as 10.0.0.11", problems)?))
        });
    node.zone = read_zone(&fields, zones, problems);
    node
}

fn read_zone(fields: &Fields<'_>, zones: &DraftZones, problems: &mut Problems) -> Option<ZoneName> {
    if fields.get("zone").is_none()
        && zones.count_whole() == Some(1)
        && let Some(only) = zones.zones.first()
    {
        return Some(only.value.clone());
    }
    let value = fields.require(
        "zone",
        "the node shares the fate of its zone; there are several",
        problems,
    )?;
    let zone: ZoneName = value.parse("the name of a zone", problems)?;
    if zones.whole && !zones.zones.iter().any(|declared| declared.value == zone) {
        undeclared(&value, &zone, zones, problems);
        return None;
    }
    Some(zone)
}

fn undeclared(value: &Value<'_>, zone: &ZoneName, zones: &DraftZones, problems: &mut Problems) {
    let names = || zones.zones.iter().map(|zone| zone.value.as_str());
    let remedy = match suggest::nearest(zone.as_str(), names()).filter(|near| near.len() > 1) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("add {zone} to spec.zones, or name a declared one"),
    };
    let declared = names().collect::<Vec<_>>().join(", ");
    value.error(
        format!("zone {zone} is not declared"),
        format!("spec.zones names {declared}"),
        remedy,
        problems,
    );
}
