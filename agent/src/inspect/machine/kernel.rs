//! Modules and kernel parameters, now and at the next boot.

use std::collections::BTreeMap;

use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::machine::TextFile;
use hactl_node_plan::facts::machine::kernel::{
    KernelFacts, MODULES_FOLDERS, ModuleState, SYSCTL_FOLDERS, effective_files, has_overlay,
    module_state,
};
use hactl_node_plan::step::machine::{KernelModule, Sysctl};

use super::reader::{Reader, known};
use crate::host::Host;

const SYSCTLS: [Sysctl; 4] = [
    Sysctl::Ipv4Forward,
    Sysctl::Ipv6Forward,
    Sysctl::BridgeNfCallIptables,
    Sysctl::BridgeNfCallIp6tables,
];

pub(super) async fn inspect<H: Host>(read: &mut Reader<'_, H>) -> KernelFacts {
    let mut modules = BTreeMap::new();
    for module in [KernelModule::Overlay, KernelModule::BrNetfilter] {
        modules.insert(module, known(state(read, module).await));
    }
    let mut sysctls = BTreeMap::new();
    for sysctl in SYSCTLS {
        let value = read.text(&sysctl.path()).await;
        sysctls.insert(
            sysctl,
            known(value.map(|text| text.map(|text| text.trim().to_owned()))),
        );
    }
    KernelFacts {
        modules,
        modules_load: modules_load(read).await,
        sysctls,
        sysctl_files: known(configuration(read, &SYSCTL_FOLDERS).await),
    }
}

async fn state<H: Host>(read: &Reader<'_, H>, module: KernelModule) -> Result<ModuleState, String> {
    let feature = match module {
        KernelModule::Overlay => read
            .text("/proc/filesystems")
            .await?
            .is_some_and(|text| has_overlay(&text)),
        KernelModule::BrNetfilter => !read.names("/proc/sys/net/bridge").await?.is_empty(),
    };
    // A kernel without loadable modules has no such file.
    let loaded = read.text("/proc/modules").await?.unwrap_or_default();
    let dep = if feature {
        String::new()
    } else {
        modules_dep(read).await?
    };
    Ok(module_state(module, feature, &loaded, &dep))
}

/// Read only while a feature is missing: it is the one large file here.
async fn modules_dep<H: Host>(read: &Reader<'_, H>) -> Result<String, String> {
    let release = read
        .text("/proc/sys/kernel/osrelease")
        .await?
        .unwrap_or_default();
    let path = format!("/lib/modules/{}/modules.dep", release.trim());
    Ok(read.text(&path).await?.unwrap_or_default())
}

async fn modules_load<H: Host>(read: &Reader<'_, H>) -> Known<Vec<TextFile>> {
    let files = async {
        let mut files = configuration(read, &MODULES_FOLDERS).await?;
        files.extend(read.file("/etc/modules").await?);
        Ok(files)
    };
    known(files.await)
}

async fn configuration<H: Host>(
    read: &Reader<'_, H>,
    folders: &[&str],
) -> Result<Vec<TextFile>, String> {
    let mut all = Vec::with_capacity(folders.len());
    for folder in folders {
        all.push(read.files(folder, ".conf").await?);
    }
    Ok(effective_files(all))
}
