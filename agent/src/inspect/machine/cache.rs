//! What costs a process, kept until what it depends on changes.

use std::collections::BTreeMap;
use std::path::PathBuf;

use hactl_node_plan::command::Output;
use hactl_node_plan::facts::machine::disk::FsyncTimes;
use hactl_node_plan::facts::machine::network::Listener;
use hactl_node_plan::facts::machine::packages::Package;
use hactl_proto::Timestamp;

use crate::host::Stamp;

/// All that is kept.
#[derive(Debug, Default)]
pub(super) struct Cache {
    /// Outputs of commands by their line.
    pub(super) outputs: BTreeMap<String, Answer>,
    /// Where the programs that hactl asks about are.
    pub(super) programs: Kept<Vec<Option<Stamp>>, BTreeMap<String, PathBuf>>,
    /// What the package database says.
    pub(super) packages: Kept<Vec<Option<Stamp>>, BTreeMap<String, Package>>,
    /// Sockets that listen on the node's ports, and when they were read.
    pub(super) listeners: Option<(Timestamp, Vec<Listener>)>,
    /// How quick etcd's disk is: when, where, and the times.
    pub(super) fsync: Option<(Timestamp, String, FsyncTimes)>,
}

/// What a command said, and what it depended on then.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) key: Key,
    pub(super) output: Output,
    /// When it said so.
    pub(super) at: Timestamp,
}

/// What an answer depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Key {
    /// On these files and folders.
    Files(Vec<Option<Stamp>>),
    /// On facts that were digested.
    Digest(u64),
    /// On the time: it holds until then.
    Until(Timestamp),
}

/// A value and what it was made from.
#[derive(Debug, Default)]
pub(super) struct Kept<K, V>(Option<(K, V)>);

impl<K: PartialEq, V> Kept<K, V> {
    /// The value, if it was made from the same.
    pub(super) fn get(&self, key: &K) -> Option<&V> {
        self.0
            .as_ref()
            .and_then(|(made_from, value)| (made_from == key).then_some(value))
    }

    /// Keeps the value.
    pub(super) fn put(&mut self, key: K, value: V) {
        self.0 = Some((key, value));
    }
}
