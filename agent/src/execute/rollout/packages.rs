//! kubeadm, kubelet and kubectl of one exact version, by the node's own package tool or out of a folder.

use std::path::Path;

use hactl_node_plan::command::Command;
use hactl_node_plan::facts::machine::packages::parse_kubernetes_version;
use hactl_node_plan::rollout::packages::{self, FOLDER, Repositories, exactly, hold, release};
use hactl_node_plan::step::rollout::RolloutStep;
use hactl_proto::status::InstalledVersions;
use hactl_proto::version::KubernetesVersion;

use super::{keep, target};
use crate::execute::{ExecuteContext, StepError, last_lines};
use crate::host::Host;
use crate::inspect::rollout::{ask, offers, source, tool};

/// Where the programs of a node without packages are looked for.
const PLACES: [&str; 3] = ["/usr/bin", "/usr/local/bin", "/opt/bin"];

/// Puts packages of the target in.
pub(super) async fn install<H: Host>(
    cx: &ExecuteContext<H>,
    step: RolloutStep,
    names: &[&str],
) -> Result<(), StepError> {
    put_in(cx, step.name(), names, target(cx)?).await
}

/// Puts back what was installed before, as far as it differs.
pub(super) async fn restore<H: Host>(
    cx: &ExecuteContext<H>,
    step: RolloutStep,
) -> Result<(), StepError> {
    let (before, now) = (keep::before(cx).await?, installed(cx).await?);
    for (name, was, is) in [
        ("kubeadm", &before.kubeadm, &now.kubeadm),
        ("kubelet", &before.kubelet, &now.kubelet),
        ("kubectl", &before.kubectl, &now.kubectl),
    ] {
        if let Some(was) = was.as_ref().filter(|_| was != is) {
            put_in(cx, &format!("{}-{name}", step.name()), &[name], was).await?;
        }
    }
    Ok(())
}

/// What is installed, by the programs' own word.
pub(super) async fn installed<H: Host>(
    cx: &ExecuteContext<H>,
) -> Result<InstalledVersions, StepError> {
    Ok(InstalledVersions {
        kubeadm: version(cx, "kubeadm").await,
        kubelet: version(cx, "kubelet").await,
        kubectl: version(cx, "kubectl").await,
    })
}

async fn version<H: Host>(cx: &ExecuteContext<H>, name: &str) -> Option<KubernetesVersion> {
    let words: &[&str] = match name {
        "kubeadm" => &["version", "-o", "short"],
        "kubelet" => &["--version"],
        _ => &["version", "--client", "-o", "json"],
    };
    let answer = ask(&*cx.host, &Command::new(name, words.iter().copied()))
        .await
        .ok()?;
    parse_kubernetes_version(&answer.stdout)
}

async fn put_in<H: Host>(
    cx: &ExecuteContext<H>,
    unit: &str,
    names: &[&str],
    wanted: &KubernetesVersion,
) -> Result<(), StepError> {
    let source = source(&*cx.host).await;
    if let Some(tool) = tool(source) {
        let known = offers(&*cx.host, source, Repositories::AsKnown).await;
        let offers = known.map_err(|reason| {
            StepError::state(
                "ask the repositories",
                reason,
                "Look at the package tool's own words on the node.",
            )
        })?;
        let exact =
            exactly(tool, &offers, names, wanted).ok_or_else(|| not_offered(names, wanted))?;
        // A hold that is not there is no failure, and a lock file of dnf may hold nothing.
        let _ = cx.host.run(&release(tool, names)).await?;
        let command = packages::install(tool, &exact).unit(cx.unit(unit));
        let ended = cx.run(&command).await;
        let held = cx.host.run(&hold(tool, names)).await?;
        ended?;
        if !held.success() && !packages::no_lock(tool, &held) {
            return Err(StepError::state(
                format!("hold {}", names.join(", ")),
                last_lines(&held),
                "Look at the package tool's own words on the node.",
            ));
        }
    } else {
        for name in names {
            from_folder(cx, name, wanted).await?;
        }
    }
    for name in names {
        let found = version(cx, name).await;
        if found.as_ref() != Some(wanted) {
            let observed =
                found.map_or_else(|| "it says none".to_owned(), |found| found.to_string());
            return Err(StepError::state(
                format!("see {name} {wanted} installed"),
                observed,
                "Look which of several programs of that name comes first on the PATH.",
            ));
        }
    }
    Ok(())
}

async fn from_folder<H: Host>(
    cx: &ExecuteContext<H>,
    name: &str,
    wanted: &KubernetesVersion,
) -> Result<(), StepError> {
    let path = Path::new(FOLDER).join(wanted.to_string()).join(name);
    let bytes = cx
        .host
        .read(&path)
        .await?
        .ok_or_else(|| not_offered(&[name], wanted))?;
    for place in PLACES {
        let place = Path::new(place).join(name);
        if cx.host.stamp(&place).await?.is_some() {
            return Ok(cx.host.replace(&place, &bytes, 0o755).await?);
        }
    }
    Err(StepError::state(
        format!("replace {name}"),
        format!("it is in none of {}", PLACES.join(", ")),
        "Put the program where systemd's PATH finds it.",
    ))
}

fn not_offered(names: &[&str], wanted: &KubernetesVersion) -> StepError {
    StepError::state(
        format!("put {} {wanted} in", names.join(" and ")),
        "it can't be had on this node",
        "Put the repository of that version back, or the binaries into /var/lib/hactl/binaries.",
    )
}
