//! What the agent runs on nodes with dnf, run against the real dnf and rpm: in a throw-away root of Debian's packages, beside a
//! repository that is served in a network of its own and goes away in the middle.
//!
//! The commands are the agent's own (`hactl_node_plan::rollout`), and so is what reads their answers.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use hactl_node_plan::command::{Command as NodeCommand, Output};
use hactl_node_plan::rollout::agent_package;
use hactl_node_plan::rollout::packages::{
    KUBERNETES_PACKAGES, Repositories, complete, exactly, fetch, fetch_again, hold, install,
    no_lock, offers, parse_offers, release, unpack, verify,
};
use hactl_node_plan::step::machine::PackageTool::Dnf;
use hactl_proto::rollout::agent::PackageFormat::Rpm;
use hactl_proto::version::KubernetesVersion;

use crate::assets::Workspace;
use crate::build::run;

const OLD: KubernetesVersion = KubernetesVersion::new(1, 36, 2);
const NEW: KubernetesVersion = KubernetesVersion::new(1, 36, 3);
/// Where kubeadm of the target is laid out.
const STAGED: &str = "/var/lib/hactl/upgrade/staged/v1.36.3";
const PLUGIN: &str = "usr/lib/python3/dist-packages/dnf-plugins/versionlock.py";

/// Checks all of them (root).
pub(crate) fn all() -> anyhow::Result<()> {
    let workspace = Workspace::read(Path::new("."))?;
    let mut node = Node::make(&workspace.root)?;
    for (name, check) in [
        (
            "locked and excluded versions are offered, brought and kept",
            staging as fn(&mut Node) -> anyhow::Result<()>,
        ),
        (
            "kubeadm of the target is laid out beside the installed one",
            laying_out,
        ),
        (
            "what was brought is put in without the repository, and put back",
            turn,
        ),
        ("a node without dnf's lock is known as one", unlocked),
        ("the agent's own package is seen while it is put in", own),
    ] {
        check(&mut node).context(name)?;
        println!("dnf: {name} ... ok");
    }
    // What a failed check left is there to be looked at.
    let root = node.root.clone();
    drop(node);
    fs::remove_dir_all(root)?;
    println!("dnf: 5 passed, 0 failed");
    Ok(())
}

/// A root, and the network that its programs run in.
struct Node {
    root: PathBuf,
    repository: Option<Child>,
    network: Child,
}

impl Node {
    fn make(workspace: &Path) -> anyhow::Result<Self> {
        let root = workspace.join("out/dnf-root");
        if root.exists() {
            fs::remove_dir_all(&root)?;
        }
        fs::create_dir_all(&root)?;
        run(Command::new("mmdebstrap")
            .args([
                "--quiet",
                "--variant=minbase",
                "--include=dnf,rpm,createrepo-c,dnf-plugins-core",
                "bookworm",
            ])
            .arg(&root)
            .stderr(Stdio::null()))
        .context("make a root with mmdebstrap (as root, with Debian's archive in reach)")?;
        let scripts = root.join("scripts");
        fs::create_dir_all(&scripts)?;
        for script in ["post.sh", "preun.sh", "postun.sh"] {
            fs::copy(
                workspace.join("packaging/rpm").join(script),
                scripts.join(script),
            )?;
        }
        fs::create_dir_all(root.join("etc/yum.repos.d"))?;
        fs::create_dir_all(root.join("etc/dnf/vars"))?;
        fs::write(
            scripts.join("root.sh"),
            include_str!("../files/dnf-root.sh"),
        )?;
        run(Command::new("chroot")
            .arg(&root)
            .args(["sh", "/scripts/root.sh"]))?;
        // It holds the network for as long as its input is open, which is as long as this program lives.
        let mut network = Command::new("unshare")
            .args([
                "--net",
                "sh",
                "-c",
                "ip link set lo up && echo up && exec cat",
            ])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("make a network of its own")?;
        // Before that line whoever joins it is still in the host's.
        let mut said = [0; 3];
        let mut out = network.stdout.take().context("the network has no voice")?;
        out.read_exact(&mut said)
            .context("make a network of its own")?;
        let mut node = Self {
            root,
            repository: None,
            network,
        };
        node.serve()?;
        Ok(node)
    }

    /// Serves the repository, until it is gone.
    fn serve(&mut self) -> anyhow::Result<()> {
        let program = "python3 -m http.server --bind 127.0.0.1 --directory /srv/repo 8099";
        let mut command = self.command("python3", &program.split(' ').skip(1).collect::<Vec<_>>());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        self.repository = Some(command.spawn()?);
        for _ in 0..100 {
            let asked = "import socket; socket.create_connection(('127.0.0.1', 8099))";
            if self
                .command("python3", &["-c", asked])
                .output()?
                .status
                .success()
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(100));
        }
        anyhow::bail!("the repository is not served")
    }

    /// Takes the repository away.
    fn cut_off(&mut self) -> anyhow::Result<()> {
        if let Some(mut server) = self.repository.take() {
            server.kill()?;
            server.wait()?;
        }
        Ok(())
    }

    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/proc/{}/ns/net", self.network.id()))
            .arg("chroot")
            .arg(&self.root)
            .arg(program)
            .args(arguments)
            .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::null());
        command
    }

    /// Runs one of the agent's commands, whatever comes of it.
    fn answer(&self, command: &NodeCommand) -> anyhow::Result<Output> {
        let arguments: Vec<&str> = command.arguments.iter().map(String::as_str).collect();
        let output = self.command(&command.program, &arguments).output()?;
        Ok(Output {
            status: output.status.code(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs one that has to succeed.
    fn run(&self, command: &NodeCommand) -> anyhow::Result<String> {
        let answer = self.answer(command)?;
        ensure!(
            answer.success(),
            "{} ended with {:?}:\n{}{}",
            command.line(),
            answer.status,
            answer.stdout,
            answer.stderr
        );
        Ok(answer.stdout)
    }

    fn exactly(&self, names: &[&str], version: &KubernetesVersion) -> anyhow::Result<Vec<String>> {
        let told = self.run(&offers(Dnf, Repositories::AsKnown))?;
        exactly(Dnf, &parse_offers(&told), names, version)
            .with_context(|| format!("{version} of {names:?} is not in:\n{told}"))
    }

    /// The packages that dnf keeps, by their names.
    fn kept(&self) -> anyhow::Result<Vec<PathBuf>> {
        let mut kept = Vec::new();
        for repository in fs::read_dir(self.root.join("var/cache/dnf"))? {
            let packages = repository?.path().join("packages");
            for file in fs::read_dir(packages).into_iter().flatten().flatten() {
                kept.push(file.path());
            }
        }
        kept.sort();
        Ok(kept)
    }

    fn installed(&self, wanted: [&KubernetesVersion; 3]) -> anyhow::Result<()> {
        for (name, wanted) in KUBERNETES_PACKAGES.iter().zip(wanted) {
            let found = self.run(&NodeCommand::new(name, [""; 0]))?;
            ensure!(found.trim() == wanted.to_string(), "{name} is {found}");
        }
        Ok(())
    }

    fn locks(&self) -> anyhow::Result<Vec<String>> {
        let text = fs::read_to_string(self.root.join("etc/dnf/plugins/versionlock.list"))?;
        let lines = text
            .lines()
            .filter(|line| !line.is_empty() && !line.starts_with('#'));
        Ok(lines.map(str::to_owned).collect())
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.cut_off().ok();
        self.network.kill().ok();
        self.network.wait().ok();
    }
}

fn staging(node: &mut Node) -> anyhow::Result<()> {
    let told = node.run(&offers(Dnf, Repositories::Asked))?;
    ensure!(complete(&parse_offers(&told)) == [OLD, NEW], "{told}");
    let old = node.exactly(&KUBERNETES_PACKAGES, &OLD)?;
    node.run(&fetch(Dnf, &old))?;
    node.run(&install(Dnf, &old))?;
    node.run(&hold(Dnf, &KUBERNETES_PACKAGES))?;
    ensure!(node.locks()?.len() == 3, "{:?}", node.locks()?);
    // dnf says nothing of a fetch that it has nothing to do for.
    for file in node.kept()? {
        fs::remove_file(file)?;
    }
    let told = node.run(&offers(Dnf, Repositories::Asked))?;
    ensure!(complete(&parse_offers(&told)) == [OLD, NEW], "{told}");
    node.run(&fetch(Dnf, &node.exactly(&KUBERNETES_PACKAGES, &NEW)?))?;
    node.run(&fetch_again(Dnf, &old))?;
    ensure!(node.kept()?.len() == 6, "it keeps {:?}", node.kept()?);
    node.installed([&OLD, &OLD, &OLD])
}

fn laying_out(node: &mut Node) -> anyhow::Result<()> {
    let name = format!("{}.", node.exactly(&["kubeadm"], &NEW)?[0]);
    let kept = node.kept()?;
    let found = kept.iter().find(|path| {
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        file.starts_with(&name)
    });
    let found = found.with_context(|| format!("{name} is not in {kept:?}"))?;
    let file = Path::new("/").join(found.strip_prefix(&node.root)?);
    let file = file.to_string_lossy();
    fs::create_dir_all(node.root.join(STAGED.trim_start_matches('/')))?;
    for _ in 0..2 {
        node.run(&verify(&file))?;
        node.run(&unpack(Dnf, &file, STAGED))?;
        let kubeadm = format!("{STAGED}/usr/bin/kubeadm");
        let said = node.run(&NodeCommand::new(&kubeadm, ["version"]))?;
        ensure!(said.trim() == NEW.to_string(), "it says {said}");
    }
    node.installed([&OLD, &OLD, &OLD])?;
    let mut bytes = fs::read(found)?;
    // In the payload, at its end: what lies before the headers is nobody's.
    let at = bytes.len().saturating_sub(40);
    bytes[at] ^= 1;
    fs::write(node.root.join("tmp/damaged.rpm"), bytes)?;
    let answer = node.answer(&verify("/tmp/damaged.rpm"))?;
    ensure!(
        !answer.success(),
        "a damaged package is not seen: {answer:?}"
    );
    Ok(())
}

fn turn(node: &mut Node) -> anyhow::Result<()> {
    node.cut_off()?;
    // The repository's own time has run out: dnf would ask it.
    thread::sleep(Duration::from_secs(2));
    ensure!(
        !node.answer(&offers(Dnf, Repositories::Asked))?.success(),
        "the repository is there"
    );
    put_in(node, &["kubeadm"], &NEW)?;
    node.installed([&NEW, &OLD, &OLD])?;
    put_in(node, &["kubelet", "kubectl"], &NEW)?;
    node.installed([&NEW, &NEW, &NEW])?;
    put_in(node, &["kubelet"], &OLD)?;
    node.installed([&NEW, &OLD, &NEW])?;
    let locks = node.locks()?;
    ensure!(
        locks.len() == 3
            && locks
                .iter()
                .any(|lock| lock.starts_with("kubelet-0:1.36.2-")),
        "{locks:?}"
    );
    Ok(())
}

/// The steps of a node's turn, as the agent runs them.
fn put_in(node: &Node, names: &[&str], version: &KubernetesVersion) -> anyhow::Result<()> {
    let exact = node.exactly(names, version)?;
    node.run(&release(Dnf, names))?;
    node.run(&install(Dnf, &exact))?;
    node.run(&hold(Dnf, names)).map(drop)
}

fn unlocked(node: &mut Node) -> anyhow::Result<()> {
    let plugin = node.root.join(PLUGIN);
    let aside = node.root.join("tmp/versionlock.py");
    fs::rename(&plugin, &aside)?;
    let answer = node.answer(&hold(Dnf, &KUBERNETES_PACKAGES))?;
    let told = node.run(&offers(Dnf, Repositories::AsKnown));
    fs::rename(&aside, &plugin)?;
    ensure!(!answer.success() && no_lock(Dnf, &answer), "{answer:?}");
    told.map(drop)
}

fn own(node: &mut Node) -> anyhow::Result<()> {
    let file = |version: &str| format!("/srv/own/noarch/hactl-agent-{version}-1.noarch.rpm");
    let absent = node.answer(&agent_package::installed(Rpm))?;
    ensure!(
        agent_package::parse_installed(Rpm, &absent).is_none(),
        "{absent:?}"
    );
    node.run(&agent_package::put_in(Rpm, &file("0.1.0")))?;
    let held = node.answer(&agent_package::holds(Rpm, &file("0.2.0")))?;
    let held = agent_package::parse_holds(&held).context("it tells nothing of the package")?;
    ensure!(
        held.0 == "hactl-agent" && held.1.to_string() == "0.2.0",
        "{held:?}"
    );
    let garbage = node.answer(&agent_package::holds(Rpm, "/etc/passwd"))?;
    ensure!(
        agent_package::parse_holds(&garbage).is_none(),
        "{garbage:?}"
    );
    node.run(&agent_package::put_in(Rpm, &file("0.2.0")))?;
    // What rpm said while the package's own script restarted the agent.
    let middle = Output {
        status: Some(0),
        stdout: fs::read_to_string(node.root.join("tmp/seen-at-try-restart"))?,
        stderr: String::new(),
    };
    let after = node.answer(&agent_package::installed(Rpm))?;
    for (answer, settled) in [(&middle, false), (&after, true)] {
        let found = agent_package::parse_installed(Rpm, answer)
            .with_context(|| format!("no agent in {answer:?}"))?;
        ensure!(
            found.version.to_string() == "0.2.0" && found.settled == settled,
            "{found:?} of {answer:?}"
        );
    }
    ensure!(
        !node
            .answer(&agent_package::put_in(Rpm, &file("0.1.0")))?
            .success(),
        "rpm went back to an older one"
    );
    Ok(())
}
