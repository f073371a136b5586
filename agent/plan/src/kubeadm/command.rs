//! kubeadm's commands as data.
//!
//! None of them holds a secret in its arguments. Long ones get their transient unit's name from the executor.

use std::time::Duration;

use hactl_proto::version::KubernetesVersion;

use super::capability::Kubeadm;
use super::layout;
use crate::command::Command;

/// Preflight pulls the images that are missing; a slow registry is the longest thing here.
const PREFLIGHT_LIMIT: Duration = Duration::from_mins(30);
/// kubeadm's own waits (API server 4 min, TLS bootstrap 5 min, etcd 200 s) one after another.
const JOIN_LIMIT: Duration = Duration::from_mins(15);
/// `reset` tries for 5 minutes to reach a cluster that is gone (tried on 1.20.2).
const RESET_LIMIT: Duration = Duration::from_mins(7);
/// Four components, each awaited five minutes for its hash and five to run, and back again (kubeadm reference, 4.5).
const UPGRADE_LIMIT: Duration = Duration::from_mins(50);
/// It asks an API server that may be away.
const RENEW_LIMIT: Duration = Duration::from_mins(10);
/// Phases that only talk to the API server.
const PHASE_LIMIT: Duration = Duration::from_mins(5);

/// Which of the two ways into a cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entrance {
    /// `kubeadm init`.
    Init,
    /// `kubeadm join`.
    Join,
}

impl Entrance {
    const fn word(self) -> &'static str {
        match self {
            Self::Init => "init",
            Self::Join => "join",
        }
    }
}

/// The installed kubeadm's version, as JSON.
pub fn version() -> Command {
    Command::new("kubeadm", ["version", "-o", "json"])
}

/// Checks a configuration file and changes nothing. `init` and `join` would only warn of a field that they do not know
/// and drop it. Before 1.28 `config migrate` reads the file with the same warnings; it prints the whole file, secrets too.
pub fn check_config(kubeadm: Kubeadm, file: &str) -> Command {
    if kubeadm.config_validate() {
        Command::new("kubeadm", ["config", "validate", "--config", file])
    } else {
        Command::new("kubeadm", ["config", "migrate", "--old-config", file]).secret_output()
    }
}

/// kubeadm's own preflight. It changes nothing but pulls the images that are missing.
pub fn preflight(entrance: Entrance, file: &str) -> Command {
    let words = [entrance.word(), "phase", "preflight", "--config", file];
    Command::new("kubeadm", words).limit(PREFLIGHT_LIMIT)
}

/// `kubeadm init`, its preflight done already. Its output holds no token and no key: units' output is kept by systemd's
/// journal. Certificates are not uploaded here but afresh for each join, so that a key opens them for minutes, not hours.
pub fn init(kubeadm: Kubeadm, file: &str) -> Command {
    let skipped = if kubeadm.shows_join_command() {
        "--skip-phases=preflight,show-join-command"
    } else {
        "--skip-phases=preflight"
    };
    let words = ["init", "--config", file, "--skip-token-print", skipped];
    Command::new("kubeadm", words).limit(JOIN_LIMIT)
}

/// `kubeadm join`, its preflight done already.
pub fn join(file: &str) -> Command {
    let words = ["join", "--config", file, "--skip-phases=preflight"];
    Command::new("kubeadm", words).limit(JOIN_LIMIT)
}

/// One phase of `kubeadm init`, such as `upload-config all`. All that are used are create-or-update.
pub fn init_phase(phase: &[&str], file: &str) -> Command {
    let words = ["init", "phase"].iter().chain(phase).copied();
    Command::new("kubeadm", words.chain(["--config", file])).limit(PHASE_LIMIT)
}

/// One phase of `kubeadm join`.
pub fn join_phase(phase: &[&str], file: &str) -> Command {
    let words = ["join", "phase"].iter().chain(phase).copied();
    Command::new("kubeadm", words.chain(["--config", file])).limit(PHASE_LIMIT)
}

/// The phases that are left of an init whose etcd and API server serve, in kubeadm's order.
pub fn remaining_init_phases(kubeadm: Kubeadm) -> Vec<Vec<&'static str>> {
    vec![
        vec!["upload-config", "all"],
        vec!["mark-control-plane"],
        vec!["bootstrap-token"],
        vec!["kubelet-finalize", kubeadm.rotation_phase()],
        vec!["addon", "all"],
    ]
}

/// The phases that are left of a control plane's join whose etcd member votes and whose API server serves. etcd's own
/// phase is not among them: repeated, it fails on 1.36.
pub fn remaining_join_phases(kubeadm: Kubeadm) -> Vec<Vec<&'static str>> {
    let mut phases = Vec::new();
    if kubeadm.cluster_status() {
        phases.push(vec!["control-plane-join", "update-status"]);
    }
    phases.push(vec!["control-plane-join", "mark-control-plane"]);
    phases
}

/// `kubeadm reset`. It never removes the etcd member: it wipes the data and exits with 0 also when it could not
/// (kubeadm reference, section 2.4), so the member goes before, through etcd, and the data is ours to remove.
pub fn reset(kubeadm: Kubeadm) -> Command {
    let skipped = if kubeadm.reset_updates_cluster_status() {
        "--skip-phases=update-cluster-status,remove-etcd-member"
    } else {
        "--skip-phases=remove-etcd-member"
    };
    let socket = format!("--cri-socket={}", kubeadm.cri_socket());
    Command::new("kubeadm", ["reset", "--force", skipped, &socket]).limit(RESET_LIMIT)
}

/// `kubeadm certs renew all`, the same words from 1.20 on. That it ends with 0 proves nothing (kubeadm reference, 2.1.1); where
/// the API does not answer it asks for a while and goes by its defaults.
pub fn renew_certificates() -> Command {
    Command::new("kubeadm", ["certs", "renew", "all"]).limit(RENEW_LIMIT)
}

/// `kubeadm upgrade apply`, on the first control plane alone.
pub fn upgrade_apply(target: &KubernetesVersion, keep_etcd: bool, ignored: &[String]) -> Command {
    let words = [
        "upgrade".to_owned(),
        "apply".to_owned(),
        target.to_string(),
        "--yes".to_owned(),
    ];
    upgrade(words, keep_etcd, ignored)
}

/// `kubeadm upgrade node`, on every other node.
pub fn upgrade_node(keep_etcd: bool, ignored: &[String]) -> Command {
    upgrade(
        ["upgrade".to_owned(), "node".to_owned()],
        keep_etcd,
        ignored,
    )
}

fn upgrade(
    words: impl IntoIterator<Item = String>,
    keep_etcd: bool,
    ignored: &[String],
) -> Command {
    let etcd = keep_etcd.then(|| "--etcd-upgrade=false".to_owned());
    let ignored =
        (!ignored.is_empty()).then(|| format!("--ignore-preflight-errors={}", ignored.join(",")));
    Command::new("kubeadm", words.into_iter().chain(etcd).chain(ignored)).limit(UPGRADE_LIMIT)
}

/// Mints a bootstrap token and prints it on standard output. Never as a transient unit: systemd's journal would keep it.
pub fn create_token(description: &str, ttl: &str) -> Command {
    let words = [
        "token",
        "create",
        "--kubeconfig",
        layout::ADMIN_CONF,
        "--ttl",
        ttl,
        "--description",
        description,
    ];
    Command::new("kubeadm", words).secret_output()
}

/// Uploads the control plane's certificates, sealed with the key in the file.
pub fn upload_certificates(file: &str) -> Command {
    let words = [
        "init",
        "phase",
        "upload-certs",
        "--upload-certs",
        "--skip-certificate-key-print",
        "--config",
        file,
    ];
    Command::new("kubeadm", words)
        .limit(PHASE_LIMIT)
        .secret_output()
}

#[cfg(test)]
mod tests {
    use hactl_proto::version::KubernetesVersion;

    use super::*;

    fn kubeadm(minor: u16) -> Kubeadm {
        Kubeadm::of(&KubernetesVersion::new(1, minor, 0)).unwrap()
    }

    #[test]
    fn a_configuration_is_checked_by_what_that_kubeadm_has() {
        let words = |minor| check_config(kubeadm(minor), "/run/a.yaml").arguments;
        assert_eq!(words(28), ["config", "validate", "--config", "/run/a.yaml"]);
        let migrate = ["config", "migrate", "--old-config", "/run/a.yaml"];
        assert_eq!(words(27), migrate);
    }

    #[test]
    fn an_inits_phases_are_named_as_that_kubeadm_names_them() {
        let phases = |minor| {
            let phases = remaining_init_phases(kubeadm(minor));
            phases
                .iter()
                .map(|phase| phase.join(" "))
                .collect::<Vec<_>>()
        };
        let all = phases(36);
        assert_eq!(
            all,
            [
                "upload-config all",
                "mark-control-plane",
                "bootstrap-token",
                "kubelet-finalize enable-client-cert-rotation",
                "addon all",
            ]
        );
        assert_eq!(phases(20)[3], "kubelet-finalize experimental-cert-rotation");
    }

    #[test]
    fn the_cluster_status_is_told_only_to_versions_that_keep_one() {
        let status = vec!["control-plane-join", "update-status"];
        let mark = vec!["control-plane-join", "mark-control-plane"];
        assert_eq!(remaining_join_phases(kubeadm(21)), [status, mark.clone()]);
        assert_eq!(remaining_join_phases(kubeadm(22)), [mark]);
    }
}
