//! What the lab needs of the host: a few of Debian's packages and a layout of cgroups that it knows.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::program::program;
use crate::progress::{say, stage};

/// Who signs Debian's archive.
pub(crate) const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";
/// Packages needed to make and run nodes, each with a file that shows it is there.
pub(crate) const TO_RUN: [(&str, &str); 7] = [
    ("debian-archive-keyring", KEYRING),
    ("mmdebstrap", "/usr/bin/mmdebstrap"),
    ("systemd-container", "/usr/bin/systemd-nspawn"),
    ("nftables", "/usr/sbin/nft"),
    ("iproute2", "/usr/sbin/ip"),
    ("dpkg-dev", "/usr/bin/dpkg-scanpackages"),
    ("util-linux", "/usr/bin/nsenter"),
];
/// Packages needed to build Kubernetes.
pub(crate) const TO_BUILD: [(&str, &str); 6] = [
    ("debian-archive-keyring", KEYRING),
    ("dpkg-dev", "/usr/bin/dpkg-source"),
    ("golang-go", "/usr/bin/go"),
    (
        "golang-github-modern-go-reflect2-dev",
        "/usr/share/gocode/src/github.com/modern-go/reflect2/reflect2.go",
    ),
    ("make", "/usr/bin/make"),
    ("rsync", "/usr/bin/rsync"),
];

/// How many inotify instances the host's users may have: each node's systemd, kubelet and containerd want some, and Linux' 128
/// are used up by the second lab ("inotify_init: too many open files").
const INOTIFY: (&str, u32) = ("/proc/sys/fs/inotify/max_user_instances", 4096);

/// Where Debian's packages come from.
pub(crate) fn mirror() -> String {
    std::env::var("HACTL_LAB_MIRROR").unwrap_or_else(|_| "http://deb.debian.org/debian".to_owned())
}

/// Refuses a host that the lab can't run on, before anything is made.
pub(crate) fn check() -> Result<()> {
    ensure!(
        nix::unistd::Uid::effective().is_root(),
        "the lab makes namespaces and mounts: run it as root"
    );
    ensure!(
        Path::new("/sys/fs/cgroup/memory/cgroup.procs").exists(),
        "the lab knows hosts with cgroup v1 (or the hybrid layout) only, and /sys/fs/cgroup/memory is not there"
    );
    Ok(())
}

/// Raises the host's limits that nodes share, until its next boot.
pub(crate) fn raise_limits() -> Result<()> {
    let (file, wanted) = INOTIFY;
    let now: u32 = fs::read_to_string(file)
        .with_context(|| format!("failed to read {file}"))?
        .trim()
        .parse()
        .with_context(|| format!("{file} holds no number"))?;
    if now < wanted {
        fs::write(file, wanted.to_string()).with_context(|| format!("failed to write {file}"))?;
        say(&format!("{file} of this host: {now}, now {wanted}"));
    }
    Ok(())
}

/// Installs what is missing of those packages.
pub(crate) fn install(packages: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .filter(|(_, file)| !Path::new(file).exists())
        .map(|(package, _)| *package)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    stage(
        &format!("installing on this host: {}", missing.join(" ")),
        |_| {
            let apt = || {
                program("apt-get")
                    .env("DEBIAN_FRONTEND", "noninteractive")
                    .limit(Duration::from_mins(15))
            };
            apt().words("update -q").run()?;
            apt()
                .words("install -qy --no-install-recommends")
                .args(&missing)
                .run()?;
            Ok(())
        },
    )
}
