//! Swap, now and at the next boot.

use std::collections::BTreeSet;

use hactl_node_plan::facts::machine::TextFile;
use hactl_node_plan::facts::machine::swap::{
    SWAP_SERVICES, SwapFacts, parse_swaps, swap_unit_counts,
};

use super::reader::{Reader, known};
use crate::host::Host;

/// Where generators put units: of fstab and zram, and of partition types.
const GENERATED: [&str; 2] = ["/run/systemd/generator", "/run/systemd/generator.late"];
/// Where the operator's units and masks are.
const OWN: &str = "/etc/systemd/system";
/// What pulls swap in at boot.
const WANTS: [&str; 4] = [
    "/etc/systemd/system/swap.target.wants",
    "/etc/systemd/system/local-fs.target.wants",
    "/etc/systemd/system/sysinit.target.wants",
    "/etc/systemd/system/multi-user.target.wants",
];

pub(super) async fn inspect<H: Host>(read: &mut Reader<'_, H>) -> SwapFacts {
    // A kernel without swap has no such file.
    let active = match read.text("/proc/swaps").await {
        Ok(None) => Ok(vec![]),
        Ok(Some(text)) => parse_swaps(&text).ok_or("/proc/swaps is not as expected".to_owned()),
        Err(why) => Err(why),
    };
    let fstab = read.file("/etc/fstab").await.map(|file| {
        file.unwrap_or(TextFile {
            path: "/etc/fstab".to_owned(),
            text: String::new(),
            mode: 0o644,
        })
    });
    let (units, own_units) = match units(read).await {
        Ok((units, own)) => (Ok(units), Ok(own)),
        Err(why) => (Err(why.clone()), Err(why)),
    };
    SwapFacts {
        active: known(active),
        fstab: known(fstab),
        units: known(units),
        own_units: known(own_units),
    }
}

/// Units to mask, and units to disable.
async fn units<H: Host>(read: &Reader<'_, H>) -> Result<(Vec<String>, Vec<String>), String> {
    let mut generated = BTreeSet::new();
    for folder in GENERATED {
        for file in read.files(folder, ".swap").await? {
            if swap_unit_counts(&file.text) {
                generated.insert(bare(&file.path));
            }
        }
    }
    let mut wanted = BTreeSet::new();
    for folder in WANTS {
        wanted.extend(read.names(folder).await?);
    }
    let services = wanted
        .iter()
        .filter(|unit| SWAP_SERVICES.contains(&unit.as_str()));
    generated.extend(services.cloned());
    let mut masked = Vec::new();
    let mut own = Vec::new();
    for unit in generated
        .iter()
        .chain(wanted.iter().filter(|unit| is_swap(unit)))
    {
        match read.text(&format!("{OWN}/{unit}")).await? {
            Some(text) if text.trim().is_empty() => {}
            Some(_) => own.push(unit.clone()),
            None => masked.push(unit.clone()),
        }
    }
    for units in [&mut masked, &mut own] {
        units.sort();
        units.dedup();
    }
    Ok((masked, own))
}

/// systemd's names are case-sensitive.
fn is_swap(unit: &str) -> bool {
    unit.rsplit_once('.')
        .is_some_and(|(_, kind)| kind == "swap")
}

fn bare(path: &str) -> String {
    path.rsplit('/').next().unwrap_or_default().to_owned()
}
