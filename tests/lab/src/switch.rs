//! The network: a bridge in a namespace of its own is the switch, each node's eth0 is one end of a cable whose other end,
//! named after the node, is plugged in there. Nothing of it is seen in the host's own namespace, and nothing leads out.

use std::fs;

use anyhow::Result;

use crate::lab::{Lab, Node, OPERATOR_ADDRESS, Place, SWITCH_ADDRESS};
use crate::program::program;

/// The name of the switch's own namespace and of the operator's.
const SWITCH: &str = "switch";
const OPERATOR: &str = "operator";

/// The switch of a lab.
pub(crate) struct Switch<'a> {
    place: &'a Place,
}

impl<'a> Switch<'a> {
    /// The lab's switch, be it there or not.
    pub(crate) fn of(place: &'a Place) -> Self {
        Self { place }
    }

    /// Puts it up, with the operator's machine plugged in.
    pub(crate) fn put_up(&self) -> Result<()> {
        let switch = self.namespace();
        add_namespace(&switch)?;
        ip(
            &switch,
            "link add br0 type bridge forward_delay 0 stp_state 0",
        )?;
        ip(&switch, "link set br0 up")?;
        ip(&switch, &format!("address add {SWITCH_ADDRESS}/24 dev br0"))?;
        self.plug_in(OPERATOR, "52:54:00:6c:61:fe", OPERATOR_ADDRESS)
    }

    /// Gives a node its namespace and cable, and the routes to the others' pods.
    pub(crate) fn connect(&self, lab: &Lab, node: &Node) -> Result<()> {
        self.plug_in(&node.name, &node.mac(), &node.address())?;
        let namespace = self.place.named(&node.name);
        for other in lab.nodes.iter().filter(|other| *other != node) {
            ip(
                &namespace,
                &format!("route add {} via {}", other.pods(), other.address()),
            )?;
        }
        Ok(())
    }

    /// Takes a node's cable and namespace away: a namespace outlives what ran in it and would go on answering.
    pub(crate) fn disconnect(&self, node: &str) -> Result<()> {
        program("ip")
            .args(["-n", &self.namespace(), "link", "del", node])
            .outcome()?;
        let namespace = self.place.named(node);
        if fs::exists(format!("/run/netns/{namespace}"))? {
            program("ip").args(["netns", "del", &namespace]).run()?;
        }
        Ok(())
    }

    /// Pulls a node's cable at the switch, or plugs it in again.
    pub(crate) fn set_cable(&self, node: &str, plugged: bool) -> Result<()> {
        ip(
            &self.namespace(),
            &format!("link set {node} {}", if plugged { "up" } else { "down" }),
        )
    }

    /// Whether a node's cable is plugged in.
    pub(crate) fn has_cable(&self, node: &str) -> bool {
        let shown = program("ip")
            .args(["-n", &self.namespace(), "link", "show", node, "up"])
            .run();
        shown.is_ok_and(|text| !text.trim().is_empty())
    }

    /// The namespace in which the cables meet.
    pub(crate) fn namespace(&self) -> String {
        self.place.named(SWITCH)
    }

    /// The path of the operator's namespace.
    pub(crate) fn operator(&self) -> String {
        format!("/run/netns/{}", self.place.named(OPERATOR))
    }

    fn plug_in(&self, name: &str, mac: &str, address: &str) -> Result<()> {
        let (switch, namespace) = (self.namespace(), self.place.named(name));
        add_namespace(&namespace)?;
        ip(
            &namespace,
            &format!("link add eth0 address {mac} type veth peer name {name} netns {switch}"),
        )?;
        ip(&switch, &format!("link set {name} master br0 up"))?;
        for what in [
            "link set lo up".to_owned(),
            format!("address add {address}/24 dev eth0"),
            "link set eth0 up".to_owned(),
            format!("route add default via {SWITCH_ADDRESS}"),
        ] {
            ip(&namespace, &what)?;
        }
        Ok(())
    }
}

/// Removes every namespace that bears the lab's name.
pub(crate) fn remove_namespaces(place: &Place) -> Result<()> {
    let prefix = place.named("");
    for entry in fs::read_dir("/run/netns").into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with(&prefix) {
            program("ip").args(["netns", "del", &name]).run()?;
        }
    }
    Ok(())
}

fn add_namespace(name: &str) -> Result<()> {
    program("ip").args(["netns", "add", name]).run()?;
    Ok(())
}

fn ip(namespace: &str, words: &str) -> Result<()> {
    program("ip").args(["-n", namespace]).words(words).run()?;
    Ok(())
}
