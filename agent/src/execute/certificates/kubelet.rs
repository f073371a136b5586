//! A certificate that the agent has got for the kubelet takes the place of the one that has ended, or that a CA signed which is given up, as
//! the kubelet itself would put it: a file of its own, and the link to it. The old one stays where it is.

use std::path::PathBuf;
use std::time::Duration;

use hactl_node_plan::certificate::place::{KUBELET_CLIENT, KUBELET_SERVER};
use hactl_node_plan::certificate::trust::Process;
use hactl_node_plan::command::Command;
use hactl_node_plan::systemd;
use zeroize::Zeroizing;

use super::{EVERY, rotate};
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::health::components::kubelet_answers;
use crate::host::Host;

const LIMIT: Duration = Duration::from_mins(3);
const MODE: u32 = 0o600;

/// Puts in what lies ready, restarts the kubelet, waits until it answers; then what lay ready goes.
pub(super) async fn install<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let client = cx.paths.kubelet_pair();
    if cx.host.read(&client).await?.is_none() {
        return Err(StepError::state(
            "put the kubelet's certificate in",
            format!("{} is not there", client.display()),
            "The agent gets one by itself within a minute.",
        ));
    }
    let serving = cx.paths.kubelet_serving_pair();
    for (ready, current) in [(&serving, KUBELET_SERVER), (&client, KUBELET_CLIENT)] {
        let Some(pair) = cx.host.read(ready).await?.map(Zeroizing::new) else {
            continue;
        };
        let file = file(current, &pair);
        cx.host.replace(&file, &pair, MODE).await?;
        let to = file.to_string_lossy();
        let link = Command::new("ln", ["-s", "-f", "-n", &to, current]);
        cx.run(&link).await?;
        // Durable before what lies ready goes: a power cut would bring the old one back that nobody may believe any more.
        cx.run(&Command::new("sync", ["--file-system", to.as_ref()]))
            .await?;
    }
    restart(cx).await?;
    // The client's last: it says that this has to be done.
    cx.host.remove(&serving).await?;
    Ok(cx.host.remove(&client).await?)
}

/// Restarts it and waits until it answers.
pub(super) async fn restart<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let takes_up = rotate::before(cx, Process::Kubelet).await?;
    cx.run(&systemd::restart("kubelet.service")).await?;
    let name = format!("the kubelet of {} well", cx.node.node);
    cx.wait(&name, EVERY, LIMIT, || async {
        Ok(if kubelet_answers(&*cx.host).await {
            Condition::Met(())
        } else {
            Condition::Pending("it does not answer at its health port".to_owned())
        })
    })
    .await?;
    match takes_up {
        Some(taken) => rotate::took_up(cx, Process::Kubelet, taken).await,
        None => Ok(()),
    }
}

/// The same pair has the same file: repeated after a crash it leaves no second one.
fn file(current: &str, pair: &[u8]) -> PathBuf {
    let digest = ring::digest::digest(&ring::digest::SHA256, pair);
    let name = hex::encode(&digest.as_ref()[..6]);
    PathBuf::from(current.replace("-current.pem", &format!("-hactl-{name}.pem")))
}
