//! The real node: processes, systemd, the file system, the network.

use std::path::{Path, PathBuf};

use hactl_node_plan::command::{Command, Input, Output};
use hactl_node_plan::etcd::{EtcdAnswer, EtcdCall};
use hactl_proto::Timestamp;

use crate::causes::chain;
use crate::etcd::{self, client::EtcdFiles};

use super::{Answer, Entry, Host, HostError, Question, Space, Stamp, file, http, process, unit};

/// The node that the agent runs on.
#[derive(Debug, Clone)]
pub struct RealHost {
    /// Folder on tmpfs for what a unit with a secret output prints.
    run: PathBuf,
}

impl RealHost {
    /// A host whose passing files go to `run`, a folder of mode 0700 on tmpfs.
    pub fn new(run: PathBuf) -> Self {
        Self { run }
    }
}

impl Host for RealHost {
    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        match &command.unit {
            None => process::run(command).await,
            Some(name) if command.input == Input::Empty => {
                unit::run(name, command, &self.run).await
            }
            Some(name) => Err(HostError::Unit {
                unit: name.clone(),
                reason: "a transient unit reads no input: give it a file on tmpfs".to_owned(),
            }),
        }
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, HostError> {
        blocking("read", path, file::read).await
    }

    async fn list(&self, path: &Path) -> Result<Option<Vec<Entry>>, HostError> {
        blocking("list", path, file::list).await
    }

    async fn replace(&self, path: &Path, bytes: &[u8], mode: u32) -> Result<(), HostError> {
        let bytes = bytes.to_vec();
        blocking("replace", path, move |path| {
            file::replace(path, &bytes, mode)
        })
        .await
    }

    async fn append(&self, path: &Path, bytes: &[u8]) -> Result<(), HostError> {
        let bytes = bytes.to_vec();
        blocking("append to", path, move |path| file::append(path, &bytes)).await
    }

    async fn remove(&self, path: &Path) -> Result<(), HostError> {
        blocking("remove", path, file::remove).await
    }

    async fn ask(&self, question: &Question) -> Result<Answer, HostError> {
        http::ask(question).await
    }

    async fn etcd(&self, call: &EtcdCall) -> Result<EtcdAnswer, HostError> {
        etcd::client::call(&EtcdFiles::default(), call)
            .await
            .map_err(|error| HostError::Ask {
                what: call.endpoint.clone(),
                reason: chain(&error),
            })
    }

    async fn etcd_snapshot(&self, to: &Path) -> Result<u64, HostError> {
        etcd::snapshot::take(&EtcdFiles::default(), to)
            .await
            .map_err(|error| HostError::Ask {
                what: "etcd for a snapshot".to_owned(),
                reason: error.to_string(),
            })
    }

    async fn stamp(&self, path: &Path) -> Result<Option<Stamp>, HostError> {
        blocking("stat", path, file::stamp).await
    }

    async fn space(&self, path: &Path) -> Result<Space, HostError> {
        blocking("measure", path, file::space).await
    }

    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// Runs one file verb off the async thread: a disk may take seconds, and gossip must not wait for it. Once begun it is
/// carried to its end even if the caller goes away.
async fn blocking<T: Send + 'static>(
    verb: &'static str,
    path: &Path,
    act: impl FnOnce(&Path) -> std::io::Result<T> + Send + 'static,
) -> Result<T, HostError> {
    let owned = path.to_owned();
    tokio::task::spawn_blocking(move || act(&owned))
        .await
        .unwrap_or_else(|error| Err(std::io::Error::other(error)))
        .map_err(|source| HostError::File {
            verb,
            path: path.display().to_string(),
            source,
        })
}
