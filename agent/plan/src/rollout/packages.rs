//! Packages of a Kubernetes version: which can be had, under which exact version, and how they are brought, put in and held.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use hactl_proto::version::KubernetesVersion;

use crate::command::{Command, Output};
use crate::step::machine::PackageTool;

/// What makes a node's Kubernetes, in the order in which it is asked for.
pub const KUBERNETES_PACKAGES: [&str; 3] = ["kubeadm", "kubelet", "kubectl"];
/// Where an operator without a package repository puts binaries: `FOLDER/v1.36.3/{kubeadm,kubelet,kubectl}`.
pub const FOLDER: &str = "/var/lib/hactl/binaries";
/// Slow mirrors.
const FETCH_LIMIT: Duration = Duration::from_mins(15);
/// A package's own scripts, from a local cache.
const INSTALL_LIMIT: Duration = Duration::from_mins(10);

/// The distribution's version of each package, by package, by Kubernetes version.
pub type Offers = BTreeMap<String, BTreeMap<KubernetesVersion, String>>;

/// dnf's lock is a plugin that hides every other version, from downloads too. What is asked for by its exact version is meant.
const UNLOCKED: [&str; 2] = ["--disableexcludes=all", "--disableplugin=versionlock"];
/// dnf removes what it downloaded after the next transaction, the packages of later steps with it.
const KEEP: &str = "--setopt=keepcache=True";
/// What is brought is put in without asking the repositories again: they may be away by then. The star is for those that name a
/// time of their own.
const AS_KNOWN: &str = "--setopt=*.metadata_expire=never";

/// Which state of the repositories counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repositories {
    /// dnf asks them anew where its own copy is old; apt never does by itself.
    Asked,
    /// What was known when packages were brought.
    AsKnown,
}

/// Asks the repositories that are configured what they offer.
pub fn offers(tool: PackageTool, state: Repositories) -> Command {
    let limit = Duration::from_mins(1);
    match tool {
        PackageTool::Apt => Command::new(
            "apt-cache",
            ["madison"].iter().chain(&KUBERNETES_PACKAGES).copied(),
        )
        .limit(limit),
        PackageTool::Dnf => {
            let words = [
                "-q",
                "repoquery",
                "--showduplicates",
                "--qf",
                "%{name} | %{version}-%{release} |\n",
            ];
            let known = (state == Repositories::AsKnown).then_some(AS_KNOWN);
            let words = words.into_iter().chain(UNLOCKED).chain(known);
            Command::new("dnf", words.chain(KUBERNETES_PACKAGES)).limit(limit)
        }
    }
}

/// Reads `name | version | …` lines. Of several revisions of one version the first is the newest.
pub fn parse_offers(text: &str) -> Offers {
    let mut offers = Offers::new();
    for line in text.lines() {
        let mut columns = line.split('|').map(str::trim);
        let (Some(name), Some(revision)) = (columns.next(), columns.next()) else {
            continue;
        };
        if !KUBERNETES_PACKAGES.contains(&name) {
            continue;
        }
        let Some(version) = upstream(revision) else {
            continue;
        };
        offers
            .entry(name.to_owned())
            .or_default()
            .entry(version)
            .or_insert_with(|| revision.to_owned());
    }
    offers
}

/// The Kubernetes version of a package's: what stands before the revision, without an epoch.
fn upstream(revision: &str) -> Option<KubernetesVersion> {
    let bare = revision.split_once(':').map_or(revision, |(_, rest)| rest);
    let bare = bare.split('-').next()?;
    // `1.37.0~rc.1` is how packages write a pre-release.
    bare.replace('~', "-").parse().ok()
}

/// The versions of which all of [`KUBERNETES_PACKAGES`] can be had.
pub fn complete(offers: &Offers) -> Vec<KubernetesVersion> {
    let mut sets = KUBERNETES_PACKAGES.iter().map(|name| {
        let offered = offers.get(*name).into_iter().flatten();
        offered
            .map(|(version, _)| version.clone())
            .collect::<BTreeSet<_>>()
    });
    let first = sets.next().unwrap_or_default();
    let common = sets.fold(first, |all, set| all.intersection(&set).cloned().collect());
    common.into_iter().collect()
}

/// Each package with its exact version, as the tool wants it named; `None`: one of them is not offered.
pub fn exactly(
    tool: PackageTool,
    offers: &Offers,
    names: &[&str],
    version: &KubernetesVersion,
) -> Option<Vec<String>> {
    let exact = names.iter().map(|name| {
        let revision = offers.get(*name)?.get(version)?;
        Some(match tool {
            PackageTool::Apt => format!("{name}={revision}"),
            PackageTool::Dnf => format!("{name}-{revision}"),
        })
    });
    exact.collect()
}

/// Brings packages to the node without putting them in.
pub fn fetch(tool: PackageTool, exact: &[String]) -> Command {
    bring(tool, "install", exact)
}

/// Brings the packages that are installed, for a way back.
pub fn fetch_again(tool: PackageTool, exact: &[String]) -> Command {
    let verb = match tool {
        PackageTool::Apt => "install",
        // Its install says of them that there is nothing to do.
        PackageTool::Dnf => "reinstall",
    };
    bring(tool, verb, exact)
}

fn bring(tool: PackageTool, verb: &str, exact: &[String]) -> Command {
    let words: &[&str] = match tool {
        PackageTool::Apt => &[
            "--yes",
            "--download-only",
            "--reinstall",
            "--allow-downgrades",
            "--allow-change-held-packages",
            "--no-install-recommends",
            "-o",
            "DPkg::Lock::Timeout=120",
        ],
        PackageTool::Dnf => &[
            "--assumeyes",
            "--downloadonly",
            UNLOCKED[0],
            UNLOCKED[1],
            KEEP,
        ],
    };
    with(program(tool), &[&[verb], words].concat(), exact).limit(FETCH_LIMIT)
}

/// Puts packages in, exactly these, older ones too: what restores a node names what it had. Never asks, and keeps a
/// configuration file that is there.
pub fn install(tool: PackageTool, exact: &[String]) -> Command {
    let words: &[&str] = match tool {
        PackageTool::Apt => &[
            "install",
            "--yes",
            "--allow-downgrades",
            "--allow-change-held-packages",
            "--no-install-recommends",
            "-o",
            "Dpkg::Options::=--force-confdef",
            "-o",
            "Dpkg::Options::=--force-confold",
            "-o",
            "DPkg::Lock::Timeout=120",
        ],
        PackageTool::Dnf => &[
            "install",
            "--assumeyes",
            UNLOCKED[0],
            UNLOCKED[1],
            KEEP,
            AS_KNOWN,
            "--setopt=install_weak_deps=False",
        ],
    };
    with(program(tool), words, exact).limit(INSTALL_LIMIT)
}

/// Keeps upgrades of others away from packages.
pub fn hold(tool: PackageTool, names: &[&str]) -> Command {
    match tool {
        PackageTool::Apt => Command::new("apt-mark", ["hold"].iter().chain(names).copied()),
        PackageTool::Dnf => versionlock("add", names),
    }
}

/// Takes the hold off.
pub fn release(tool: PackageTool, names: &[&str]) -> Command {
    match tool {
        PackageTool::Apt => Command::new("apt-mark", ["unhold"].iter().chain(names).copied()),
        PackageTool::Dnf => versionlock("delete", names),
    }
}

/// It asks the repositories too, for which it has no use.
fn versionlock(verb: &str, names: &[&str]) -> Command {
    let words = [AS_KNOWN, "versionlock", verb];
    Command::new("dnf", words.iter().chain(names).copied())
}

/// Whether a lock is not there to be set: dnf's is a plugin, and a repository's own `exclude=` does as well.
pub fn no_lock(tool: PackageTool, answer: &Output) -> bool {
    tool == PackageTool::Dnf && answer.stderr.contains("No such command: versionlock")
}

/// Makes the folder that a package is unpacked into: dpkg-deb makes the last part of a path only.
pub fn folder(path: &str) -> Command {
    Command::new("mkdir", ["-p", path]).limit(Duration::from_mins(1))
}

/// Unpacks a program out of a package in the tool's cache, beside the one that is installed: kubeadm of the target names the
/// images that it wants, before it is put in.
pub fn unpack(tool: PackageTool, file: &str, into: &str) -> Command {
    match tool {
        PackageTool::Apt => Command::new("dpkg-deb", ["-x", file, into]),
        // A root of its own, with a database of its own. None of the package's scripts runs.
        PackageTool::Dnf => Command::new(
            "rpm",
            [
                "--install",
                "--replacepkgs",
                "--root",
                into,
                "--nodeps",
                "--noscripts",
                "--notriggers",
                "--nosignature",
                file,
            ],
        ),
    }
    .limit(Duration::from_mins(2))
}

/// Verifies a package that dnf brought against the keys that the node trusts: dnf itself does so only when it puts it in.
pub fn verify(file: &str) -> Command {
    Command::new("rpm", ["--checksig", file]).limit(Duration::from_mins(1))
}

/// Where apt would take a package from. A repository of local files is not copied into the cache.
pub fn uris(exact: &str) -> Command {
    let words = [
        "install",
        "--yes",
        "--reinstall",
        "--allow-downgrades",
        "--allow-change-held-packages",
    ];
    Command::new(
        "apt-get",
        words.iter().chain(&["--print-uris", exact]).copied(),
    )
}

/// The local file among the lines of [`uris`]: `'file:/srv/packages/kubeadm_….deb' kubeadm_….deb 123 …`.
pub fn local_file(text: &str) -> Option<String> {
    text.lines().find_map(|line| {
        let path = line.strip_prefix("'file:")?.split('\'').next()?;
        path.contains("/kubeadm_")
            .then(|| format!("/{}", path.trim_start_matches('/')))
    })
}

const fn program(tool: PackageTool) -> &'static str {
    match tool {
        PackageTool::Apt => "apt-get",
        PackageTool::Dnf => "dnf",
    }
}

fn with(program: &str, words: &[&str], more: &[String]) -> Command {
    let words = words.iter().map(|word| (*word).to_owned());
    Command::new(program, words.chain(more.iter().cloned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `apt-cache madison` of apt 2.6.
    const MADISON: &str = "\
   kubeadm | 1.36.3-1.1 | https://pkgs.k8s.io/core:/stable:/v1.36/deb  Packages
   kubeadm | 1.36.2-1.1 | https://pkgs.k8s.io/core:/stable:/v1.36/deb  Packages
   kubelet | 1.36.3-2.1 | https://pkgs.k8s.io/core:/stable:/v1.36/deb  Packages
   kubelet | 1.36.3-1.1 | https://pkgs.k8s.io/core:/stable:/v1.36/deb  Packages
   kubelet | 1.36.2-1.1 | https://pkgs.k8s.io/core:/stable:/v1.36/deb  Packages
   kubectl | 1.36.3-1.1 | https://pkgs.k8s.io/core:/stable:/v1.36/deb  Packages
";

    #[test]
    fn only_versions_that_are_whole_are_offered_and_named_exactly() {
        let offers = parse_offers(MADISON);
        let target = KubernetesVersion::new(1, 36, 3);
        assert_eq!(complete(&offers), vec![target.clone()]);
        assert_eq!(
            exactly(PackageTool::Apt, &offers, &["kubeadm", "kubelet"], &target).unwrap(),
            ["kubeadm=1.36.3-1.1", "kubelet=1.36.3-2.1"]
        );
        let older = KubernetesVersion::new(1, 36, 2);
        assert_eq!(
            exactly(PackageTool::Apt, &offers, &KUBERNETES_PACKAGES, &older),
            None
        );
        let dnf = parse_offers("kubeadm | 1.36.3-150500.1.1 |\n");
        assert_eq!(
            exactly(PackageTool::Dnf, &dnf, &["kubeadm"], &target).unwrap(),
            ["kubeadm-1.36.3-150500.1.1"]
        );
    }

    #[test]
    fn a_repository_of_local_files_names_the_package() {
        let said = "Reading package lists...\n'file:/var/lib/packages/./1.20.3-0lab/kubeadm_1.20.3-0lab_amd64.deb' kubeadm_1.20.3-0lab_amd64.deb 39 SHA256:00\n";
        assert_eq!(
            local_file(said).as_deref(),
            Some("/var/lib/packages/./1.20.3-0lab/kubeadm_1.20.3-0lab_amd64.deb")
        );
        assert_eq!(
            local_file("'https://pkgs.k8s.io/kubeadm_1.deb' kubeadm_1.deb 3\n"),
            None
        );
        assert_eq!(local_file(""), None);
    }

    #[test]
    fn garbage_offers_nothing() {
        for text in [
            "",
            "N: Unable to locate package kubeadm\n",
            "kubeadm | latest | x\n",
            "||||\n",
        ] {
            assert!(complete(&parse_offers(text)).is_empty(), "{text}");
        }
    }

    #[test]
    fn an_installation_goes_down_as_well_as_up_and_never_asks() {
        let exact = ["kubelet=1.36.2-1.1".to_owned()];
        let line = install(PackageTool::Apt, &exact).line();
        assert!(
            line.contains("--yes") && line.contains("--allow-downgrades"),
            "{line}"
        );
        assert!(line.ends_with(" kubelet=1.36.2-1.1"), "{line}");
        assert!(!fetch(PackageTool::Dnf, &exact).line().contains("--allow"));
    }

    /// What dnf 4.14 and rpm 4.18 were seen to need (`just dnf-check` runs them).
    #[test]
    fn dnf_takes_what_is_locked_keeps_what_it_brought_and_asks_no_repository_at_the_nodes_turn() {
        let exact = ["kubelet-1.36.3-150500.1.1".to_owned()];
        let lines = [
            fetch(PackageTool::Dnf, &exact),
            fetch_again(PackageTool::Dnf, &exact),
            install(PackageTool::Dnf, &exact),
            hold(PackageTool::Dnf, &["kubelet"]),
            release(PackageTool::Dnf, &["kubelet"]),
        ];
        let lines: Vec<String> = lines.iter().map(Command::line).collect();
        insta::assert_snapshot!(lines.join("\n"), @r"
        dnf install --assumeyes --downloadonly --disableexcludes=all --disableplugin=versionlock --setopt=keepcache=True kubelet-1.36.3-150500.1.1
        dnf reinstall --assumeyes --downloadonly --disableexcludes=all --disableplugin=versionlock --setopt=keepcache=True kubelet-1.36.3-150500.1.1
        dnf install --assumeyes --disableexcludes=all --disableplugin=versionlock --setopt=keepcache=True --setopt=*.metadata_expire=never --setopt=install_weak_deps=False kubelet-1.36.3-150500.1.1
        dnf --setopt=*.metadata_expire=never versionlock add kubelet
        dnf --setopt=*.metadata_expire=never versionlock delete kubelet
        ");
        let asks = |state| offers(PackageTool::Dnf, state).line().contains(AS_KNOWN);
        assert!(asks(Repositories::AsKnown) && !asks(Repositories::Asked));
    }

    #[test]
    fn a_node_without_the_lock_is_told_from_a_lock_that_fails() {
        let said = |stderr: &str| Output {
            status: Some(1),
            stdout: String::new(),
            stderr: stderr.to_owned(),
        };
        let absent = said("No such command: versionlock. Please use /usr/bin/dnf --help\n");
        assert!(no_lock(PackageTool::Dnf, &absent) && !no_lock(PackageTool::Apt, &absent));
        assert!(!no_lock(
            PackageTool::Dnf,
            &said("Error: Failed to download metadata\n")
        ));
    }
}
