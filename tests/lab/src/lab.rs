//! A lab: its nodes, where they stand and what they are called. Kept as a file in the cache folder, so that every verb
//! finds what `up` made.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, write};
use crate::kubernetes::Version;

/// Names a second lab beside the usual one.
const VARIABLE: &str = "HACTL_LAB_NAME";
const USUAL_NAME: &str = "hactl-lab";
/// The address that the endpoint is to have.
pub(crate) const ENDPOINT_ADDRESS: &str = "10.99.0.100";
/// Its port; not 6443, which the API servers bind on every address.
pub(crate) const ENDPOINT_PORT: u16 = 8443;
/// Where the operator's commands come from.
pub(crate) const OPERATOR_ADDRESS: &str = "10.99.0.2";
/// The switch's own address: a default route must lead somewhere, and it leads nowhere.
pub(crate) const SWITCH_ADDRESS: &str = "10.99.0.1";
/// The pods' network; each node has a /24 of it.
pub(crate) const POD_NETWORK: &str = "10.244.0.0/16";
/// The services' network.
pub(crate) const SERVICE_NETWORK: &str = "10.112.0.0/16";
/// The nodes' network.
pub(crate) const NODE_NETWORK: &str = "10.99.0.0/24";

/// What `up` made.
#[derive(Serialize, Deserialize)]
pub(crate) struct Lab {
    pub(crate) version: Version,
    /// Booted without hactl's agent.
    pub(crate) bare: bool,
    pub(crate) nodes: Vec<Node>,
    #[serde(skip)]
    place: Place,
}

/// Where a lab is, and what its things are called.
#[derive(Clone, Default)]
pub(crate) struct Place {
    name: String,
    dir: PathBuf,
}

/// One node.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) zone: String,
    pub(crate) role: Role,
    /// Its number from 1 on, which its addresses come from.
    pub(crate) number: u8,
}

/// What a node is to be.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Role {
    ControlPlane,
    Worker,
}

impl Place {
    /// The lab that the environment names, else the usual one.
    pub(crate) fn usual(cache: &Cache) -> Result<Self> {
        let name = std::env::var(VARIABLE).unwrap_or_else(|_| USUAL_NAME.to_owned());
        let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        ensure!(
            name.starts_with("hactl-lab") && name.len() <= 24 && name.chars().all(fine),
            "{VARIABLE}={name:?}: the name starts with {USUAL_NAME} and has letters, digits and dashes only"
        );
        let dir = cache.path("labs").join(&name);
        Ok(Self { name, dir })
    }

    /// The lab's name, which everything that it makes bears.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Its folder.
    pub(crate) fn path(&self, below: impl AsRef<Path>) -> PathBuf {
        self.dir.join(below)
    }

    /// The network namespace, nspawn machine or overlay of that thing of the lab. A dot ends the lab's name: no lab's name
    /// is then the beginning of another's.
    pub(crate) fn named(&self, thing: &str) -> String {
        format!("{}.{thing}", self.name)
    }
}

impl Lab {
    /// A lab of nodes called so, dealt out to the zones in turn. A name with `w` at its start is a worker's.
    pub(crate) fn plan(
        place: Place,
        version: Version,
        bare: bool,
        names: &[String],
        zones: &[String],
    ) -> Result<Self> {
        ensure!(
            !names.is_empty() && !zones.is_empty(),
            "a lab needs a node and a zone"
        );
        ensure!(names.len() <= 50, "the lab has addresses for 50 nodes");
        let mut nodes: Vec<Node> = Vec::new();
        for (number, name) in (1..).zip(names) {
            let fine = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            ensure!(
                !name.is_empty() && name.len() <= 12 && name.chars().all(fine),
                "{name:?} is no name for a node: at most 12 lower-case letters, digits and dashes"
            );
            ensure!(
                !["switch", "operator"].contains(&name.as_str()),
                "{name} is a name of the lab's own"
            );
            ensure!(
                nodes.iter().all(|node| node.name != *name),
                "two nodes are called {name}"
            );
            let role = if name.starts_with('w') {
                Role::Worker
            } else {
                Role::ControlPlane
            };
            let zone = zones[usize::from(number - 1) % zones.len()].clone();
            nodes.push(Node {
                name: name.clone(),
                zone,
                role,
                number,
            });
        }
        Ok(Self {
            version,
            bare,
            nodes,
            place,
        })
    }

    /// The lab that is up.
    pub(crate) fn load(place: Place) -> Result<Self> {
        let file = place.path("lab.json");
        let text = fs::read_to_string(&file).with_context(|| {
            format!(
                "no lab is up ({} is not there): start with `hactl-lab up`",
                file.display()
            )
        })?;
        let lab: Self = serde_json::from_str(&text)
            .with_context(|| format!("failed to read {}", file.display()))?;
        Ok(Self { place, ..lab })
    }

    /// Keeps what it is.
    pub(crate) fn save(&self) -> Result<()> {
        write(
            &self.place.path("lab.json"),
            serde_json::to_string_pretty(self)?,
        )
    }

    /// Where it is.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// The node of that name.
    pub(crate) fn node(&self, name: &str) -> Result<&Node> {
        if let Some(node) = self.nodes.iter().find(|node| node.name == name) {
            return Ok(node);
        }
        let known: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
        bail!("no node is called {name}: there are {}", known.join(", "))
    }

    /// Its nodes of one role.
    pub(crate) fn of_role(&self, role: Role) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.role == role)
    }
}

impl Node {
    /// Its address.
    pub(crate) fn address(&self) -> String {
        format!("10.99.0.{}", 10 + self.number)
    }

    /// The network of the pods on it.
    pub(crate) fn pods(&self) -> String {
        format!("10.244.{}.0/24", self.number)
    }

    /// The MAC address of its network card.
    pub(crate) fn mac(&self) -> String {
        format!("52:54:00:6c:61:{:02x}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(names: &[&str], zones: &[&str]) -> Result<Lab> {
        let owned = |words: &[&str]| {
            words
                .iter()
                .map(|word| (*word).to_owned())
                .collect::<Vec<_>>()
        };
        let version = Version {
            major: 1,
            minor: 20,
            patch: 2,
        };
        Lab::plan(
            Place::default(),
            version,
            false,
            &owned(names),
            &owned(zones),
        )
    }

    #[test]
    fn nodes_are_dealt_out_to_the_zones_in_turn() {
        let lab = plan(&["cp1", "cp2", "cp3", "w1"], &["a", "b", "c"]).unwrap();
        let zones: Vec<&str> = lab.nodes.iter().map(|node| node.zone.as_str()).collect();
        assert_eq!(zones, ["a", "b", "c", "a"]);
        assert_eq!(lab.of_role(Role::Worker).count(), 1);
        assert_eq!(lab.node("w1").unwrap().address(), "10.99.0.14");
    }

    #[test]
    fn names_that_would_meet_the_labs_own_are_refused() {
        for names in [
            vec!["switch"],
            vec!["cp1", "cp1"],
            vec!["CP1"],
            vec!["a-name-too-long"],
            vec![],
        ] {
            assert!(plan(&names, &["a"]).is_err(), "{names:?}");
        }
        assert!(plan(&["cp1"], &[]).is_err());
    }
}
