//! Reads this node's part in one CA. Nothing is changed; what is read of keys is wiped at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use hactl_node_plan::bootstrap::record::Record;
use hactl_node_plan::certificate::key::belongs;
use hactl_node_plan::certificate::pem::blocks;
use hactl_node_plan::certificate::trust::{
    Files, Material, Place, TrustRecord, certificates, place, pods as given, read_record, trust,
};
use hactl_node_plan::certificate::x509::Certificate;
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::plan::NodeContext;
use hactl_proto::certificate::KeySeen;
use hactl_proto::role::NodeRole;
use hactl_proto::rotation::{Authority, PodsSeen, TrustSeen};
use zeroize::Zeroizing;

use crate::host::Host;
use crate::inspect::kubernetes::ca_fingerprint;
use crate::inspect::rollout::ask;
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
    let place = place(authority, node);
    if let Some(place) = place {
        let leaves = place.leaves.iter().map(|leaf| leaf.file);
        for file in leaves.chain([place.bundle]) {
            match host.read(Path::new(file)).await {
                Ok(Some(bytes)) => drop(files.insert(file.to_owned(), Ok(Zeroizing::new(bytes)))),
                Ok(None) => {}
                Err(error) => drop(files.insert(file.to_owned(), Err(error.to_string()))),
            }
        }
        signs = signer(host, place).await.is_some();
    }
    let aside = if node.role == NodeRole::ControlPlane {
        aside(host, paths, authority).await
    } else {
        told(host, paths, authority).await
    };
    let aside: Vec<Certificate> = aside.into_iter().map(|(one, _)| one).collect();
    let material = Material {
        node: node.node.clone(),
        at: host.now(),
        place,
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

/// Of which cluster this node is, its record says by that cluster's CA: it follows a successor while the file holds both. A node whose record
/// has not followed would refuse its own cluster once the file holds the successor alone.
pub async fn other_record<H: Host>(host: &H, paths: &Paths) -> Option<String> {
    let bytes = host.read(&paths.standing()).await.ok()??;
    let record: Record = serde_json::from_slice(&bytes).ok()?;
    let known = record.identity()?;
    let held = ca_fingerprint(host).await.known().cloned().flatten()?;
    (!known.authorities().any(|one| one == held)).then(|| {
        let known = &known.ca_fingerprint;
        format!("its record of the cluster names {known}, and has not followed {held} yet")
    })
}

/// What pods were given to believe, and which of them began before.
pub async fn pods<H: Host>(host: &H, node: &NodeContext) -> PodsSeen {
    let kubectl = Kubectl::admin(node.address);
    let asked = async {
        let maps = ask(host, &kubectl.root_authorities()).await?;
        let secrets = ask(host, &kubectl.token_secrets()).await?;
        let all = ask(host, &kubectl.pods(None)).await?;
        Ok::<_, String>(given::pods(&maps.stdout, &secrets.stdout, &all.stdout))
    };
    asked.await.unwrap_or_else(given::unknown)
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

/// Certificates of CAs that a worker was told of: it has no key of any.
pub async fn told<H: Host>(
    host: &H,
    paths: &Paths,
    authority: Authority,
) -> Vec<(Certificate, PathBuf)> {
    let folder = paths.authorities(authority);
    let entries = host.list(&folder).await.ok().flatten().unwrap_or_default();
    let mut found = Vec::new();
    for entry in entries.into_iter().filter(|entry| !entry.folder) {
        let file = folder.join(&entry.name);
        let bytes = host.read(&file).await.ok().flatten().unwrap_or_default();
        let first = certificates(&bytes)
            .ok()
            .and_then(|all| all.into_iter().next());
        found.extend(first.map(|one| (one, file)));
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
