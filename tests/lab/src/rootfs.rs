//! What nodes boot from: a base of Debian's packages, and on it a layer for each Kubernetes version. Both are made once;
//! nodes lie over them as overlays and share them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::cache::{Cache, name_of, remove, write, write_executable};
use crate::host;
use crate::kubernetes::Kubernetes;
use crate::mount;
use crate::package::{self, REPOSITORY};
use crate::program::program;
use crate::progress::stage;

/// Where a node finds the archives of images, a folder a version.
pub(crate) const ARCHIVES: &str = "/var/lib/hactl-lab/archives";
const SUITE: &str = "bookworm";
/// What a node of the lab has: what a machine that is to become a Kubernetes node would.
const PACKAGES: &str = "systemd,systemd-sysv,dbus,containerd,runc,iproute2,iptables,nftables,conntrack,socat,ethtool,kmod,\
    ca-certificates,procps,util-linux,ebtables,mount,haproxy,keepalived,containernetworking-plugins,openssl,curl,\
    iputils-ping,less";
/// Packages that are not installed but taken apart: the images are made of them.
const PARTS: &str = "etcd-server etcd-client busybox-static";
/// Raise it when what is done to the base changes.
const REVISION: &str = "5";

const SYS_UNIT: &str = include_str!("../files/hactl-lab-sys.service");
const SYS_SCRIPT: &str = include_str!("../files/hactl-lab-sys");

/// The root file system of every node, and beside it the parts that images are made of.
pub(crate) struct Base {
    pub(crate) root: PathBuf,
    pub(crate) parts: PathBuf,
}

impl Base {
    /// The base, made where it isn't there.
    pub(crate) fn obtain(cache: &Cache) -> Result<Self> {
        let dir = cache.keyed("base", &Self::key(), |partial| {
            stage(
                "making the nodes' root file system from Debian's packages (about a minute)",
                |_| make(partial),
            )
        })?;
        Ok(Self {
            root: dir.join("root"),
            parts: dir.join("parts"),
        })
    }

    /// What it is made from.
    pub(crate) fn key() -> String {
        format!(
            "{SUITE} {} {PACKAGES} {PARTS} {REVISION}\n{SYS_UNIT}{SYS_SCRIPT}",
            host::mirror()
        )
    }
}

fn make(into: &Path) -> Result<()> {
    let root = into.join("root");
    fs::create_dir_all(into)?;
    let mirror = host::mirror();
    let security = "http://deb.debian.org/debian-security";
    program("mmdebstrap")
        .args(["--variant=minbase", "--mode=root", "--format=directory", "--skip=cleanup/apt"])
        .arg(format!("--include={PACKAGES}"))
        .arg(format!("--customize-hook=chroot \"$1\" sh -c 'mkdir -p /parts && cd /parts && apt-get download {PARTS}'"))
        .args(["--customize-hook=chroot \"$1\" apt-get clean", SUITE])
        .arg(&root)
        .args([
            format!("deb [signed-by={}] {mirror} {SUITE} main", host::KEYRING),
            format!("deb [signed-by={}] {mirror} {SUITE}-updates main", host::KEYRING),
            format!("deb [signed-by={}] {security} {SUITE}-security main", host::KEYRING),
        ])
        .limit(Duration::from_mins(20))
        .log(&into.join("mmdebstrap.log"))
        .run()?;
    for part in fs::read_dir(root.join("parts"))?.flatten() {
        program("dpkg-deb")
            .arg("-x")
            .arg(part.path())
            .arg(into.join("parts"))
            .run()?;
    }
    remove(&root.join("parts"))?;
    furnish(&root)
}

/// What a host in a container needs that one on bare metal does not.
fn furnish(root: &Path) -> Result<()> {
    for dir in [
        "var/log/journal",
        "lib/modules",
        "opt/cni/bin",
        "etc/cni/net.d",
        &REPOSITORY[1..],
    ] {
        fs::create_dir_all(root.join(dir))?;
    }
    for plugin in fs::read_dir(root.join("usr/lib/cni"))?.flatten() {
        fs::copy(
            plugin.path(),
            root.join("opt/cni/bin").join(plugin.file_name()),
        )?;
    }
    write_executable(&root.join("usr/local/sbin/hactl-lab-sys"), SYS_SCRIPT)?;
    write(
        &root.join("etc/systemd/system/hactl-lab-sys.service"),
        SYS_UNIT,
    )?;
    let wants = root.join("etc/systemd/system/sysinit.target.wants");
    fs::create_dir_all(&wants)?;
    std::os::unix::fs::symlink(
        "../hactl-lab-sys.service",
        wants.join("hactl-lab-sys.service"),
    )?;
    // The host lacks CAP_SYS_RESOURCE: containers with a negative oom_score_adj would not start.
    let file = root.join("etc/containerd/config.toml");
    let config =
        fs::read_to_string(&file).context("failed to read Debian's configuration of containerd")?;
    let section = "  [plugins.\"io.containerd.grpc.v1.cri\"]\n";
    anyhow::ensure!(
        config.contains(section),
        "Debian's configuration of containerd has no section for the CRI"
    );
    write(
        &file,
        config.replace(
            section,
            &format!("{section}    restrict_oom_score_adj = true\n"),
        ),
    )?;
    // No node reaches Debian's mirrors; the lab's own repository is all that apt knows there.
    remove(&root.join("etc/apt/sources.list"))?;
    write(
        &root.join("etc/apt/sources.list.d/hactl-lab.list"),
        format!("deb [trusted=yes] file:{REPOSITORY} ./\n"),
    )?;
    remove(&root.join("var/lib/apt/lists"))?;
    fs::create_dir_all(root.join("var/lib/apt/lists/partial"))?;
    remove(&root.join("etc/resolv.conf"))?;
    write(
        &root.join("etc/resolv.conf"),
        "# No name server: the lab's nodes know each other by /etc/hosts.\n",
    )?;
    write(
        &root.join("root/.bashrc"),
        "export KUBECONFIG=/etc/kubernetes/admin.conf\n",
    )
}

/// The layer over the base in which a Kubernetes version is installed, from packages, as a user would.
pub(crate) fn kubernetes_layer(
    cache: &Cache,
    base: &Base,
    kubernetes: &Kubernetes,
) -> Result<PathBuf> {
    let repository = package::packages(cache, kubernetes)?;
    let version = package::package_version(kubernetes);
    let key = format!("{}\n{}\n3", Base::key(), kubernetes.key()?);
    cache.keyed(&format!("layers/kubernetes-{version}"), &key, |partial| {
        stage(
            &format!("installing kubeadm, kubelet and kubectl {version}"),
            |_| {
                let work = cache.path("layers/work");
                let root = cache.path("layers/mounted");
                let _mounted =
                    mount::Overlay::mount("hactl-lab-layer", &[&base.root], partial, &work, &root)?;
                let bind = format!("--bind-ro={}:{REPOSITORY}", repository.display());
                inside(&root, &[&bind], &["apt-get", "-q", "update"])?;
                let mut install =
                    vec!["apt-get".to_owned(), "-qy".to_owned(), "install".to_owned()];
                let names = ["kubeadm", "kubelet", "kubectl", "cri-tools"];
                install.extend(names.iter().map(|name| format!("{name}={version}")));
                let install: Vec<&str> = install.iter().map(String::as_str).collect();
                inside(&root, &[&bind], &install)?;
                install_further(&root, kubernetes)
            },
        )
    })
}

/// Installs what somebody put beside the binaries; a newer containerd, say, that the version needs.
fn install_further(root: &Path, kubernetes: &Kubernetes) -> Result<()> {
    let packages = kubernetes.packages();
    if packages.is_empty() {
        return Ok(());
    }
    let bind = format!("--bind-ro={}:/mnt", kubernetes.dir.display());
    let mut argv = vec![
        "dpkg".to_owned(),
        "--force-confold".to_owned(),
        "-i".to_owned(),
    ];
    argv.extend(
        packages
            .iter()
            .map(|package| format!("/mnt/{}", name_of(package))),
    );
    let argv: Vec<&str> = argv.iter().map(String::as_str).collect();
    inside(root, &[&bind], &argv)
}

/// Runs a program in a root file system in which nothing else runs.
pub(crate) fn inside(root: &Path, options: &[&str], argv: &[&str]) -> Result<()> {
    program("systemd-nspawn")
        .arg("-D")
        .arg(root)
        .args([
            "--quiet",
            "--register=no",
            "--keep-unit",
            "--pipe",
            "--as-pid2",
            "--capability=all",
            "--resolv-conf=off",
        ])
        .args(options)
        .arg("--")
        .args(argv)
        .env("SYSTEMD_SECCOMP", "0")
        .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "yes")
        .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "0")
        .limit(Duration::from_mins(10))
        .run()?;
    Ok(())
}
