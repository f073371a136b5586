//! Writes container images as docker-archive tars of one layer: enough for `ctr images import`, and no tool for building
//! images is needed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use crate::cache::{remove, write};
use crate::program::program;

/// An image under construction: a folder that becomes its layer.
pub(crate) struct Image {
    folder: PathBuf,
}

impl Image {
    /// An empty one, with the folders that every image here has.
    pub(crate) fn new(folder: &Path) -> Result<Self> {
        remove(folder)?;
        for dir in [
            "layer/tmp",
            "layer/etc",
            "layer/var/run",
            "layer/usr/local/bin",
        ] {
            fs::create_dir_all(folder.join(dir))?;
        }
        Ok(Self {
            folder: folder.to_owned(),
        })
    }

    /// Where a path of the image lies on the host.
    pub(crate) fn at(&self, path: &str) -> PathBuf {
        self.folder.join("layer").join(path.trim_start_matches('/'))
    }

    /// Takes a file over, following links.
    pub(crate) fn copy(&self, from: &Path, to: &str) -> Result<()> {
        let to = self.at(to);
        if let Some(parent) = to.parent() {
            fs::create_dir_all(parent)?;
        }
        fs::copy(from, &to)
            .with_context(|| format!("failed to copy {} into an image", from.display()))?;
        Ok(())
    }

    /// Takes programs or loadable modules over from a root file system, with the libraries that they say they need.
    pub(crate) fn copy_programs(&self, root: &Path, programs: &[String]) -> Result<()> {
        for path in programs {
            let from = root.join(path.trim_start_matches('/'));
            self.copy(&fs::canonicalize(&from).unwrap_or(from), path)?;
        }
        let listed = program("chroot").arg(root).arg("ldd").args(programs);
        let listed = listed.outcome()?.stdout;
        let words = listed.split_whitespace();
        for library in words.filter(|word| word.starts_with('/') && !word.ends_with(':')) {
            if !self.at(library).exists() {
                self.copy(&root.join(library.trim_start_matches('/')), library)?;
            }
        }
        Ok(())
    }

    /// Packs it under its names, with what it starts.
    pub(crate) fn pack(self, names: &[&str], entrypoint: &[&str], into: &Path) -> Result<()> {
        let tar = |what: &str| {
            program("tar")
                .args([
                    "--numeric-owner",
                    "--owner=0",
                    "--group=0",
                    "--mtime=@0",
                    "--sort=name",
                    what,
                ])
                .limit(Duration::from_mins(5))
        };
        let layer = self.folder.join("layer.tar");
        tar("-cf")
            .arg(&layer)
            .arg("-C")
            .arg(self.folder.join("layer"))
            .arg(".")
            .run()?;
        let sum = program("sha256sum")
            .arg(&layer)
            .limit(Duration::from_mins(2))
            .run()?;
        let digest = sum
            .split_whitespace()
            .next()
            .context("sha256sum printed nothing")?;
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {
                "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
                "Entrypoint": entrypoint,
            },
            "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{digest}")]},
        });
        let manifest =
            json!([{"Config": "config.json", "RepoTags": names, "Layers": ["layer.tar"]}]);
        write(&self.folder.join("config.json"), config.to_string())?;
        write(&self.folder.join("manifest.json"), manifest.to_string())?;
        tar("-cf")
            .arg(into)
            .arg("-C")
            .arg(&self.folder)
            .args(["manifest.json", "config.json", "layer.tar"])
            .run()?;
        remove(&self.folder)
    }
}
