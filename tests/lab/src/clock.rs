//! A clock that is wrong on one node alone. All nodes share the kernel's clock, which no namespace shifts, so the node's agent is told
//! another time by libfaketime: what it reads through libc. Programs in Go (kubeadm, kubelet, etcd, the API server) read the kernel's.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;

use crate::cache::{remove, write};
use crate::disk;
use crate::host;
use crate::lab::Lab;
use crate::machine;

/// The package and what is preloaded of it.
const LIBRARY: (&str, &str) = (
    "libfaketime",
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
);
const INSIDE: &str = "usr/local/lib/hactl-lab-faketime.so";
const DROP_IN: &str = "etc/systemd/system/hactl-agent.service.d/hactl-lab-clock.conf";

/// An agent whose clock is ahead, until this is ended or dropped.
pub(crate) struct Ahead<'a> {
    lab: &'a Lab,
    node: &'a str,
}

impl<'a> Ahead<'a> {
    /// Starts the node's agent anew with its wall clock so far ahead. How fast time goes stays as it is.
    pub(crate) fn start(lab: &'a Lab, node: &'a str, by: Duration) -> Result<Self> {
        host::install(&[LIBRARY])?;
        let ahead = Self { lab, node };
        let library = ahead.path(INSIDE);
        fs::create_dir_all(library.parent().unwrap_or(&library))?;
        fs::copy(LIBRARY.1, &library)?;
        write(
            &ahead.path(DROP_IN),
            format!(
                "[Service]\nEnvironment=LD_PRELOAD=/{INSIDE} FAKETIME=+{} FAKETIME_DONT_FAKE_MONOTONIC=1 DONT_FAKE_MONOTONIC=1\n",
                by.as_secs()
            ),
        )?;
        ahead.anew()?;
        Ok(ahead)
    }

    /// Starts it anew with the clock of the others.
    pub(crate) fn end(self) -> Result<()> {
        self.right()
    }

    fn right(&self) -> Result<()> {
        if self.path(DROP_IN).exists() {
            remove(&self.path(DROP_IN))?;
            self.anew()?;
        }
        Ok(())
    }

    fn anew(&self) -> Result<()> {
        for argv in [
            &["systemctl", "daemon-reload"][..],
            &["systemctl", "restart", "hactl-agent"],
        ] {
            machine::inside(self.lab.place(), self.node, argv)?.run()?;
        }
        Ok(())
    }

    fn path(&self, inside: &str) -> PathBuf {
        disk::root(self.lab.place(), self.node).join(inside)
    }
}

impl Drop for Ahead<'_> {
    /// Where the case failed the node's clock is still wrong.
    fn drop(&mut self) {
        self.right().ok();
    }
}
