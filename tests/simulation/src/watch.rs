//! Watching a world: each effect is told as it happens, with the state behind it.

use std::fmt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use hactl_node_plan::command::{Command, Output};
use hactl_node_plan::etcd::EtcdCall;
use hactl_proto::name::NodeName;

use crate::world::State;

/// What happened on a machine.
#[derive(Debug, Clone, Copy)]
pub enum Event<'a> {
    /// A program is about to have its effects.
    Begins(&'a Command),
    /// It had them; `None`: it hangs until its limit.
    Ran(&'a Command, Option<&'a Output>),
    /// A file was replaced, durably.
    Replaced(&'a Path),
    /// Something was appended to a file, durably and whole.
    Appended(&'a Path, &'a [u8]),
    /// A file or folder was removed.
    Removed(&'a Path),
    /// etcd is about to be asked.
    Etcd(&'a EtcdCall),
    /// A snapshot was taken to that file, or was not.
    Snapshot(&'a Path, bool),
    /// The load balancer was told something.
    Said(&'a str),
    /// A life ended at that place.
    Cut(&'a str),
}

/// Who watches.
pub trait Watcher: Send {
    /// Something happened.
    fn saw(&mut self, state: &State, node: &NodeName, event: Event<'_>);
}

/// The one who watches, if anybody does.
#[derive(Clone, Default)]
pub(crate) struct Watching(Option<Arc<Mutex<dyn Watcher>>>);

impl Watching {
    pub(crate) fn by(watcher: Arc<Mutex<dyn Watcher>>) -> Self {
        Self(Some(watcher))
    }
}

impl fmt::Debug for Watching {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watching")
    }
}

impl State {
    /// Tells whoever watches.
    pub(crate) fn tell(&self, node: &NodeName, event: Event<'_>) {
        if let Some(watcher) = &self.watching.0 {
            let mut watcher = watcher.lock().unwrap_or_else(PoisonError::into_inner);
            watcher.saw(self, node, event);
        }
    }
}
