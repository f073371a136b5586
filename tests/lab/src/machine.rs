//! A node as a running machine: a container that systemd boots in, entered by its first process.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, setsid};

use crate::cache::Cache;
use crate::cgroup;
use crate::lab::{Lab, Node, Place};
use crate::mount;
use crate::package::REPOSITORY;
use crate::program::{Program, program};
use crate::rootfs::ARCHIVES;
use crate::switch::Switch;

/// Folders of a node that must not lie on an overlay: containerd's own cannot sit on one, and etcd and the kubelet want a
/// plain file system too.
pub(crate) const PLAIN: [(&str, &str); 3] = [
    ("containerd", "/var/lib/containerd"),
    ("kubelet", "/var/lib/kubelet"),
    ("etcd", "/var/lib/etcd"),
];
/// How long a killed node may take to be gone.
const END_LIMIT: Duration = Duration::from_secs(30);

/// Boots the node: its disk is there, its root is mounted. Comes back at once, the node boots by itself.
pub(crate) fn start(lab: &Lab, node: &Node) -> Result<()> {
    let place = lab.place();
    ensure!(
        leader(place, &node.name).is_none(),
        "{} is on already",
        node.name
    );
    Switch::of(place).connect(lab, node)?;
    let console = File::create(place.path("nodes").join(&node.name).join("console.log"))?;
    Command::new(std::env::current_exe()?)
        .args(["boot-node", &node.name])
        .stdin(Stdio::null())
        .stdout(console.try_clone()?)
        .stderr(console)
        .spawn()
        .with_context(|| format!("failed to start {}", node.name))?;
    Ok(())
}

/// Turns this process into the node's container manager: into a session of its own and the node's cgroups, then exec.
pub(crate) fn become_node(cache: &Cache, lab: &Lab, node: &Node) -> Result<()> {
    setsid().context("failed to start a session")?;
    let place = lab.place();
    cgroup::enter(place, &node.name)?;
    let dir = place.path("nodes").join(&node.name);
    let mut nspawn = Command::new("systemd-nspawn");
    nspawn
        .arg("-D")
        .arg(dir.join("root"))
        .args([
            "--boot",
            "--register=no",
            "--keep-unit",
            "--capability=all",
            "--resolv-conf=off",
            "--timezone=off",
        ])
        .args(["--link-journal=no", "--bind=/dev/kmsg"])
        .arg(format!("--machine={}", place.named(&node.name)))
        .arg(format!("--hostname={}", node.name))
        .arg(format!(
            "--network-namespace-path=/run/netns/{}",
            place.named(&node.name)
        ))
        .arg(format!(
            "--bind-ro={}:{REPOSITORY}",
            cache.path("packages").display()
        ))
        .arg(format!(
            "--bind-ro={}:{ARCHIVES}",
            cache.path("archives").display()
        ))
        .env("SYSTEMD_SECCOMP", "0")
        .env("SYSTEMD_NSPAWN_API_VFS_WRITABLE", "yes")
        .env("SYSTEMD_NSPAWN_UNIFIED_HIERARCHY", "0");
    for (folder, inside) in PLAIN {
        nspawn.arg(format!("--bind={}:{inside}", dir.join(folder).display()));
    }
    let product = Path::new("/sys/class/dmi/id/product_uuid");
    if product.exists() {
        nspawn.arg(format!(
            "--bind-ro={}:{}",
            dir.join("product_uuid").display(),
            product.display()
        ));
    }
    Err(nspawn.exec()).context("failed to become systemd-nspawn")
}

/// Takes the power away: no process of the node gets to do anything more. It is gone when this comes back.
pub(crate) fn cut_power(place: &Place, node: &str) -> Result<()> {
    // The cable first: a node must not be heard dying.
    Switch::of(place).disconnect(node)?;
    if let Some(leader) = leader(place, node) {
        kill(Pid::from_raw(leader), Signal::SIGKILL).ok();
    }
    let start = Instant::now();
    while manager(place, node).is_some() || !cgroup::processes(place, node).is_empty() {
        if start.elapsed() > END_LIMIT {
            bail!("{node} did not end within {} s", END_LIMIT.as_secs());
        }
        if start.elapsed() > Duration::from_secs(2) || leader(place, node).is_none() {
            // A node without a first process, yet or any more; or what entered from outside, a shell for instance.
            for process in cgroup::processes(place, node) {
                kill(Pid::from_raw(process), Signal::SIGKILL).ok();
            }
        }
        thread::sleep(Duration::from_millis(20));
    }
    mount::unmount_below(&place.path("nodes").join(node))?;
    cgroup::remove(place, Some(node))
}

/// A program to be run inside of a node.
pub(crate) fn inside(place: &Place, node: &str, argv: &[impl AsRef<OsStr>]) -> Result<Program> {
    let leader = leader(place, node).with_context(|| format!("{node} is off"))?;
    Ok(program("nsenter")
        .args(enter_options(leader))
        .args(argv)
        .env("PATH", PATH)
        .env("HOME", "/root"))
}

/// Becomes a program inside of a node; comes back only when it can't.
pub(crate) fn exec_inside(place: &Place, node: &str, argv: &[String]) -> Result<()> {
    let leader = leader(place, node).with_context(|| format!("{node} is off"))?;
    let root = PathBuf::from(format!("/proc/{leader}/root"));
    let mut command = Command::new("nsenter");
    command
        .args(enter_options(leader))
        .args(argv)
        .env("PATH", PATH)
        .env("HOME", "/root")
        .env_remove("KUBECONFIG");
    for config in ["etc/kubernetes/admin.conf", "etc/kubernetes/kubelet.conf"] {
        if root.join(config).exists() {
            command.env("KUBECONFIG", format!("/{config}"));
            break;
        }
    }
    Err(command.exec()).context("failed to enter the node")
}

/// The node's first process, where the node is on.
pub(crate) fn leader(place: &Place, node: &str) -> Option<i32> {
    let manager = manager(place, node)?;
    let children = fs::read_to_string(format!("/proc/{manager}/task/{manager}/children")).ok()?;
    let namespace = |pid: i32| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    // On its way up it is nspawn itself for a moment, and what entered it then would enter the host.
    let is_node = |pid: i32| {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        namespace(pid).is_some_and(|own| Some(own) != namespace(manager))
            && name.trim() == "systemd"
    };
    children
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .find(|pid| is_node(*pid))
}

/// A process of the node's with that name, by the host's numbering.
pub(crate) fn find_process(place: &Place, node: &str, name: &str) -> Option<i32> {
    let called = |pid: &i32| {
        fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == name)
    };
    cgroup::processes(place, node).into_iter().find(called)
}

/// The systemd-nspawn of a node, found by the machine name that only it was given.
pub(crate) fn manager(place: &Place, node: &str) -> Option<i32> {
    let machine = format!("--machine={}", place.named(node));
    managers()
        .find(|(_, arguments)| arguments.contains(&machine))
        .map(|(pid, _)| pid)
}

/// The nodes of the lab that are on, known to it or not.
pub(crate) fn running(place: &Place) -> Vec<String> {
    let prefix = format!("--machine={}", place.named(""));
    managers()
        .filter_map(|(_, arguments)| {
            arguments
                .iter()
                .find_map(|argument| argument.strip_prefix(&prefix).map(str::to_owned))
        })
        .collect()
}

const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

fn enter_options(leader: i32) -> [String; 4] {
    [
        "-t".to_owned(),
        leader.to_string(),
        "-a".to_owned(),
        "--".to_owned(),
    ]
}

fn managers() -> impl Iterator<Item = (i32, Vec<String>)> {
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.filter_map(|entry| {
        let pid: i32 = entry.file_name().to_str()?.parse().ok()?;
        let line = fs::read(entry.path().join("cmdline")).ok()?;
        let words: Vec<String> = String::from_utf8_lossy(&line)
            .split('\0')
            .map(str::to_owned)
            .collect();
        words
            .first()
            .is_some_and(|first| first.ends_with("systemd-nspawn"))
            .then_some((pid, words))
    })
}
