//! Effects of a rotation of a CA. Before a file is changed, every process that reads it is marked; each is unmarked once it has begun anew.

use std::path::Path;
use std::time::Duration;

use hactl_node_plan::certificate::pem::{blocks, written_as};
use hactl_node_plan::certificate::trust::{
    Place, TakenUp, TrustRecord, certificates, fingerprint, mark, place, takes_up,
};
use hactl_node_plan::kubeadm::kubectl::Kubectl;
use hactl_node_plan::kubeadm::output::config_map;
use hactl_node_plan::step::certificates::StaticPod;
use hactl_proto::instruction::Order;
use hactl_proto::rollout::RolloutOrder;
use hactl_proto::rotation::{Fingerprint, RotationOrder, Stage, TrustSeen};
use zeroize::Zeroizing;

use super::EVERY;
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::Host;
use crate::inspect::rollout::ask;
use crate::inspect::trust;

const PUBLIC: u32 = 0o644;
const CLOSED: u32 = 0o600;
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

fn order<H>(cx: &ExecuteContext<H>) -> Result<(&RotationOrder, Place), StepError> {
    let order = rotation(cx);
    let place = order.and_then(|order| place(order.authority));
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

/// The successor behind the one that signs: kubeadm and the controller manager take the first.
pub(super) async fn trust_successor<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (order, place) = order(cx)?;
    let seen = look(cx, order).await;
    let mut texts = texts(cx, Path::new(place.bundle)).await?;
    if texts.iter().any(|(one, _)| *one == order.to) {
        return Ok(());
    }
    texts.push((order.to.clone(), pair(cx, order).await?.0));
    note(cx, &seen, None).await?;
    write(cx, place, &texts).await
}

/// Key and certificate change places with the successor's. The key first: whoever signs meanwhile fails, and signs with no other's name.
pub(super) async fn sign_with_successor<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (order, place) = order(cx)?;
    let seen = look(cx, order).await;
    let own = trust::signer(&*cx.host, place).await;
    if own.as_ref().and_then(fingerprint).as_ref() == Some(&order.to) {
        return Ok(());
    }
    let (certificate, key) = pair(cx, order).await?;
    if let Some(own) = own.as_ref().and_then(fingerprint) {
        put_aside(cx, order, place, &own).await?;
    }
    note(cx, &seen, None).await?;
    let mut texts = texts(cx, Path::new(place.bundle)).await?;
    texts.retain(|(one, _)| *one != order.to);
    texts.insert(0, (order.to.clone(), certificate));
    cx.host.replace(Path::new(place.key), &key, CLOSED).await?;
    write(cx, place, &texts).await
}

/// The successor alone. It has to be the one that signs: what is signed by another would be believed by nobody.
pub(super) async fn trust_successor_alone<H: Host>(
    cx: &ExecuteContext<H>,
) -> Result<(), StepError> {
    let (order, place) = order(cx)?;
    let seen = look(cx, order).await;
    let own = trust::signer(&*cx.host, place).await;
    if own.as_ref().and_then(fingerprint).as_ref() != Some(&order.to) {
        return Err(StepError::state(
            "believe the successor alone",
            format!("{} is not of the CA {}", place.key, order.to),
            "The stage before has to be through.",
        ));
    }
    let mut texts = texts(cx, Path::new(place.bundle)).await?;
    texts.retain(|(one, _)| *one == order.to);
    note(cx, &seen, Some(&order.to)).await?;
    write(cx, place, &texts).await
}

/// What that pod takes up if it begins now; nothing: it does not read this CA.
pub(super) async fn before<H: Host>(
    cx: &ExecuteContext<H>,
    pod: StaticPod,
) -> Result<Option<TakenUp>, StepError> {
    let Some(order) = rotation(cx) else {
        return Ok(None);
    };
    let readers = place(order.authority).map_or(&[][..], |place| place.pods);
    if !readers.contains(&pod) {
        return Ok(None);
    }
    let seen = look(cx, order).await;
    if let Some(reason) = &seen.complaint {
        return Err(StepError::state(
            format!("restart {}", pod.component()),
            reason.clone(),
            "See `hactl-controller certs`.",
        ));
    }
    Ok(takes_up(&seen, pod))
}

/// It has begun anew and is well.
pub(super) async fn took_up<H: Host>(
    cx: &ExecuteContext<H>,
    pod: StaticPod,
    taken: TakenUp,
) -> Result<(), StepError> {
    let (order, _) = order(cx)?;
    let mut record = record(cx).await?;
    record
        .processes
        .entry(order.authority)
        .or_default()
        .insert(pod.component().to_owned(), taken);
    keep(cx, &record).await
}

/// What API servers publish holds the successor; in the last stage what else it holds is withdrawn first. They add to what is there, so
/// that it is clean once the last of them believes the successor alone.
pub(super) async fn republish<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let (order, _) = order(cx)?;
    let kubectl = Kubectl::admin(cx.node.address);
    let published = || async {
        let asked = kubectl.object("kube-system", "configmap", PUBLISHED);
        let answer = ask(&*cx.host, &asked).await?;
        let data = config_map(&answer.stdout).ok_or("it can't be read")?;
        let text = data.get("requestheader-client-ca-file");
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
    Ok(())
}

/// Each certificate of a file, as it is written there.
async fn texts<H: Host>(
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
    let text: String = texts.iter().map(|(_, text)| text.as_str()).collect();
    let file = Path::new(place.bundle);
    Ok(cx.host.replace(file, text.as_bytes(), PUBLIC).await?)
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
) -> Result<(), StepError> {
    let mut record = record(cx).await?;
    let stays = alone.map(|one| std::iter::once(one.clone()).collect());
    mark(&mut record, seen, stays.as_ref());
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
