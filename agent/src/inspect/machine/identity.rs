//! What must be this machine's alone.

use hactl_node_plan::facts::machine::identity::{IdentityFacts, tells_the_machine};

use super::reader::{Reader, known};
use super::system::trimmed;
use crate::host::Host;

pub(super) async fn inspect<H: Host>(read: &mut Reader<'_, H>) -> IdentityFacts {
    IdentityFacts {
        host_name: trimmed(read, "/proc/sys/kernel/hostname").await,
        machine_id: trimmed(read, "/etc/machine-id").await,
        product_uuid: known(product_uuid(read).await),
        macs: known(macs(read).await),
    }
}

/// A container sees its host's, which says nothing of the node.
async fn product_uuid<H: Host>(read: &Reader<'_, H>) -> Result<Option<String>, String> {
    if read.text("/run/systemd/container").await?.is_some() {
        return Ok(None);
    }
    let text = read.text("/sys/class/dmi/id/product_uuid").await?;
    let text = text.map(|text| text.trim().to_owned());
    Ok(text.filter(|text| !text.is_empty()))
}

async fn macs<H: Host>(read: &Reader<'_, H>) -> Result<Vec<String>, String> {
    let mut macs = Vec::new();
    for interface in read.names("/sys/class/net").await? {
        // Names first: a node has hundreds of pods' interfaces, which are not read.
        if !tells_the_machine(&interface, "00:00:00:00:00:01") {
            continue;
        }
        let path = format!("/sys/class/net/{interface}/address");
        if let Some(mac) = read.text(&path).await? {
            let mac = mac.trim();
            if tells_the_machine(&interface, mac) {
                macs.push(mac.to_owned());
            }
        }
    }
    macs.sort();
    macs.dedup();
    Ok(macs)
}
