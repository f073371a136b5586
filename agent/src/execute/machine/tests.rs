use hactl_node_plan::facts::machine::containerd::CONTAINERD_CONFIG;
use hactl_node_plan::step::machine::Sysctl;

use super::*;
use crate::inspect::machine::tests::{Machine, debian};

const DUMP: &str = "containerd --config /etc/containerd/config.toml.hactl-draft config dump";
const MARKER: &str = "/run/hactl/containerd-restart-due";

async fn mend(host: &Machine, step: &MachineStep) -> Result<(), StepError> {
    let paths = Paths::under(Path::new("/"));
    Mender::new(host, &paths, "hactl-op1".to_owned())
        .mend(step)
        .await
}

fn edit(host: &Machine) -> MachineStep {
    MachineStep::WriteFile(FileEdit {
        file: EditedFile::Containerd,
        path: CONTAINERD_CONFIG.to_owned(),
        before: Some(host.text(CONTAINERD_CONFIG)),
        after: "version = 2\n# new\n".to_owned(),
        mode: 0o600,
    })
}

fn observed(result: Result<(), StepError>) -> String {
    match result {
        Err(StepError::State { observed, .. }) => observed,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn containerd_reads_a_configuration_before_it_is_put_in_place() {
    let host = debian();
    let before = host.text(CONTAINERD_CONFIG);
    host.answers(
        DUMP,
        1,
        "password = \"hunter2\"",
        "time=…\ncontainerd: invalid runtime\n",
    );
    let said = observed(mend(&host, &edit(&host)).await);
    assert_eq!(
        said,
        "containerd would not start with it: containerd: invalid runtime"
    );
    assert_eq!(host.text(CONTAINERD_CONFIG), before);
    assert!(!host.has("/etc/containerd/config.toml.hactl-draft") && !host.has(MARKER));
}

#[tokio::test]
async fn a_restart_that_a_crash_cut_off_is_still_due() {
    let host = debian();
    host.answers(DUMP, 0, "", "");
    let step = edit(&host);
    mend(&host, &step).await.unwrap();
    assert_eq!(host.text(CONTAINERD_CONFIG), "version = 2\n# new\n");
    assert!(host.has(MARKER), "the agent may die here");
    mend(&host, &step).await.unwrap();
    host.answers(
        "systemctl restart containerd.service",
        1,
        "",
        "Job failed\n",
    );
    mend(&host, &MachineStep::RestartContainerd)
        .await
        .unwrap_err();
    assert!(host.has(MARKER), "a restart that failed is due");
    host.answers("systemctl restart containerd.service", 0, "", "");
    mend(&host, &MachineStep::RestartContainerd).await.unwrap();
    assert!(!host.has(MARKER));
}

#[tokio::test]
async fn a_file_that_someone_else_changed_is_left_alone() {
    let host = debian();
    let step = edit(&host);
    host.write(
        CONTAINERD_CONFIG,
        "version = 2\n# by the operator, just now\n",
    );
    let said = observed(mend(&host, &step).await);
    assert_eq!(said, "it was changed by someone else since it was read");
    host.remove_path(CONTAINERD_CONFIG);
    observed(mend(&host, &step).await);
    assert!(!host.has(CONTAINERD_CONFIG));
}

#[tokio::test]
async fn steps_run_what_they_say() {
    let host = debian();
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let steps = [
        MachineStep::InstallPackages {
            by: PackageTool::Apt,
            packages: names(&["conntrack", "containerd"]),
        },
        MachineStep::InstallPackages {
            by: PackageTool::Dnf,
            packages: names(&["containerd.io"]),
        },
        MachineStep::LoadModule(hactl_node_plan::step::machine::KernelModule::BrNetfilter),
        MachineStep::SetSysctl(Sysctl::BridgeNfCallIptables),
        MachineStep::SwapOff,
        MachineStep::DisableUnits {
            units: names(&["mine.swap"]),
        },
        MachineStep::MaskUnits {
            units: names(&["dev-zram0.swap", "zramswap.service"]),
        },
        MachineStep::EnableContainerd,
        MachineStep::HoldPackages {
            by: PackageTool::Apt,
            packages: names(&["kubeadm", "kubelet"]),
        },
        MachineStep::HoldPackages {
            by: PackageTool::Dnf,
            packages: names(&["kubeadm"]),
        },
    ];
    for step in &steps {
        // The table of this host has none of these programs: what counts is what was asked for.
        mend(&host, step).await.unwrap_err();
    }
    insta::assert_snapshot!(host.commands().join("\n"), @r##"
    apt-get install --yes --no-install-recommends -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold -o DPkg::Lock::Timeout=120 conntrack containerd
    dnf install --assumeyes --setopt=install_weak_deps=False containerd.io
    modprobe br_netfilter
    sysctl -w net.bridge.bridge-nf-call-iptables=1
    swapoff -a
    systemctl disable --now mine.swap
    systemctl mask --now dev-zram0.swap zramswap.service
    systemctl enable containerd.service
    apt-mark hold kubeadm kubelet
    dnf versionlock add kubeadm
    "##);
}
