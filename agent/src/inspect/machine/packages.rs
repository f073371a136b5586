//! Programs, packages and their versions.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use hactl_node_plan::command::Command;
use hactl_node_plan::facts::Known;
use hactl_node_plan::facts::machine::containerd::ContainerdFacts;
use hactl_node_plan::facts::machine::packages::{
    PACKAGES, Package, PackageFacts, parse_apt_policy, parse_dnf_names, parse_dpkg_status,
    parse_kubernetes_version, parse_rpm_query,
};
use hactl_node_plan::facts::machine::system::{Distribution, Family};
use hactl_node_plan::prerequisite::{Requirements, missing_programs, packages_of, program_names};
use hactl_proto::version::KubernetesVersion;

use super::reader::{Reader, known, succeeded};
use crate::host::Host;

/// The PATH of systemd's services, with `/opt/bin` for systems whose `/usr` is read-only.
const PATH: [&str; 7] = [
    "/usr/local/sbin",
    "/usr/local/bin",
    "/usr/sbin",
    "/usr/bin",
    "/sbin",
    "/bin",
    "/opt/bin",
];
/// Programs beside those that kubeadm's preflight names.
const OURS: [&str; 4] = ["kubeadm", "kubelet", "kubectl", "containerd"];
const DPKG_STATUS: &str = "/var/lib/dpkg/status";
/// rpm's database by generation, then dnf's locks and repositories.
const RPM_FILES: [&str; 6] = [
    "/var/lib/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/var/lib/rpm/Packages",
    "/etc/dnf/plugins/versionlock.list",
    "/etc/dnf/versionlock.toml",
    "/etc/yum.repos.d",
];
/// Longest look into the repositories' lists.
const REPOSITORY_LIMIT: Duration = Duration::from_mins(1);

/// Where the programs that hactl asks about are, looked for when a folder of the PATH changes.
pub(super) async fn programs<H: Host>(
    read: &mut Reader<'_, H>,
) -> Result<BTreeMap<String, PathBuf>, String> {
    let key = read.stamps(&PATH).await;
    if let Some(found) = read.cache.programs.get(&key) {
        return Ok(found.clone());
    }
    let asked: BTreeSet<&str> = program_names().chain(OURS).collect();
    let mut found = BTreeMap::new();
    for folder in PATH {
        for name in read.names(folder).await? {
            if asked.contains(name.as_str()) && !found.contains_key(&name) {
                let path = Path::new(folder).join(&name);
                found.insert(name, path);
            }
        }
    }
    read.cache.programs.put(key, found.clone());
    Ok(found)
}

/// A program's path; `None`: it is not installed.
pub(super) fn path_of(
    programs: &Result<BTreeMap<String, PathBuf>, String>,
    name: &str,
) -> Result<Option<String>, String> {
    let programs = programs.as_ref().map_err(Clone::clone)?;
    Ok(programs.get(name).map(|path| path.display().to_string()))
}

pub(super) async fn inspect<H: Host>(
    read: &mut Reader<'_, H>,
    programs: &Result<BTreeMap<String, PathBuf>, String>,
    distribution: &Known<Distribution>,
    containerd: &ContainerdFacts,
    wanted: &Requirements,
) -> PackageFacts {
    let family = distribution.known().map_or(Family::Other, |d| d.family);
    let present = programs.clone().map(|found| found.into_keys().collect());
    let installed = installed(read, family).await;
    let missing = missing(&present, containerd, family, wanted);
    PackageFacts {
        programs: known(present),
        kubeadm: known(version(read, programs, "kubeadm", &["version", "-o", "short"]).await),
        kubelet: known(version(read, programs, "kubelet", &["--version"]).await),
        kubectl: known(
            version(
                read,
                programs,
                "kubectl",
                &["version", "--client", "-o", "json"],
            )
            .await,
        ),
        installed: known(installed),
        offered: known(offered(read, family, &missing).await),
    }
}

async fn version<H: Host>(
    read: &mut Reader<'_, H>,
    programs: &Result<BTreeMap<String, PathBuf>, String>,
    name: &str,
    words: &[&str],
) -> Result<Option<KubernetesVersion>, String> {
    let Some(path) = path_of(programs, name)? else {
        return Ok(None);
    };
    let command = Command::new(name, words.iter().copied());
    let line = command.line();
    let output = read.ask_while_unchanged(command, &[&path]).await;
    let text = succeeded(&line, output)?;
    parse_kubernetes_version(&text)
        .map(Some)
        .ok_or_else(|| format!("{line} names no version"))
}

async fn installed<H: Host>(
    read: &mut Reader<'_, H>,
    family: Family,
) -> Result<BTreeMap<String, Package>, String> {
    let key = match family {
        Family::Debian => read.stamps(&[DPKG_STATUS]).await,
        Family::RedHat => read.stamps(&RPM_FILES).await,
        Family::Other => return Ok(BTreeMap::new()),
    };
    if let Some(packages) = read.cache.packages.get(&key) {
        return Ok(packages.clone());
    }
    let packages = if family == Family::Debian {
        let status = read.text(DPKG_STATUS).await?;
        parse_dpkg_status(&status.ok_or_else(|| format!("there is no {DPKG_STATUS}"))?)
    } else {
        rpm(read).await?
    };
    read.cache.packages.put(key, packages.clone());
    Ok(packages)
}

/// rpm exits with the number of packages that are not there, so its status says nothing.
async fn rpm<H: Host>(read: &mut Reader<'_, H>) -> Result<BTreeMap<String, Package>, String> {
    let format = "%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\n";
    let words = ["-q", "--qf", format].into_iter().chain(PACKAGES);
    let output = read
        .ask_while_unchanged(Command::new("rpm", words), &RPM_FILES)
        .await?;
    let mut locked = String::new();
    for path in &RPM_FILES[3..5] {
        locked += &read.text(path).await?.unwrap_or_default();
    }
    for file in read.files(RPM_FILES[5], ".repo").await? {
        locked += &file.text;
    }
    Ok(parse_rpm_query(&output.stdout, &locked))
}

/// Packages whose repository is worth asking for: those that would mend something.
fn missing(
    present: &Result<BTreeSet<String>, String>,
    containerd: &ContainerdFacts,
    family: Family,
    wanted: &Requirements,
) -> BTreeSet<String> {
    let mut missing = BTreeSet::new();
    if containerd.version == Known::Is(None) {
        missing.extend(["containerd".to_owned(), "containerd.io".to_owned()]);
    }
    if let Ok(present) = present {
        let programs = missing_programs(present, wanted.minor());
        let packages = programs
            .into_iter()
            .filter_map(|program| packages_of(program, family));
        missing.extend(packages.map(str::to_owned));
    }
    missing
}

/// Those that a configured repository offers. Nothing is refreshed: what the last `apt-get update` knew counts.
async fn offered<H: Host>(
    read: &mut Reader<'_, H>,
    family: Family,
    missing: &BTreeSet<String>,
) -> Result<BTreeSet<String>, String> {
    if missing.is_empty() {
        return Ok(BTreeSet::new());
    }
    let names = missing.iter().cloned();
    match family {
        Family::Debian => {
            let words = std::iter::once("policy".to_owned()).chain(names);
            let command = Command::new("apt-cache", words).limit(REPOSITORY_LIMIT);
            let line = command.line();
            let lists = ["/var/lib/apt/lists", "/etc/apt/sources.list", DPKG_STATUS];
            let output = read.ask_while_unchanged(command, &lists).await;
            Ok(parse_apt_policy(&succeeded(&line, output)?))
        }
        Family::RedHat => {
            let words = ["-q", "-C", "repoquery", "--qf", "%{name}\n"];
            let words = words.into_iter().map(str::to_owned).chain(names);
            let command = Command::new("dnf", words).limit(REPOSITORY_LIMIT);
            let line = command.line();
            let output = read.ask_while_unchanged(command, &RPM_FILES).await;
            // Without a cache of the repositories dnf fails: nothing is offered then.
            Ok(succeeded(&line, output)
                .map_or_else(|_| BTreeSet::new(), |text| parse_dnf_names(&text)))
        }
        Family::Other => Ok(BTreeSet::new()),
    }
}
