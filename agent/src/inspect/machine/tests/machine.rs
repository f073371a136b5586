//! A host of files in memory and a table of commands.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Mutex, MutexGuard};

use hactl_node_plan::command::{Command, Output};
use hactl_proto::Timestamp;

use crate::host::{Answer, Entry, Host, HostError, Question, Space};

/// A node in memory.
#[derive(Debug, Default)]
pub(crate) struct Machine(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    answers: BTreeMap<String, Output>,
    ran: Vec<String>,
    now: Timestamp,
}

impl Machine {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn write(&self, path: &str, text: &str) {
        self.state().files.insert(path.to_owned(), text.into());
    }

    pub(crate) fn remove_path(&self, path: &str) {
        self.state().files.remove(path);
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.state().files.contains_key(path)
    }

    pub(crate) fn text(&self, path: &str) -> String {
        String::from_utf8(self.state().files[path].clone()).unwrap()
    }

    pub(crate) fn answers(&self, line: &str, status: i32, stdout: &str, stderr: &str) {
        let output = Output {
            status: Some(status),
            stdout: stdout.to_owned(),
            stderr: stderr.to_owned(),
        };
        self.state().answers.insert(line.to_owned(), output);
    }

    pub(crate) fn commands(&self) -> Vec<String> {
        self.state().ran.clone()
    }

    pub(crate) fn forget_commands(&self) {
        self.state().ran.clear();
    }

    pub(crate) fn pass_days(&self, days: i64) {
        self.pass_seconds(days * 86_400);
    }

    pub(crate) fn pass_seconds(&self, seconds: i64) {
        let mut state = self.state();
        state.now = Timestamp::from_second(state.now.as_second() + seconds).unwrap();
    }
}

impl Host for Machine {
    async fn run(&self, command: &Command) -> Result<Output, HostError> {
        let line = command.line();
        let mut state = self.state();
        state.ran.push(line.clone());
        state
            .answers
            .get(&line)
            .cloned()
            .ok_or_else(|| HostError::Start {
                program: command.program.clone(),
                source: std::io::ErrorKind::NotFound.into(),
            })
    }

    async fn read(&self, path: &Path) -> Result<Option<Vec<u8>>, HostError> {
        Ok(self.state().files.get(path.to_str().unwrap()).cloned())
    }

    async fn list(&self, path: &Path) -> Result<Option<Vec<Entry>>, HostError> {
        let below = format!("{}/", path.display());
        let mut entries: Vec<Entry> = self
            .state()
            .files
            .keys()
            .filter_map(|file| file.strip_prefix(&below))
            .map(|rest| match rest.split_once('/') {
                Some((name, _)) => (name, true),
                None => (rest, false),
            })
            .map(|(name, folder)| Entry {
                name: name.to_owned(),
                folder,
            })
            .collect();
        entries.dedup();
        Ok((!entries.is_empty()).then_some(entries))
    }

    async fn replace(&self, path: &Path, bytes: &[u8], _mode: u32) -> Result<(), HostError> {
        self.state()
            .files
            .insert(path.display().to_string(), bytes.to_vec());
        Ok(())
    }

    async fn append(&self, _path: &Path, _bytes: &[u8]) -> Result<(), HostError> {
        unreachable!("nothing is appended here")
    }

    async fn remove(&self, path: &Path) -> Result<(), HostError> {
        self.state().files.remove(path.to_str().unwrap());
        Ok(())
    }

    async fn ask(&self, _question: &Question) -> Result<Answer, HostError> {
        unreachable!("nobody is asked here")
    }

    async fn space(&self, _path: &Path) -> Result<Space, HostError> {
        Ok(Space {
            total: 100 << 30,
            available: 60 << 30,
        })
    }

    fn now(&self) -> Timestamp {
        self.state().now
    }
}

const TCP: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1659 1 0 100 0 0 10 0
   1: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1700 1 0 100 0 0 10 0
";
pub(crate) const TCP_WITH_ANOTHER_SOCKET: &str = "\
  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000:192B 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 2001 1 0 100 0 0 10 0
";
const CONTAINERD: &str = "\
version = 2
[plugins.\"io.containerd.grpc.v1.cri\"]
sandbox_image = \"k8s.gcr.io/pause:3.2\"
[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc.options]
SystemdCgroup = true
";

#[allow(clippy::too_many_lines, reason = "a table")]
/// A Debian 12 control plane on which nothing deviates.
pub(crate) fn debian() -> Machine {
    let machine = Machine::default();
    let files = [
        (
            "/etc/os-release",
            "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nID=debian\n",
        ),
        (
            "/proc/self/status",
            "Name:\thactl-agent\nCpus_allowed:\t3\nCpus_allowed_list:\t0-1\n",
        ),
        (
            "/proc/meminfo",
            "MemTotal:       24679044 kB\nMemFree:        10000000 kB\n",
        ),
        (
            "/sys/fs/cgroup/cgroup.controllers",
            "cpuset cpu io memory pids\n",
        ),
        (
            "/sys/fs/cgroup/system.slice/systemd-timesyncd.service/cgroup.procs",
            "311\n",
        ),
        (
            "/sys/fs/cgroup/system.slice/containerd.service/cgroup.procs",
            "402\n",
        ),
        ("/proc/sys/kernel/hostname", "cp1\n"),
        ("/etc/machine-id", "0123456789abcdef0123456789abcdef\n"),
        ("/sys/class/net/eth0/address", "52:54:00:00:00:01\n"),
        ("/sys/class/net/veth1/address", "0a:00:00:00:00:01\n"),
        ("/sys/class/net/lo/address", "00:00:00:00:00:00\n"),
        (
            "/proc/swaps",
            "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n",
        ),
        ("/etc/fstab", "UUID=1 / ext4 errors=remount-ro 0 1\n"),
        (
            "/proc/filesystems",
            "nodev\tsysfs\nnodev\toverlay\n\text4\n",
        ),
        (
            "/proc/modules",
            "br_netfilter 32768 0 - Live 0x0000000000000000\n",
        ),
        ("/proc/sys/net/bridge/bridge-nf-call-iptables", "1\n"),
        ("/proc/sys/net/bridge/bridge-nf-call-ip6tables", "1\n"),
        ("/proc/sys/net/ipv4/ip_forward", "1\n"),
        ("/proc/sys/net/ipv6/conf/all/forwarding", "1\n"),
        ("/etc/modules-load.d/hactl.conf", "br_netfilter\n"),
        (
            "/etc/sysctl.d/99-hactl.conf",
            "-net.ipv4.ip_forward = 1\n-net.bridge.bridge-nf-call-iptables = 1\n",
        ),
        (
            "/etc/systemd/system/multi-user.target.wants/containerd.service",
            "",
        ),
        ("/etc/containerd/config.toml", CONTAINERD),
        ("/proc/net/tcp", TCP),
        (
            "/proc/net/fib_trie",
            "Local:\n   |-- 10.99.0.11\n      /32 host LOCAL\n",
        ),
        (
            "/proc/net/if_inet6",
            "00000000000000000000000000000001 01 80 10 80       lo\n",
        ),
        (
            "/var/lib/dpkg/status",
            "Package: kubelet\nStatus: hold ok installed\nVersion: 1.20.2-0lab\n\nPackage: containerd\nStatus: install ok installed\nVersion: 1.6.20~ds1-1+deb12u3\n",
        ),
    ];
    for (path, text) in files {
        machine.write(path, text);
    }
    for program in [
        "containerd",
        "kubeadm",
        "kubelet",
        "kubectl",
        "mount",
        "conntrack",
        "crictl",
        "ip",
        "iptables",
        "nsenter",
        "ebtables",
        "socat",
        "ethtool",
        "tc",
    ] {
        machine.write(&format!("/usr/bin/{program}"), program);
    }
    for (line, stdout) in [
        (
            "containerd --version",
            "containerd github.com/containerd/containerd 1.6.20~ds1 1.6.20~ds1-1+deb12u3\n",
        ),
        ("kubeadm version -o short", "v1.20.2\n"),
        ("kubelet --version", "Kubernetes v1.20.2\n"),
        (
            "kubectl version --client -o json",
            "{\n  \"clientVersion\": {\n    \"gitVersion\": \"v1.20.2\",\n",
        ),
        (
            "kubeadm config images list -o json --kubernetes-version=v1.20.2",
            "{\"kind\":\"Images\",\"apiVersion\":\"output.kubeadm.k8s.io/v1alpha1\",\"images\":[\"k8s.gcr.io/kube-apiserver:v1.20.2\",\"k8s.gcr.io/pause:3.2\"]}\n",
        ),
        (
            "ss -Htlnp",
            "LISTEN 0      4096               *:6443             *:*    users:((\"kube-apiserver\",pid=901,fd=7))\n",
        ),
        (
            "ip -j route get 10.99.0.12",
            "[{\"dst\":\"10.99.0.12\",\"dev\":\"eth0\",\"prefsrc\":\"10.99.0.11\",\"flags\":[],\"uid\":0,\"cache\":[]}]",
        ),
        (
            "hactl-agent measure-fsync /var/lib/etcd",
            "{\"writes\":200,\"p50Us\":300,\"p99Us\":900,\"maxUs\":2000}\n",
        ),
    ] {
        machine.answers(line, 0, stdout, "");
    }
    machine
}
