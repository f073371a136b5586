//! What the agent itself wrote down on this node: what was brought, and how far an upgrade or a renewal has come.

use hactl_node_plan::certificate::renewal::{self, RenewalProgress};
use hactl_node_plan::facts::Known;
use hactl_node_plan::rollout::progress::{self, Progress};
use hactl_proto::rollout::survey::Staged;

use crate::host::Host;
use crate::paths::Paths;

/// What was brought here for a version.
pub async fn staged<H: Host>(host: &H, paths: &Paths) -> Known<Option<Staged>> {
    match host.read(&paths.upgrade().join("staged.json")).await {
        Ok(None) => Known::Is(None),
        Ok(Some(bytes)) => serde_json::from_slice(&bytes).map_or_else(
            |error| Known::Unknown(error.to_string()),
            |staged| Known::Is(Some(staged)),
        ),
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// How far a renewal of certificates has come.
pub async fn renewal<H: Host>(host: &H, paths: &Paths) -> Known<Option<RenewalProgress>> {
    match host.read(&paths.renewal()).await {
        Ok(None) => Known::Is(None),
        Ok(Some(bytes)) => match renewal::read(&String::from_utf8_lossy(&bytes)) {
            Ok(progress) => Known::Is(Some(progress)),
            Err(reason) => Known::Unknown(reason),
        },
        Err(error) => Known::Unknown(error.to_string()),
    }
}

/// How far an upgrade of this node has come.
pub async fn progress<H: Host>(host: &H, paths: &Paths) -> Known<Option<Progress>> {
    match host.read(&paths.upgrade().join("progress.json")).await {
        Ok(None) => Known::Is(None),
        Ok(Some(bytes)) => match progress::read(&String::from_utf8_lossy(&bytes)) {
            Ok(progress) => Known::Is(Some(progress)),
            Err(reason) => Known::Unknown(reason),
        },
        Err(error) => Known::Unknown(error.to_string()),
    }
}
