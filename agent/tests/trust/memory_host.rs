//! A host that is a table of files and a clock that the test turns.

use std::collections::BTreeMap;
use std::future::ready;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use hactl_agent::host::{Answer, Entry, Host, HostError, Question};
use hactl_node_plan::command::{Command, Output};
use hactl_proto::Timestamp;

pub(crate) struct MemoryHost {
    pub(crate) files: Mutex<BTreeMap<PathBuf, (Vec<u8>, u32)>>,
    pub(crate) now: Mutex<Timestamp>,
}

impl MemoryHost {
    pub(crate) fn new(now: Timestamp) -> Self {
        Self {
            files: Mutex::default(),
            now: Mutex::new(now),
        }
    }

    pub(crate) fn file(&self, path: &Path) -> Option<(String, u32)> {
        let files = self.files.lock().unwrap();
        let (bytes, mode) = files.get(path)?;
        Some((String::from_utf8(bytes.clone()).unwrap(), *mode))
    }

    pub(crate) fn put(&self, path: &Path, text: &str) {
        let entry = (text.as_bytes().to_vec(), 0o600);
        self.files.lock().unwrap().insert(path.to_owned(), entry);
    }

    pub(crate) fn turn(&self, now: Timestamp) {
        *self.now.lock().unwrap() = now;
    }
}

fn none_here<T>(what: &str) -> Result<T, HostError> {
    Err(HostError::Ask {
        what: what.to_owned(),
        reason: "this host is a table of files".to_owned(),
    })
}

impl Host for MemoryHost {
    async fn run(&self, _: &Command) -> Result<Output, HostError> {
        none_here("a command")
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, HostError> {
        let files = self.files.lock().unwrap();
        Ok(files.get(path).map(|(bytes, _)| bytes.clone()))
    }

    async fn list(&self, _: &Path) -> Result<Option<Vec<Entry>>, HostError> {
        none_here("a folder")
    }

    async fn replace(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), HostError> {
        let entry = (bytes.to_vec(), mode);
        self.files.lock().unwrap().insert(path.to_owned(), entry);
        ready(Ok(())).await
    }

    async fn append(&self, _: &Path, _: &[u8]) -> Result<(), HostError> {
        none_here("a journal")
    }

    async fn remove(&self, path: &Path) -> Result<(), HostError> {
        self.files.lock().unwrap().remove(path);
        ready(Ok(())).await
    }

    async fn ask(&self, _: &Question) -> Result<Answer, HostError> {
        none_here("a component")
    }

    fn now(&self) -> Timestamp {
        *self.now.lock().unwrap()
    }
}
