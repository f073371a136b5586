use std::path::Path;

use super::*;
use crate::inspect::machine::tests::{Machine, debian};

fn args(fix: bool, output: Format) -> DoctorArgs {
    DoctorArgs {
        output,
        fix,
        role: Role::ControlPlane,
        bundle: None,
    }
}

async fn doctor(host: &Machine, args: &DoctorArgs) -> (ExitCode, String) {
    let mut out = Vec::new();
    let paths = Paths::under(Path::new("/"));
    let code = run(args, host, &paths, &mut out).await.unwrap();
    (code, String::from_utf8(out).unwrap())
}

fn with_measure(host: Machine) -> Machine {
    let program = std::env::current_exe().unwrap();
    let line = format!("{} measure-fsync /var/lib/etcd", program.display());
    host.answers(
        &line,
        0,
        "{\"writes\":200,\"p50Us\":300,\"p99Us\":900,\"maxUs\":2000}\n",
        "",
    );
    host
}

#[tokio::test]
async fn a_healthy_node_is_said_to_be_healthy() {
    let (code, out) = doctor(&with_measure(debian()), &args(false, Format::Table)).await;
    insta::assert_snapshot!(out, @"27 of 27 prerequisites of a control-plane with Kubernetes v1.20.2 hold.");
    assert_eq!(code, ExitCode::SUCCESS);
}

#[tokio::test]
async fn without_fix_nothing_is_changed_and_with_it_all_that_can_be() {
    let host = with_measure(debian());
    host.write(
        "/proc/swaps",
        "Filename\tType\tSize\tUsed\tPriority\n/dev/sda2 partition 65532 0 -2\n",
    );
    host.write(
        "/etc/fstab",
        "UUID=1 / ext4 rw 0 1\n/dev/sda2 none swap sw 0 0\n",
    );
    host.write("/proc/self/status", "Cpus_allowed_list:\t0\n");
    let (code, out) = doctor(&host, &args(false, Format::Table)).await;
    assert_eq!(code, ExitCode::from(REFUSES));
    insta::assert_snapshot!(out, @r##"
    CHECK      EFFECT    OBSERVED                              WANTED
    cpu-count  refuses   1 processor                           at least 2 for a control-plane
               fix:      Give the machine more processors, or lift the CPUAffinity that systemd was started with.
    swap-off   refuses   in use: /dev/sda2                     no swap in use
               fix*:     Run `swapoff -a`.
    swap-off   refuses   /etc/fstab brings at boot: /dev/sda2  no swap at the next boot
               fix*:     Put `# hactl: ` before these lines of /etc/fstab and run `systemctl daemon-reload`.

    25 of 27 prerequisites of a control-plane with Kubernetes v1.20.2 hold.
    `hactl-agent doctor --fix` does what is marked with *.
    "##);
    assert!(host.text("/etc/fstab").contains("\n/dev/sda2"));
    assert!(host.commands().iter().all(|line| !line.contains("swapoff")));
    host.answers("swapoff -a", 0, "", "");
    host.answers("systemctl daemon-reload", 0, "", "");
    host.forget_commands();
    let (_, out) = doctor(&host, &args(true, Format::Table)).await;
    assert!(
        out.starts_with("done: write-fstab\ndone: swap-off\n"),
        "{out}"
    );
    assert_eq!(
        host.text("/etc/fstab"),
        "UUID=1 / ext4 rw 0 1\n# hactl: /dev/sda2 none swap sw 0 0\n"
    );
    assert!(host.commands().contains(&"swapoff -a".to_owned()));
}

#[tokio::test]
async fn a_step_that_fails_is_named() {
    let host = with_measure(debian());
    host.write("/proc/sys/net/ipv4/ip_forward", "0\n");
    host.answers(
        "sysctl -w net.ipv4.ip_forward=1",
        255,
        "",
        "sysctl: permission denied\n",
    );
    let paths = Paths::under(Path::new("/"));
    let error = run(&args(true, Format::Table), &host, &paths, &mut Vec::new())
        .await
        .unwrap_err();
    let text = format!("failed to {:#}", anyhow::Error::from(error));
    assert!(
        text.contains("set-ipv4-forward") && text.contains("permission denied"),
        "{text}"
    );
}

#[tokio::test]
async fn json_holds_everything() {
    let host = with_measure(debian());
    host.write("/proc/sys/net/ipv4/ip_forward", "0\n");
    let (_, out) = doctor(&host, &args(false, Format::Json)).await;
    let said: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(said["findings"][0]["check"], "ip-forward");
    assert_eq!(said["findings"][0]["severity"], "refusal");
    assert_eq!(said["role"], "control-plane");
    assert_eq!(said["hold"].as_array().unwrap().len(), Check::ALL.len() - 1);
}

#[tokio::test]
async fn a_bundle_that_can_not_be_read_is_an_error_and_no_default() {
    let host = debian();
    host.write("/etc/hactl/bundle.json", "garbage");
    let paths = Paths::under(Path::new("/"));
    let error = run(&args(false, Format::Table), &host, &paths, &mut Vec::new()).await;
    assert!(matches!(error, Err(DoctorError::Bundle(_))));
}
