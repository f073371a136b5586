//! What a test sees of the world.

use std::collections::BTreeMap;

use hactl_agent::membership::table::Change;
use hactl_proto::member::{MemberState, MemberView};
use hactl_proto::name::NodeName;

use crate::world::{World, name};

impl World {
    /// How `observer` sees `node`.
    pub(crate) fn view(&self, observer: usize, node: usize) -> Option<MemberView> {
        let core = self.nodes[observer].core.as_ref()?;
        let name = name(node);
        core.members().into_iter().find(|view| view.node == name)
    }

    pub(crate) fn state(&self, observer: usize, node: usize) -> Option<MemberState> {
        self.view(observer, node).map(|view| view.state)
    }

    /// Running nodes.
    pub(crate) fn running(&self) -> Vec<usize> {
        (0..self.nodes.len())
            .filter(|index| self.nodes[*index].core.is_some())
            .collect()
    }

    /// Whether every running node sees every running node in its present boot alive, and no other alive.
    pub(crate) fn agreed(&self) -> bool {
        self.running().into_iter().all(|observer| {
            let members = self.nodes[observer].core.as_ref().unwrap().members();
            let alive: BTreeMap<NodeName, u64> = members
                .into_iter()
                .filter(|view| view.state == MemberState::Alive)
                .map(|view| (view.node, view.boot_epoch))
                .collect();
            let wanted: BTreeMap<NodeName, u64> = self
                .running()
                .into_iter()
                .map(|index| (name(index), u64::from(self.nodes[index].boot)))
                .collect();
            alive == wanted
        })
    }

    pub(crate) fn assert_all_alive(&self) {
        assert!(self.agreed(), "{}", self.picture());
    }

    /// Changes of one kind since the events were cleared.
    pub(crate) fn count(&self, change: Change) -> usize {
        self.events
            .iter()
            .filter(|(_, _, event)| event.change == change)
            .count()
    }

    /// Who sees whom how, a line an observer.
    pub(crate) fn picture(&self) -> String {
        let mut lines = vec![format!("at {:?}", self.now)];
        for observer in self.running() {
            let members = self.nodes[observer].core.as_ref().unwrap().members();
            let line: Vec<String> = members
                .iter()
                .map(|view| format!("{}#{}={:?}", view.node, view.boot_epoch, view.state))
                .collect();
            lines.push(format!("n{observer}: {}", line.join(" ")));
        }
        lines.join("\n")
    }
}
