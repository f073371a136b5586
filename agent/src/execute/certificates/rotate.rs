//! Effects of a rotation of a CA. Before a file is changed, every process that reads it is marked; each is unmarked once it has begun anew.

use std::path::Path;
use std::time::Duration;

use hactl_node_plan::certificate::pem::{blocks, written_as};
use hactl_node_plan::certificate::trust::{
    Place, Process, SIGNING_CA, TakenUp, TrustRecord, certificates, fingerprint, mark, place,
    takes_up,
};
use hactl_node_plan::command::Command;
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::output::config_map;
use hactl_proto::instruction::Order;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::RolloutOrder;
use hactl_proto::rotation::{Authority, Fingerprint, RotationOrder, Stage, TrustSeen};
use zeroize::Zeroizing;

use super::{EVERY, cluster};
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::rollout::ask;
use crate::inspect::trust;

const PUBLIC: u32 = 0o644;
const CLOSED: u32 = 0o600;
const RELOAD_LIMIT: Duration = Duration::from_secs(30);
/// An API server looks at what it has published each minute.
const PUBLISH_LIMIT: Duration = Duration::from_mins(5);
/// Where API servers publish whom extension API servers believe (Kubernetes' documentation, "Configure the Aggregation Layer").
const PUBLISHED: &str = "extension-apiserver-authentication";

/// The order, where it is one of a rotation.
pub(super) fn rotation<H>(cx: &ExecuteContext<H>) -> Option<&RotationOrder> {
    match &cx.instruction.order {
        Order::Rollout(RolloutOrder::RotateAuthority(order)) => Some(order),
        _ => None,
    }
}

pub(super) fn order<H>(cx: &ExecuteContext<H>) -> Result<(&RotationOrder, Place), StepError> {
    let order = rotation(cx);
    let place = order.and_then(|order| place(order.authority, &cx.node));
    order.zip(place).ok_or_else(|| {
        StepError::state(
            "carry out a step of a rotation",
            format!("the order {} has no such step", cx.instruction.order.kind()),
            "Report this: the plan and the order do not fit.",
        )
    })
}

async fn look<H: Host>(cx: &ExecuteContext<H>, order: &RotationOrder) -> TrustSeen {
    trust::seen(&*cx.host, &cx.node, &cx.paths, order.authority).await
}

/// The successor behind the one that signs: kubeadm takes the first. The controller manager takes no file with two, and is given one with
/// the signing one alone before.
pub(super) async fn trust_successor<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (order, place) = order(cx)?;
    let seen = look(cx, order).await;
    let mut texts = texts(cx, Path::new(place.bundle)).await?;
    if !texts.iter().any(|(one, _)| *one == order.to) {
        if signs_for_cluster(cx, order) {
            cluster::sign_with_one(cx, &texts).await?;
        }
        texts.push((order.to.clone(), certificate(cx, order).await?));
        note(cx, &seen, None, place.readers).await?;
        write(cx, place, &texts).await?;
    }
    cluster::believe(cx, place, &joined(&texts)).await
}

/// Whether this is a control plane whose controller manager signs with the CA.
fn signs_for_cluster<H>(cx: &ExecuteContext<H>, order: &RotationOrder) -> bool {
    order.authority == Authority::Kubernetes && cx.node.role == NodeRole::ControlPlane
}

/// Key and certificate change places with the successor's. The key first: whoever signs meanwhile fails, and signs with no other's name. On
/// a worker, which has no key, the file names it first.
pub(super) async fn sign_with_successor<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (order, place) = order(cx)?;
    let seen = look(cx, order).await;
    let mut all = texts(cx, Path::new(place.bundle)).await?;
    let worker = cx.node.role == NodeRole::Worker;
    let own = trust::signer(&*cx.host, place).await;
    let signer = own.as_ref().and_then(fingerprint);
    let first = all.first().map(|(one, _)| one);
    if first == Some(&order.to) && (worker || signer.as_ref() == Some(&order.to)) {
        return Ok(());
    }
    let own_first = |all: &mut Vec<(Fingerprint, String)>, text: String| {
        all.retain(|(one, _)| *one != order.to);
        all.insert(0, (order.to.clone(), text));
    };
    if worker {
        own_first(&mut all, certificate(cx, order).await?);
        cluster::believe(cx, place, &joined(&all)).await?;
        return write(cx, place, &all).await;
    }
    let (certificate, key) = pair(cx, order).await?;
    if let Some(signer) = &signer {
        put_aside(cx, order, place, signer).await?;
    }
    let pods = place.readers.iter().copied();
    let pods: Vec<Process> = pods.filter(|one| matches!(one, Process::Pod(_))).collect();
    note(cx, &seen, None, &pods).await?;
    own_first(&mut all, certificate);
    cx.host.replace(Path::new(place.key), &key, CLOSED).await?;
    if signs_for_cluster(cx, order) {
        cluster::sign_with_one(cx, &all).await?;
    }
    write(cx, place, &all).await?;
    cluster::believe(cx, place, &joined(&all)).await
}

/// The successor alone. It has to be the one that signs: what is signed by another would be believed by nobody.
pub(super) async fn trust_successor_alone<H: Host>(
    cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    let (order, place) = order(cx)?;
    let seen = look(cx, order).await;
    let own = trust::signer(&*cx.host, place).await;
    let signs = own.as_ref().and_then(fingerprint).as_ref() == Some(&order.to);
    if !signs && cx.node.role == NodeRole::ControlPlane {
        return Err(StepError::state(
            "believe the successor alone",
            format!("{} is not of the CA {}", place.key, order.to),
            "The stage before has to be through.",
        ));
    }
    let all = texts(cx, Path::new(place.bundle)).await?;
    let (texts, given_up): (Vec<_>, Vec<_>) =
        all.into_iter().partition(|(one, _)| *one == order.to);
    if texts.is_empty() {
        return Err(StepError::state(
            "believe the successor alone",
            format!("{} does not hold the CA {}", place.bundle, order.to),
            "The stages before have to be through.",
        ));
    }
    if cx.node.role == NodeRole::Worker {
        // It tells that this is not through until the last step.
        for (one, text) in &given_up {
            let file = cx.paths.authorities(order.authority);
            let file = file.join(format!("{}.crt", one.as_str()));
            cx.host.replace(&file, text.as_bytes(), CLOSED).await?;
        }
    }
    note(cx, &seen, Some(&order.to), place.readers).await?;
    write(cx, place, &texts).await?;
    if signs_for_cluster(cx, order) {
        // One alone lies in the CA's own file again.
        cluster::sign_with_own(cx).await?;
    }
    cluster::believe(cx, place, &joined(&texts)).await
}

/// Kubeconfigs believe what the CA's file holds.
pub(super) async fn believe<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let Some(place) = place(Authority::Kubernetes, &cx.node) else {
        return Ok(());
    };
    let texts = texts(cx, Path::new(place.bundle)).await?;
    if texts.len() < 2 {
        // kubeadm writes the one itself.
        return Ok(());
    }
    cluster::believe(cx, place, &joined(&texts)).await
}

pub(super) async fn publish_cluster_info<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (_, place) = order(cx)?;
    let texts = texts(cx, Path::new(place.bundle)).await?;
    cluster::publish(cx, &joined(&texts)).await
}

/// HAProxy reads the CA that it verifies API servers with when it begins. Open connections stay with the old process.
pub(super) async fn reload_haproxy<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let takes_up = before(cx, Process::Haproxy).await?;
    let reload = Command::new("systemctl", ["reload-or-restart", "haproxy.service"]);
    cx.run(&reload).await?;
    let active = Command::new("systemctl", ["is-active", "haproxy.service"]);
    cx.wait("haproxy.service active", EVERY, RELOAD_LIMIT, || async {
        let output = cx.host.run(&active).await?;
        Ok(match output.stdout.trim() {
            "active" => Condition::Met(()),
            state => Condition::Pending(state.to_owned()),
        })
    })
    .await?;
    match takes_up {
        Some(taken) => took_up(cx, Process::Haproxy, taken).await,
        None => Ok(()),
    }
}

/// What that process takes up if it begins now; nothing: it does not read this CA.
pub(super) async fn before<H: Host>(
    cx: &ExecuteContext<H>,
    process: Process,
) -> Result<Option<TakenUp>, StepError> {
    let found = rotation(cx).and_then(|order| Some((order, place(order.authority, &cx.node)?)));
    let Some((order, place)) = found.filter(|(_, place)| place.readers.contains(&process)) else {
        return Ok(None);
    };
    let seen = look(cx, order).await;
    if let Some(reason) = &seen.complaint {
        return Err(StepError::state(
            format!("restart {}", process.name()),
            reason.clone(),
            "See `hactl-controller certs`.",
        ));
    }
    Ok(Some(takes_up(&seen, place, process)))
}

/// It has begun anew and is well.
pub(super) async fn took_up<H: Host>(
    cx: &ExecuteContext<H>,
    process: Process,
    taken: TakenUp,
) -> Result<(), StepError> {
    let (order, _) = order(cx)?;
    let mut record = record(cx).await?;
    record
        .processes
        .entry(order.authority)
        .or_default()
        .insert(process.name().to_owned(), taken);
    keep(cx, &record).await
}

/// What API servers publish holds the successor; in the last stage what else it holds is withdrawn first. They add to what is there, so
/// that it is clean once the last of them believes the successor alone.
pub(super) async fn republish<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (order, place) = order(cx)?;
    let Some(field) = place.published else {
        return Ok(());
    };
    let kubectl = Kubectl::admin(cx.node.address);
    let published = || async {
        let asked = kubectl.object("kube-system", "configmap", PUBLISHED);
        let answer = ask(&*cx.host, &asked).await?;
        let data = config_map(&answer.stdout).ok_or("it can't be read")?;
        let text = data.get(field);
        let all = certificates(text.map_or("", String::as_str).as_bytes())?;
        Ok::<Vec<Fingerprint>, String>(all.iter().filter_map(fingerprint).collect())
    };
    let others = |all: &[Fingerprint]| all.iter().any(|one| *one != order.to);
    if order.stage == Stage::Distrust && !matches!(published().await, Ok(all) if !others(&all)) {
        cx.run(&kubectl.delete("kube-system", "configmap", [PUBLISHED]))
            .await?;
    }
    let name = format!("the CA {} published to extension API servers", order.to);
    cx.wait(&name, EVERY, PUBLISH_LIMIT, || async {
        Ok(match published().await {
            Ok(all) if all.contains(&order.to) => Condition::Met(()),
            Ok(_) => Condition::Pending(format!("{PUBLISHED} does not hold it yet")),
            Err(reason) => Condition::Pending(reason),
        })
    })
    .await
}

/// Only the successor's pair stays, where kubeadm has it. What was taken up is what the file holds from now on.
pub(super) async fn forget_others<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (order, _) = order(cx)?;
    cx.host
        .remove(&cx.paths.authorities(order.authority))
        .await?;
    let mut record = record(cx).await?;
    if record.processes.remove(&order.authority).is_some() {
        keep(cx, &record).await?;
    }
    if signs_for_cluster(cx, order) {
        cx.host.remove(Path::new(SIGNING_CA)).await?;
    }
    Ok(())
}

/// Each certificate of a file, as it is written there.
pub(super) async fn texts<H: Host>(
    cx: &ExecuteContext<H>,
    file: &Path,
) -> Result<Vec<(Fingerprint, String)>, StepError> {
    let bytes = cx.host.read(file).await?.unwrap_or_default();
    let unreadable = |reason: String| {
        StepError::state(
            format!("read {}", file.display()),
            reason,
            "See `hactl-controller certs`.",
        )
    };
    let all = certificates(&bytes).map_err(unreadable)?;
    let written = blocks(&bytes).map_err(|fault| unreadable(fault.to_string()))?;
    let texts = all
        .iter()
        .zip(&written)
        .filter_map(|(one, block)| Some((fingerprint(one)?, written_as(&block.der))));
    Ok(texts.collect())
}

async fn write<H: Host>(
    cx: &ExecuteContext<H>,
    place: Place,
    texts: &[(Fingerprint, String)],
) -> Result<(), StepError> {
    let file = Path::new(place.bundle);
    let text = joined(texts);
    Ok(cx.host.replace(file, text.as_bytes(), PUBLIC).await?)
}

fn joined(texts: &[(Fingerprint, String)]) -> String {
    texts.iter().map(|(_, text)| text.as_str()).collect()
}

/// The successor's certificate, of those that lie aside: a worker has no key beside it.
async fn certificate<H: Host>(
    cx: &ExecuteContext<H>,
    order: &RotationOrder,
) -> Result<String, StepError> {
    if cx.node.role == NodeRole::ControlPlane {
        return Ok(pair(cx, order).await?.0);
    }
    // Once both are believed it is in the file itself.
    let place = place(order.authority, &cx.node);
    let files = place.map(|place| Path::new(place.bundle).to_owned());
    let told = trust::told(&*cx.host, &cx.paths, order.authority).await;
    for file in told.into_iter().map(|(_, file)| file).chain(files) {
        let found = texts(cx, &file).await?.into_iter();
        if let Some((_, text)) = found.into_iter().find(|(one, _)| *one == order.to) {
            return Ok(text);
        }
    }
    Err(StepError::state(
        "take the successor's certificate",
        format!("the CA {} was not told to this node", order.to),
        "`hactl-controller certs rotate-ca` tells it in a worker's turn.",
    ))
}

/// The successor's certificate and key, of those that lie aside.
async fn pair<H: Host>(
    cx: &ExecuteContext<H>,
    order: &RotationOrder,
) -> Result<(String, Zeroizing<Vec<u8>>), StepError> {
    let aside = trust::aside(&*cx.host, &cx.paths, order.authority).await;
    let found = aside
        .into_iter()
        .find(|(one, _)| fingerprint(one).as_ref() == Some(&order.to));
    let missing = || {
        StepError::state(
            "take the successor's pair",
            format!("the CA {} does not lie aside whole", order.to),
            "`hactl-controller certs rotate-ca` brings it in its first stage.",
        )
    };
    let (_, file) = found.ok_or_else(missing)?;
    let texts = texts(cx, &file).await?;
    let (_, certificate) = texts.into_iter().next().ok_or_else(missing)?;
    let key = cx.host.read(&file.with_extension("key")).await?;
    Ok((certificate, Zeroizing::new(key.ok_or_else(missing)?)))
}

/// The pair in force, beside the successor's: a rotation can be turned back as long as it lies there.
async fn put_aside<H: Host>(
    cx: &ExecuteContext<H>,
    order: &RotationOrder,
    place: Place,
    own: &Fingerprint,
) -> Result<(), StepError> {
    let folder = cx.paths.authorities(order.authority);
    let to = |end: &str| folder.join(format!("{}.{end}", own.as_str()));
    let certificate = texts(cx, Path::new(place.bundle)).await?;
    let key = cx.host.read(Path::new(place.key)).await?;
    if let (Some((_, text)), Some(key)) = (certificate.first(), key.map(Zeroizing::new)) {
        cx.host.replace(&to("key"), &key, CLOSED).await?;
        cx.host.replace(&to("crt"), text.as_bytes(), CLOSED).await?;
    }
    Ok(())
}

/// Marks every process that reads the file, durably, before the file is changed.
async fn note<H: Host>(
    cx: &ExecuteContext<H>,
    seen: &TrustSeen,
    alone: Option<&Fingerprint>,
    processes: &[Process],
) -> Result<(), StepError> {
    let mut record = record(cx).await?;
    let stays = alone.map(|one| std::iter::once(one.clone()).collect());
    mark(&mut record, seen, stays.as_ref(), processes.iter().copied());
    keep(cx, &record).await
}

async fn record<H: Host>(cx: &ExecuteContext<H>) -> Result<TrustRecord, StepError> {
    let found = trust::record(&*cx.host, &cx.paths).await;
    found.map(Option::unwrap_or_default).map_err(|reason| {
        StepError::state(
            "read what processes took up",
            reason,
            "Look at /var/lib/hactl/certificates/trust.json; without it all of them begin anew.",
        )
    })
}

async fn keep<H: Host>(cx: &ExecuteContext<H>, record: &TrustRecord) -> Result<(), StepError> {
    // Plain data with string keys: serializing it cannot fail.
    let text = serde_json::to_vec_pretty(record).unwrap_or_default();
    let file = cx.paths.trust_record();
    Ok(cx.host.replace(&file, &text, CLOSED).await?)
}
