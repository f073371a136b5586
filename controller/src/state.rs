//! The operator's state folder: where it is, and the spec that its bundles were made from.
//!
//! Keys and certificates in it are `trust`'s. Losing the folder loses the right to operate the cluster, never the cluster.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use hactl_proto::name::ClusterName;
use hactl_proto::spec::ClusterSpec;
use serde::{Deserialize, Serialize};

use crate::exit::Failure;

/// The spec in the folder, as JSON.
const SPEC: &str = "spec.json";

/// The spec that bundles were made from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Kept {
    /// Raised at each change of the spec.
    pub generation: u64,
    /// The spec.
    pub spec: ClusterSpec,
}

/// Where state folders are looked for.
#[derive(Debug, Clone)]
pub struct Places {
    /// The folder that the operator named.
    pub named: Option<PathBuf>,
    /// The cluster that the operator named.
    pub cluster: Option<String>,
    /// The folder of all clusters' folders; `None` where there is no home.
    pub base: Option<PathBuf>,
}

impl Places {
    /// The base by the XDG rules: `$XDG_STATE_HOME/hactl`, else `~/.local/state/hactl`. A relative path counts as unset
    /// (XDG Base Directory Specification).
    pub fn base_of(state_home: Option<PathBuf>, home: Option<PathBuf>) -> Option<PathBuf> {
        let state_home = state_home.filter(|path| path.is_absolute());
        let base = state_home.or_else(|| home.map(|home| home.join(".local/state")));
        base.map(|base| base.join("hactl"))
    }

    /// Where a new cluster's folder goes.
    pub fn for_new(&self, name: &ClusterName) -> Result<PathBuf, Failure> {
        match (&self.named, &self.base) {
            (Some(named), _) => Ok(named.clone()),
            (None, Some(base)) => Ok(base.join(name.as_str())),
            (None, None) => Err(no_home()),
        }
    }

    /// The folder of the one cluster that is meant.
    pub fn existing(&self) -> Result<PathBuf, Failure> {
        if let Some(named) = &self.named {
            return Ok(named.clone());
        }
        let base = self.base.as_ref().ok_or_else(no_home)?;
        if let Some(cluster) = &self.cluster {
            let name = ClusterName::new(cluster.as_str())
                .map_err(|error| Failure::Usage(error.to_string()))?;
            return Ok(base.join(name.as_str()));
        }
        let mut clusters = clusters_in(base)?;
        match (clusters.pop(), clusters.is_empty()) {
            (Some(only), true) => Ok(base.join(only)),
            (None, _) => Err(Failure::Usage(format!(
                "there is no cluster in {}: make one with `hactl-controller init SPEC`, or name its folder with --state",
                base.display()
            ))),
            (Some(last), false) => Err(Failure::Usage(format!(
                "there are several clusters in {}: {}, {last}; name one with --cluster",
                base.display(),
                clusters.join(", ")
            ))),
        }
    }
}

fn no_home() -> Failure {
    Failure::Usage(
        "neither XDG_STATE_HOME nor HOME is set: name the state folder with --state".to_owned(),
    )
}

fn clusters_in(base: &Path) -> Result<Vec<String>, Failure> {
    let doing = || format!("list {}", base.display());
    let entries = match fs::read_dir(base) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(Failure::failed(doing())(error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Failure::failed(doing()))?;
        if entry.path().join(SPEC).exists() {
            names.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// Reads the spec of a state folder; `None` where there is none.
pub fn read(folder: &Path) -> Result<Option<Kept>, Failure> {
    let path = folder.join(SPEC);
    let doing = || format!("read {}", path.display());
    match fs::read(&path) {
        Ok(json) => serde_json::from_slice(&json)
            .map(Some)
            .map_err(Failure::failed(doing())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Failure::failed(doing())(error)),
    }
}

/// Reads the spec of a state folder that has to have one.
pub fn read_present(folder: &Path) -> Result<Kept, Failure> {
    read(folder)?.ok_or_else(|| {
        let folder = folder.display();
        Failure::Usage(format!(
            "{folder} has no {SPEC}: it is no state folder; see `hactl-controller init --help`"
        ))
    })
}

/// Writes the spec whole: a crash leaves the old one or the new one.
pub fn write(folder: &Path, kept: &Kept) -> Result<(), Failure> {
    let path = folder.join(SPEC);
    let fresh = folder.join(format!("{SPEC}.new"));
    let doing = || format!("write {}", path.display());
    let json = serde_json::to_vec_pretty(kept).map_err(Failure::failed(doing()))?;
    let written = || -> std::io::Result<()> {
        fs::write(&fresh, &json)?;
        fs::File::open(&fresh)?.sync_all()?;
        fs::rename(&fresh, &path)?;
        fs::File::open(folder)?.sync_all()
    };
    written().map_err(Failure::failed(doing()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::samples::cluster_spec;

    fn places(base: &Path) -> Places {
        Places {
            named: None,
            cluster: None,
            base: Some(base.to_owned()),
        }
    }

    fn keep(base: &Path, name: &str) -> PathBuf {
        let folder = base.join(name);
        fs::create_dir_all(&folder).unwrap();
        write(
            &folder,
            &Kept {
                generation: 2,
                spec: cluster_spec(),
            },
        )
        .unwrap();
        folder
    }

    #[test]
    fn what_is_kept_reads_back() {
        let base = tempfile::tempdir().unwrap();
        let folder = keep(base.path(), "prod");
        assert_eq!(
            read_present(&folder).unwrap(),
            Kept {
                generation: 2,
                spec: cluster_spec()
            }
        );
        assert_eq!(read(base.path()).unwrap(), None);
        assert!(
            read_present(base.path())
                .unwrap_err()
                .to_string()
                .contains("no state folder")
        );
        fs::write(folder.join(SPEC), "{").unwrap();
        assert!(read(&folder).is_err());
    }

    #[test]
    fn the_only_cluster_is_meant_and_of_several_one_must_be_named() {
        let base = tempfile::tempdir().unwrap();
        let mut places = places(base.path());
        assert!(
            places
                .existing()
                .unwrap_err()
                .to_string()
                .contains("no cluster")
        );
        let prod = keep(base.path(), "prod");
        assert_eq!(places.existing().unwrap(), prod);
        keep(base.path(), "test");
        let error = places.existing().unwrap_err().to_string();
        assert!(error.contains("prod, test"), "{error}");
        places.cluster = Some("prod".to_owned());
        assert_eq!(places.existing().unwrap(), prod);
        places.cluster = Some("../prod".to_owned());
        assert!(places.existing().is_err());
        places.named = Some(PathBuf::from("/elsewhere"));
        assert_eq!(places.existing().unwrap(), Path::new("/elsewhere"));
    }

    #[test]
    fn the_base_follows_xdg() {
        let base = |state: Option<&str>, home: Option<&str>| {
            Places::base_of(state.map(PathBuf::from), home.map(PathBuf::from))
                .map(|path| path.display().to_string())
        };
        assert_eq!(base(Some("/s"), Some("/h")).as_deref(), Some("/s/hactl"));
        assert_eq!(
            base(Some("relative"), Some("/h")).as_deref(),
            Some("/h/.local/state/hactl")
        );
        assert_eq!(base(None, None), None);
    }
}
