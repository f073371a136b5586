//! One static pod begins anew: its manifest goes away until the container runtime runs it no more, then comes back. A container
//! that is only stopped may be started by a kubelet that read nothing anew; a manifest that is gone leaves no doubt.
//!
//! The manifest lies in the agent's own folder meanwhile. Wherever this is cut off, it is put back: by the step repeated, and by the
//! agent's next start before anything else.
//!
//! Without an API that does not work: a kubelet that has heard of none since it started ends no pod whose manifest goes ("skipping delete
//! because sources aren't ready yet", `deletePod` in its kubelet.go, seen on v1.20.2). The process itself is ended then, and a
//! kubelet started anew starts the next one at once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use hactl_node_plan::certificate::trust::Process;
use hactl_node_plan::kubeadm::layout;
use hactl_node_plan::rollout::images;
use hactl_node_plan::step::certificates::StaticPod;
use hactl_node_plan::systemd;
use hactl_proto::rotation::Stage;

use super::{EVERY, keep, order, rotate};
use crate::execute::rollout::wait;
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::host::{Host, HostError};
use crate::inspect::kubernetes::api_server;
use crate::inspect::rollout::{running, running_of};
use crate::paths::Paths;

/// The kubelet looks at its folder every 20 seconds where it does not hear of changes; an API server ends its requests first.
const GONE_LIMIT: Duration = Duration::from_mins(3);
/// As long as a kubelet gives a static pod before it kills it.
const GRACE_LIMIT: Duration = Duration::from_secs(30);
/// Above the five minutes to which a kubelet's back-off grows for a static pod that begins anew again and again.
const BACK_LIMIT: Duration = Duration::from_mins(8);
const MODE: u32 = 0o600;

fn manifest(component: &str) -> PathBuf {
    Path::new(layout::MANIFESTS).join(format!("{component}.yaml"))
}

fn folder(paths: &Paths) -> PathBuf {
    paths.certificates().join("manifests")
}

/// Begins it anew and waits until it is well.
pub(super) async fn restart<H: Host>(
    cx: &ExecuteContext<H>,
    pod: StaticPod,
) -> Result<(), StepError> {
    let component = pod.component();
    let takes_up = rotate::before(cx, Process::Pod(pod)).await?;
    let (place, held) = (
        manifest(component),
        folder(&cx.paths).join(format!("{component}.yaml")),
    );
    let (_, without_api) = order(cx)?;
    if without_api {
        back(&*cx.host, &held, &place).await?;
        if cx.host.read(&place).await?.is_none() {
            return Err(missing(component, &place));
        }
        end_process(cx, component).await?;
        // What has crashed for hours is started with minutes between: a fresh kubelet knows nothing of that.
        cx.run(&systemd::restart("kubelet.service")).await?;
    } else {
        take_away(cx, component, &place, &held).await?;
    }
    well(cx, pod).await?;
    if let Some(taken) = takes_up {
        rotate::took_up(cx, Process::Pod(pod), taken).await?;
    }
    // The first and the last stage of a rotation renew nothing.
    if rotate::rotation(cx).is_some_and(|order| order.stage != Stage::Reissue) {
        return Ok(());
    }
    keep::record(cx, |progress| {
        progress.restarted.insert(component.to_owned());
    })
    .await
}

fn missing(component: &str, place: &Path) -> StepError {
    StepError::state(
        format!("restart {component}"),
        format!("{} is not there", place.display()),
        "Make it anew with `kubeadm init phase control-plane` or `etcd local`, then renew again.",
    )
}

/// Its manifest goes until the container is gone, and comes back.
async fn take_away<H: Host>(
    cx: &ExecuteContext<H>,
    component: &str,
    place: &Path,
    held: &Path,
) -> Result<(), StepError> {
    if let Some(text) = cx.host.read(place).await? {
        cx.host.replace(held, &text, MODE).await?;
        cx.host.remove(place).await?;
    } else if cx.host.read(held).await?.is_none() {
        return Err(missing(component, place));
    }
    let gone = gone(cx, component).await;
    // In any case: a node without its manifest is worse off than with the old certificate.
    back(&*cx.host, held, place).await?;
    gone
}

/// Each container of it that runs is ended, first politely.
async fn end_process<H: Host>(cx: &ExecuteContext<H>, component: &str) -> Result<(), StepError> {
    let what = format!("look which containers of {component} run");
    let remedy = "Look whether the container runtime answers, then renew again.";
    let old = running_of(&*cx.host, component).await;
    let old = old.map_err(|reason| StepError::state(what, reason, remedy))?;
    for (signal, limit) in [("SIGTERM", GRACE_LIMIT), ("SIGKILL", GONE_LIMIT)] {
        for container in &old {
            // One that ended meanwhile is none to end; whether it has is looked at below.
            cx.host.run(&images::end(container, signal)).await?;
        }
        let ended = ended(cx, component, &old, limit).await;
        if ended.is_ok() || signal == "SIGKILL" {
            return ended;
        }
    }
    Ok(())
}

async fn ended<H: Host>(
    cx: &ExecuteContext<H>,
    component: &str,
    old: &BTreeSet<String>,
    limit: Duration,
) -> Result<(), StepError> {
    let name = format!("{component} ended on {}", cx.node.node);
    cx.wait(&name, EVERY, limit, || async {
        Ok(match running_of(&*cx.host, component).await {
            Ok(running) if running.is_disjoint(old) => Condition::Met(()),
            Ok(_) => Condition::Pending("its container still runs".to_owned()),
            Err(reason) => Condition::Pending(reason),
        })
    })
    .await
}

async fn gone<H: Host>(cx: &ExecuteContext<H>, component: &str) -> Result<(), StepError> {
    let name = format!("{component} ended on {}", cx.node.node);
    cx.wait(&name, EVERY, GONE_LIMIT, || async {
        Ok(match running(&*cx.host).await {
            Ok(running) if !running.contains_key(component) => Condition::Met(()),
            Ok(_) => Condition::Pending("its container still runs".to_owned()),
            Err(reason) => Condition::Pending(reason),
        })
    })
    .await
}

async fn well<H: Host>(cx: &ExecuteContext<H>, pod: StaticPod) -> Result<(), StepError> {
    let (_, without_api) = order(cx)?;
    let component = pod.component();
    let name = format!("{component} runs again on {}", cx.node.node);
    cx.wait(&name, EVERY, BACK_LIMIT, || async {
        let runs = match running(&*cx.host).await {
            Ok(running) => running.contains_key(component),
            Err(reason) => return Ok(Condition::Pending(reason)),
        };
        if !runs {
            return Ok(Condition::Pending(
                "its container does not run yet".to_owned(),
            ));
        }
        if without_api {
            return Ok(Condition::Met(()));
        }
        let complaint = match pod {
            StaticPod::Etcd => wait::member_complaint(cx).await,
            StaticPod::ApiServer => {
                let serves = api_server(&*cx.host, cx.node.address).await.serves();
                (!serves).then(|| "it is not ready".to_owned())
            }
            StaticPod::ControllerManager | StaticPod::Scheduler => None,
        };
        Ok(complaint.map_or(Condition::Met(()), Condition::Pending))
    })
    .await
}

/// Puts a held manifest back where there is none, then forgets it.
async fn back<H: Host>(host: &H, held: &Path, place: &Path) -> Result<(), HostError> {
    if let Some(text) = host.read(held).await?
        && host.read(place).await?.is_none()
    {
        host.replace(place, &text, MODE).await?;
    }
    host.remove(held).await
}

/// Puts every held manifest back: to be called before anything else after a start of the agent.
pub async fn put_back<H: Host>(host: &H, paths: &Paths) -> Result<(), HostError> {
    let folder = folder(paths);
    for entry in host.list(&folder).await?.unwrap_or_default() {
        let place = Path::new(layout::MANIFESTS).join(&entry.name);
        tracing::warn!(
            manifest = entry.name,
            "was held for a restart: putting it back"
        );
        back(host, &folder.join(&entry.name), &place).await?;
    }
    Ok(())
}
