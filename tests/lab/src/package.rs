//! kubeadm, kubelet, kubectl and a crictl as Debian packages, laid out as pkgs.k8s.io lays its own out, and a repository of
//! them: installing, holding and upgrading packages on the nodes is then what it is anywhere.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cache::{Cache, write, write_executable};
use crate::kubernetes::Kubernetes;
use crate::program::program;

/// Where a node finds the repository.
pub(crate) const REPOSITORY: &str = "/var/lib/hactl-lab/packages";
/// Raise it when what the packages hold changes.
const REVISION: &str = "2";

const KUBELET_UNIT: &str = include_str!("../files/kubelet.service");
const KUBEADM_DROP_IN: &str = include_str!("../files/10-kubeadm.conf");
const CRICTL: &str = include_str!("../files/crictl");

/// The Debian revision that the lab's packages carry.
pub(crate) fn package_version(kubernetes: &Kubernetes) -> String {
    format!(
        "{}-0lab",
        kubernetes.version.to_string().trim_start_matches('v')
    )
}

/// Makes the version's packages where they are not there yet, and lists the repository anew.
pub(crate) fn packages(cache: &Cache, kubernetes: &Kubernetes) -> Result<PathBuf> {
    let repository = cache.path("packages");
    let version = package_version(kubernetes);
    let key = format!(
        "{}{REVISION}\n{CRICTL}{KUBELET_UNIT}{KUBEADM_DROP_IN}",
        kubernetes.key()?
    );
    cache.once(&format!("packages/{version}"), &key, |partial| {
        for package in contents(kubernetes, &version) {
            package.build(partial)?;
        }
        Ok(())
    })?;
    let listed = program("dpkg-scanpackages")
        .dir(&repository)
        .words("--multiversion .")
        .limit(Duration::from_mins(2))
        .run()
        .context("failed to list the lab's packages")?;
    write(&repository.join("Packages"), listed)?;
    Ok(repository)
}

struct Package {
    name: &'static str,
    version: String,
    depends: &'static str,
    executables: Vec<(&'static str, Vec<u8>)>,
    files: Vec<(&'static str, &'static str)>,
    after_install: Option<&'static str>,
}

fn contents(kubernetes: &Kubernetes, version: &str) -> Vec<Package> {
    let binary = |name: &'static str| fs::read(kubernetes.file(name)).unwrap_or_default();
    vec![
        Package {
            name: "kubeadm",
            version: version.to_owned(),
            depends: "kubelet, kubectl, cri-tools",
            executables: vec![("usr/bin/kubeadm", binary("kubeadm"))],
            files: vec![(
                "usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
                KUBEADM_DROP_IN,
            )],
            after_install: None,
        },
        Package {
            name: "kubelet",
            version: version.to_owned(),
            depends: "conntrack, ebtables, ethtool, iproute2, iptables, mount, socat, util-linux",
            executables: vec![("usr/bin/kubelet", binary("kubelet"))],
            files: vec![
                ("usr/lib/systemd/system/kubelet.service", KUBELET_UNIT),
                ("etc/default/kubelet", "KUBELET_EXTRA_ARGS=\n"),
            ],
            after_install: Some(include_str!("../files/kubelet.postinst")),
        },
        Package {
            name: "kubectl",
            version: version.to_owned(),
            depends: "",
            executables: vec![("usr/bin/kubectl", binary("kubectl"))],
            files: vec![],
            after_install: None,
        },
        Package {
            name: "cri-tools",
            version: version.to_owned(),
            depends: "containerd",
            executables: vec![("usr/bin/crictl", CRICTL.as_bytes().to_vec())],
            files: vec![],
            after_install: None,
        },
    ]
}

impl Package {
    fn build(&self, into: &Path) -> Result<()> {
        let tree = into.join(format!("{}.tree", self.name));
        for (path, content) in &self.executables {
            write_executable(&tree.join(path), content)?;
        }
        for (path, content) in &self.files {
            write(&tree.join(path), content)?;
        }
        let Self {
            name,
            version,
            depends,
            ..
        } = self;
        let depends = if depends.is_empty() {
            String::new()
        } else {
            format!("Depends: {depends}\n")
        };
        let control = format!(
            "Package: {name}\nVersion: {version}\nArchitecture: amd64\nMaintainer: hactl-lab <lab@hactl.invalid>\n\
             {depends}Description: {name} for the nodes of hactl's lab\n"
        );
        write(&tree.join("DEBIAN/control"), control)?;
        let configuration: String = self
            .files
            .iter()
            .filter(|(path, _)| path.starts_with("etc/"))
            .fold(String::new(), |text, (path, _)| text + "/" + path + "\n");
        if !configuration.is_empty() {
            write(&tree.join("DEBIAN/conffiles"), configuration)?;
        }
        if let Some(script) = self.after_install {
            write_executable(&tree.join("DEBIAN/postinst"), script)?;
        }
        program("dpkg-deb")
            .words("--root-owner-group -Znone --build")
            .arg(&tree)
            .arg(into.join(format!("{name}_{version}_amd64.deb")))
            .limit(Duration::from_mins(2))
            .run()?;
        fs::remove_dir_all(&tree)?;
        Ok(())
    }
}
