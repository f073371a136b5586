//! The Kubernetes versions at hand: folders of binaries in the cache, one a version. The lab builds those of Debian's
//! source package itself; any further folder that somebody put there is as good.

use std::fmt::{self, Write as _};
use std::fs;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use crate::cache::{Cache, name_of};
use crate::kubernetes_build;
use crate::program::program;

/// What a folder must hold to be a version.
pub(crate) const BINARIES: [&str; 7] = [
    "kubeadm",
    "kubelet",
    "kubectl",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kube-proxy",
];

/// A version such as v1.20.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(crate) struct Version {
    pub(crate) major: u16,
    pub(crate) minor: u16,
    pub(crate) patch: u16,
}

/// A version whose binaries are there.
pub(crate) struct Kubernetes {
    pub(crate) version: Version,
    pub(crate) dir: PathBuf,
}

impl Kubernetes {
    /// The version from the cache; built where the lab knows how to.
    pub(crate) fn obtain(cache: &Cache, version: Version) -> Result<Self> {
        let dir = cache.path(format!("kubernetes/{version}"));
        if !is_complete(&dir) {
            if !kubernetes_build::knows(version) {
                bail!(
                    "Kubernetes {version} is not there: put {} into {} (dl.k8s.io has them), or take {}",
                    BINARIES.join(", "),
                    dir.display(),
                    kubernetes_build::BUILT
                );
            }
            kubernetes_build::build(cache, version, &dir)?;
            ensure!(
                is_complete(&dir),
                "the build of Kubernetes {version} left no full set in {}",
                dir.display()
            );
        }
        Ok(Self { version, dir })
    }

    /// Every version in the cache.
    pub(crate) fn found(cache: &Cache) -> Vec<Self> {
        let folders = fs::read_dir(cache.path("kubernetes"))
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path());
        let mut found: Vec<Self> = folders
            .filter(|dir| is_complete(dir))
            .filter_map(|dir| {
                Some(Self {
                    version: name_of(&dir).parse().ok()?,
                    dir,
                })
            })
            .collect();
        found.sort_by_key(|kubernetes| kubernetes.version);
        found
    }

    /// A file of the folder.
    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// Further Debian packages of the folder, which nodes of this version get too.
    pub(crate) fn packages(&self) -> Vec<PathBuf> {
        let files = fs::read_dir(&self.dir).into_iter().flatten().flatten();
        let mut packages: Vec<PathBuf> = files
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|end| end == "deb"))
            .collect();
        packages.sort();
        packages
    }

    /// The images that this kubeadm wants, as it names them itself.
    pub(crate) fn image_names(&self) -> Result<Vec<String>> {
        let list = program(self.file("kubeadm"))
            .words("config images list --kubernetes-version")
            .arg(self.version.to_string())
            .run()
            .context("failed to ask kubeadm for its images")?;
        Ok(list
            .lines()
            .map(str::trim)
            .filter(|line| line.contains(':'))
            .map(str::to_owned)
            .collect())
    }

    /// What the folder is made of, as a key for what is made from it.
    pub(crate) fn key(&self) -> Result<String> {
        let mut key = format!("{}\n", self.version);
        let files = BINARIES.iter().chain(&["etcd", "etcdctl"]);
        let files = files.map(|name| self.file(name)).chain(self.packages());
        for file in files.filter(|file| file.exists()) {
            let meta = fs::metadata(&file)?;
            let modified = meta
                .modified()?
                .duration_since(std::time::UNIX_EPOCH)
                .unwrap_or_default();
            let name = name_of(&file);
            writeln!(key, "{name} {} {}", meta.len(), modified.as_secs())?;
        }
        Ok(key)
    }
}

impl Version {
    /// The version of kubeadm's configuration that a kubeadm of this version takes.
    pub(crate) fn kubeadm_config(self) -> &'static str {
        match self.minor {
            ..=21 => "kubeadm.k8s.io/v1beta2",
            22..=30 => "kubeadm.k8s.io/v1beta3",
            31.. => "kubeadm.k8s.io/v1beta4",
        }
    }

    /// Whether the kubelet refuses the host's cgroup v1 unless told otherwise.
    pub(crate) fn refuses_cgroup_v1(self) -> bool {
        self.minor >= 35
    }
}

impl FromStr for Version {
    type Err = anyhow::Error;
    fn from_str(text: &str) -> Result<Self> {
        let numbers: Option<Vec<u16>> = text
            .strip_prefix('v')
            .unwrap_or(text)
            .split('.')
            .map(|part| part.parse().ok())
            .collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self {
                major,
                minor,
                patch,
            }),
            _ => bail!("{text:?} is no version such as v1.20.2"),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "v{}.{}.{}", self.major, self.minor, self.patch)
    }
}

impl TryFrom<String> for Version {
    type Error = anyhow::Error;
    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

fn is_complete(dir: &Path) -> bool {
    BINARIES.iter().all(|name| dir.join(name).is_file())
}
