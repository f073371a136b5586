//! Programs, packages and their versions.

use std::collections::{BTreeMap, BTreeSet};

use hactl_proto::version::KubernetesVersion;

use crate::facts::Known;

/// Packages that hactl asks about.
pub const PACKAGES: [&str; 5] = [
    "kubeadm",
    "kubelet",
    "kubectl",
    "containerd",
    "containerd.io",
];

/// Programs, packages and their versions.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PackageFacts {
    /// Of the programs that hactl asks about, those on the system's PATH.
    pub programs: Known<BTreeSet<String>>,
    /// `kubeadm version`; `None`: not installed.
    pub kubeadm: Known<Option<KubernetesVersion>>,
    /// `kubelet --version`.
    pub kubelet: Known<Option<KubernetesVersion>>,
    /// `kubectl version --client`.
    pub kubectl: Known<Option<KubernetesVersion>>,
    /// Of [`PACKAGES`], those that the package database has installed. A program may be there without a package.
    pub installed: Known<BTreeMap<String, Package>>,
    /// Packages of containerd, and of missing programs, that a configured repository offers. Asked only while something is missing.
    pub offered: Known<BTreeSet<String>>,
}

/// An installed package.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Package {
    /// The distribution's version.
    pub version: String,
    /// Whether upgrades leave it alone (`apt-mark hold`, `dnf versionlock`).
    pub held: bool,
}

/// Reads `/var/lib/dpkg/status`: a paragraph a package, `Status: want flag state`.
pub fn parse_dpkg_status(text: &str) -> BTreeMap<String, Package> {
    text.split("\n\n")
        .filter_map(parse_dpkg_paragraph)
        .collect()
}

fn parse_dpkg_paragraph(paragraph: &str) -> Option<(String, Package)> {
    let field = |key: &str| {
        paragraph
            .lines()
            .filter_map(|line| line.split_once(": "))
            .find(|(found, _)| *found == key)
            .map(|(_, value)| value.trim())
    };
    // Most paragraphs end here, before the costlier look at the other fields.
    let name = paragraph
        .trim_start()
        .strip_prefix("Package: ")?
        .lines()
        .next()?
        .trim();
    if !PACKAGES.contains(&name) {
        return None;
    }
    let mut status = field("Status")?.split(' ');
    let held = status.next()? == "hold";
    if status.nth(1)? != "installed" {
        return None;
    }
    let version = field("Version")?.to_owned();
    Some((name.to_owned(), Package { version, held }))
}

/// Reads `rpm -q --qf '%{NAME} %{EPOCHNUM}:%{VERSION}-%{RELEASE}\n' …`; packages that are not there are lines of prose. `locked`
/// is the text of dnf's versionlock lists and of its repositories.
pub fn parse_rpm_query(output: &str, locked: &str) -> BTreeMap<String, Package> {
    output
        .lines()
        .filter_map(|line| {
            let (name, version) = line.split_once(' ')?;
            let fits = PACKAGES.contains(&name) && !version.contains(' ');
            fits.then(|| {
                let package = Package {
                    version: version.trim_start_matches("0:").to_owned(),
                    held: is_locked(locked, name),
                };
                (name.to_owned(), package)
            })
        })
        .collect()
}

/// `kubeadm-0:1.36.2-150500.1.1.*` (dnf 4), `name = "kubeadm"` (dnf 5), or `exclude=kubelet kubeadm kubectl` of the repository, as
/// Kubernetes' own documentation has it.
fn is_locked(list: &str, name: &str) -> bool {
    list.lines().map(str::trim).any(|line| {
        let dnf4 = line
            .strip_prefix(name)
            .and_then(|rest| rest.strip_prefix('-'))
            .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
        let dnf5 = line
            .strip_prefix("name")
            .and_then(|rest| rest.trim_start().strip_prefix('='))
            .is_some_and(|value| value.trim().trim_matches(['"', '\'']) == name);
        let excluded = line
            .split_once('=')
            .filter(|(key, _)| ["exclude", "excludepkgs"].contains(&key.trim()))
            .is_some_and(|(_, names)| names.split([' ', ',']).any(|found| found == name));
        dnf4 || dnf5 || excluded
    })
}

/// Package names of `apt-cache policy …` that have a candidate.
pub fn parse_apt_policy(output: &str) -> BTreeSet<String> {
    let mut offered = BTreeSet::new();
    let mut name = None;
    for line in output.lines() {
        if !line.starts_with(' ') {
            name = line.strip_suffix(':');
        } else if let (Some(name), Some(candidate)) = (name, line.trim().strip_prefix("Candidate:"))
            && candidate.trim() != "(none)"
        {
            offered.insert(name.to_owned());
        }
    }
    offered
}

/// Package names of `dnf repoquery --qf '%{name}\n' …`.
pub fn parse_dnf_names(output: &str) -> BTreeSet<String> {
    output.split_whitespace().map(str::to_owned).collect()
}

/// The first version in a program's own words: `Kubernetes v1.20.2`, `Client Version: v1.36.2`, `{"gitVersion":"v1.36.2"}`.
pub fn parse_kubernetes_version(output: &str) -> Option<KubernetesVersion> {
    output
        .split([' ', '\n', '\t', '"', ',', ':'])
        .filter(|word| word.starts_with('v'))
        .find_map(|word| word.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DPKG: &str = "\
Package: adduser
Status: install ok installed
Version: 3.134

Package: containerd
Status: install ok installed
Priority: optional
Version: 1.6.20~ds1-1+deb12u3
Description: open and reliable container runtime
 Status: this line is prose

Package: kubeadm
Status: hold ok installed
Version: 1.20.2-0lab

Package: kubectl
Status: deinstall ok config-files
Version: 1.20.2-0lab
";

    #[test]
    fn dpkg_says_what_is_installed_and_held() {
        let packages = parse_dpkg_status(DPKG);
        let brief: Vec<_> = packages
            .iter()
            .map(|(name, package)| (name.as_str(), package.version.as_str(), package.held))
            .collect();
        assert_eq!(
            brief,
            [
                ("containerd", "1.6.20~ds1-1+deb12u3", false),
                ("kubeadm", "1.20.2-0lab", true)
            ]
        );
        assert!(parse_dpkg_status("").is_empty());
        assert!(parse_dpkg_status("Package: kubeadm\nStatus: hold").is_empty());
    }

    #[test]
    fn rpm_says_what_is_installed_and_locked() {
        let output = "kubeadm 0:1.36.2-150500.1.1\npackage containerd is not installed\nkubelet 0:1.36.2-1\nkubectl 0:1.36.2-1\ncontainerd.io 0:2.2.0-1.el9\n";
        let locked = "# Added lock on Sun Nov 22\nkubeadm-0:1.36.2-150500.1.1.*\n[[packages]]\nname = \"kubectl\"\n[kubernetes]\nexclude=kubelet cri-tools\n";
        let held: Vec<_> = parse_rpm_query(output, locked)
            .into_iter()
            .map(|(name, package)| (name, package.version, package.held))
            .collect();
        assert_eq!(
            held,
            [
                ("containerd.io".to_owned(), "2.2.0-1.el9".to_owned(), false),
                ("kubeadm".to_owned(), "1.36.2-150500.1.1".to_owned(), true),
                ("kubectl".to_owned(), "1.36.2-1".to_owned(), true),
                ("kubelet".to_owned(), "1.36.2-1".to_owned(), true),
            ]
        );
    }

    #[test]
    fn apt_says_what_it_could_install() {
        let output = "containerd:\n  Installed: (none)\n  Candidate: 1.6.20~ds1-1+deb12u3\n  Version table:\n     1.6.20 500\ncontainerd.io:\n  Installed: (none)\n  Candidate: (none)\n  Version table:\n";
        assert_eq!(
            parse_apt_policy(output),
            BTreeSet::from(["containerd".to_owned()])
        );
        assert!(parse_apt_policy("N: Unable to locate package x\n").is_empty());
    }

    #[test]
    fn programs_say_their_version_in_their_own_ways() {
        let wanted = KubernetesVersion::new(1, 20, 2);
        for text in [
            "Kubernetes v1.20.2\n",
            "v1.20.2\n",
            "{\n \"clientVersion\": {\n \"gitVersion\": \"v1.20.2\",\n",
            "Client Version: v1.20.2\nKustomize Version: v5.0.1\n",
        ] {
            assert_eq!(
                parse_kubernetes_version(text).as_ref(),
                Some(&wanted),
                "{text}"
            );
        }
        for garbage in ["", "version", "Kubernetes v1.x"] {
            assert_eq!(parse_kubernetes_version(garbage), None, "{garbage:?}");
        }
    }

    #[test]
    fn dnf_gives_one_name_a_line() {
        let names = parse_dnf_names("containerd.io\n\nutil-linux\n");
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        assert_eq!(names, ["containerd.io", "util-linux"]);
    }
}
