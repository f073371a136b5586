//! Reads this node's part in one CA. Nothing is changed; what is read of keys is wiped at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hactl_node_plan::certificate::key::belongs;
use hactl_node_plan::certificate::pem::blocks;
use hactl_node_plan::certificate::trust::{
    Files, Material, Place, TrustRecord, certificates, place, read_record, trust,
};
use hactl_node_plan::certificate::x509::Certificate;
use hactl_node_plan::plan::NodeContext;
use hactl_proto::certificate::KeySeen;
use hactl_proto::rotation::{Authority, TrustSeen};
use zeroize::Zeroizing;

use crate::host::Host;
use crate::paths::Paths;

/// Reads it.
pub async fn seen<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
    authority: Authority,
) -> TrustSeen {
    let mut files = Files::new();
    let mut signs = false;
    if let Some(place) = place(authority) {
        let leaves = place.leaves.iter().map(|(_, file, _)| *file);
        for file in leaves.chain([place.bundle]) {
            match host.read(Path::new(file)).await {
                Ok(Some(bytes)) => drop(files.insert(file.to_owned(), Ok(Zeroizing::new(bytes)))),
                Ok(None) => {}
                Err(error) => drop(files.insert(file.to_owned(), Err(error.to_string()))),
            }
        }
        signs = signer(host, place).await.is_some();
    }
    let aside: Vec<Certificate> = aside(host, paths, authority)
        .await
        .into_iter()
        .map(|(certificate, _)| certificate)
        .collect();
    let material = Material {
        node: node.node.clone(),
        at: host.now(),
        files: &files,
        aside: &aside,
        signs,
        record: record(host, paths).await,
    };
    trust(authority, &material)
}

/// CAs whose rotation is under way on this node: another pair than the one that signs lies here, from its first stage to its last.
pub async fn rotating<H: Host>(
    host: &H,
    node: &NodeContext,
    paths: &Paths,
) -> Result<BTreeSet<Authority>, String> {
    let mut found = BTreeSet::new();
    for authority in Authority::ALL {
        let folder = paths.authorities(authority);
        let entries = host
            .list(&folder)
            .await
            .map_err(|error| error.to_string())?;
        if entries.is_none_or(|entries| entries.is_empty()) {
            continue;
        }
        let seen = seen(host, node, paths, authority).await;
        if seen
            .holds
            .iter()
            .any(|one| seen.signer.as_ref() != Some(one))
        {
            found.insert(authority);
        }
    }
    Ok(found)
}

/// What the agent keeps of what processes took up.
pub async fn record<H: Host>(host: &H, paths: &Paths) -> Result<Option<TrustRecord>, String> {
    let file = paths.trust_record();
    let bytes = host.read(&file).await.map_err(|error| error.to_string())?;
    bytes
        .map(|bytes| read_record(&String::from_utf8_lossy(&bytes)))
        .transpose()
}

/// The first certificate of the CA's file, where its key is beside it.
pub async fn signer<H: Host>(host: &H, place: Place) -> Option<Certificate> {
    pair(host, Path::new(place.bundle), Path::new(place.key)).await
}

/// Whole pairs that lie aside, each with its certificate's file.
pub async fn aside<H: Host>(
    host: &H,
    paths: &Paths,
    authority: Authority,
) -> Vec<(Certificate, PathBuf)> {
    let folder = paths.authorities(authority);
    let entries = host.list(&folder).await.ok().flatten().unwrap_or_default();
    let mut found = Vec::new();
    for entry in entries.into_iter().filter(|entry| !entry.folder) {
        let file = folder.join(&entry.name);
        if file.extension().is_none_or(|end| end != "crt") {
            continue;
        }
        if let Some(one) = pair(host, &file, &file.with_extension("key")).await {
            found.push((one, file));
        }
    }
    found
}

/// The first certificate of a file, where that key is its own.
async fn pair<H: Host>(host: &H, certificate: &Path, key: &Path) -> Option<Certificate> {
    let bytes = host.read(certificate).await.ok()??;
    let first = certificates(&bytes).ok()?.into_iter().next()?;
    let key = Zeroizing::new(host.read(key).await.ok()??);
    let key = blocks(&key).ok()?.into_iter().next()?;
    (belongs(&key, &first) == KeySeen::Belongs).then_some(first)
}
