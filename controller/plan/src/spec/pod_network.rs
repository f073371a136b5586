//! `spec.podNetwork`: the manifest that brings the pod network, loaded so that bundles can carry it.

use hactl_proto::spec::PodNetwork;

use super::LoadFile;
use super::field::{Fields, Value};
use super::problem::Problems;

/// Fields of `spec.podNetwork`.
pub(crate) const FIELDS: &[&str] = &["manifest"];

/// A manifest may have that many bytes at most: it travels in each control plane's bundle.
pub(crate) const MANIFEST_LIMIT: usize = 2 << 20;

pub(crate) fn read(
    body: &Fields<'_>,
    load: &mut LoadFile<'_>,
    problems: &mut Problems,
) -> Option<PodNetwork> {
    let Some(section) = body.get("podNetwork") else {
        problems.warn(
            body.at(),
            body.path(),
            "no podNetwork is named",
            "nodes stay NotReady until a pod network is there, and hactl waits for them to be Ready",
            "name a manifest as podNetwork.manifest, or apply one yourself once the API answers",
        );
        return None;
    };
    let fields = Fields::open(&section, FIELDS, problems)?;
    let value = fields.require("manifest", "it brings the pod network", problems)?;
    let path = value.text("a path relative to the spec's folder", problems)?;
    match load(path) {
        Ok(manifest) => judge(&value, path, manifest, problems),
        Err(reason) => {
            let why = format!("the bundles carry it, since nodes may have no internet: {reason}");
            value.error(
                format!("{path:?} cannot be read"),
                why,
                "give the path relative to the spec's folder",
                problems,
            );
            None
        }
    }
}

fn judge(
    value: &Value<'_>,
    path: &str,
    manifest: String,
    problems: &mut Problems,
) -> Option<PodNetwork> {
    let what = if manifest.len() > MANIFEST_LIMIT {
        format!("{path:?} has {} bytes", manifest.len())
    } else if manifest
        .lines()
        .any(|line| line.starts_with("kind:") || line.starts_with('{'))
    {
        return Some(PodNetwork { manifest });
    } else {
        format!("{path:?} holds no Kubernetes object")
    };
    let why =
        format!("it is given to kubectl apply as it stands, and may have {MANIFEST_LIMIT} bytes");
    value.error(
        what,
        why,
        "name the manifest of a pod network, as its makers publish it",
        problems,
    );
    None
}
