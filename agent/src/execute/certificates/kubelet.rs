//! A certificate that the agent has got for the kubelet takes the place of the one that has ended, as the kubelet itself would put it:
//! a file of its own, and the link to it. The ended one stays where it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hactl_node_plan::certificate::place::KUBELET_CLIENT;
use hactl_node_plan::command::Command;
use hactl_node_plan::systemd;

use super::EVERY;
use crate::execute::{Condition, ExecuteContext, StepError};
use crate::health::components::kubelet_answers;
use crate::host::Host;

const LIMIT: Duration = Duration::from_mins(3);
const MODE: u32 = 0o600;

/// Puts it in, restarts the kubelet, waits until that answers; then the pair that lay ready goes.
pub(super) async fn install<H: Host>(cx: &ExecuteContext<H>) -> Result<(), StepError> {
    let ready = cx.paths.kubelet_pair();
    let Some(pair) = cx.host.read(&ready).await? else {
        return Err(StepError::state(
            "put the kubelet's certificate in",
            format!("{} is not there", ready.display()),
            "The agent gets one by itself within a minute.",
        ));
    };
    let file = file(&pair);
    cx.host.replace(&file, &pair, MODE).await?;
    let to = file.to_string_lossy();
    let link = Command::new("ln", ["-s", "-f", "-n", &to, KUBELET_CLIENT]);
    cx.run(&link).await?;
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
    Ok(cx.host.remove(&ready).await?)
}

/// The same pair has the same file: repeated after a crash it leaves no second one.
fn file(pair: &[u8]) -> PathBuf {
    let digest = ring::digest::digest(&ring::digest::SHA256, pair);
    let name = hex::encode(&digest.as_ref()[..6]);
    let link = Path::new(KUBELET_CLIENT);
    link.with_file_name(format!("kubelet-client-hactl-{name}.pem"))
}
