//! `hactl-agent guard-etcd`: keeps the kubelet from starting an etcd that lost its data. Runs before each start of the kubelet, needs no
//! daemon, no network and no bundle, and ends within milliseconds.
//!
//! What speaks against etcd is computed in `hactl_node_plan::etcd::guard`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use hactl_node_plan::etcd::guard::{GuardFacts, is_mount_point, read_marker, reasons_to_hold};
use hactl_node_plan::facts::Known;
use hactl_node_plan::kubeadm::layout;
use hactl_proto::finding::Finding;

/// The marker's name in the agent's state folder.
pub const MARKER: &str = "etcd-member.json";
/// The folder, in the agent's state folder, where a manifest that is held back lies.
pub const HELD: &str = "held";

/// Arguments of `hactl-agent guard-etcd`.
#[derive(Debug, Clone, clap::Args)]
pub struct GuardArgs {
    /// Look at this root instead of `/`.
    #[arg(long, default_value = "/", value_name = "DIR")]
    pub root: PathBuf,
}

/// Why the guard could not do its work; the manifest lies where it lay.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// The manifest could not be moved away.
    #[error("hold back {manifest}")]
    Hold {
        /// The manifest.
        manifest: String,
        /// The cause.
        source: std::io::Error,
    },
}

/// What the guard did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// etcd may start, or has no manifest here.
    Passed,
    /// The manifest was taken away; why.
    Held(Vec<Finding>),
}

/// The drop-in of kubelet.service. The minus lets the kubelet start where the agent's package was removed and the drop-in was not.
pub fn drop_in() -> &'static str {
    "# Written by hactl-agent: keeps the kubelet from starting an etcd that lost its data.\n\
     [Service]\nExecStartPre=-/usr/bin/hactl-agent guard-etcd\n"
}

/// Looks, and takes etcd's manifest away where marker and data disagree.
pub fn guard(root: &Path) -> Result<Verdict, GuardError> {
    let manifest = under(root, layout::ETCD_MANIFEST);
    if !manifest.exists() {
        return Ok(Verdict::Passed);
    }
    let reasons = reasons_to_hold(&look(root));
    if reasons.is_empty() {
        return Ok(Verdict::Passed);
    }
    hold(&manifest, &under(root, "/var/lib/hactl").join(HELD)).map_err(|source| {
        GuardError::Hold {
            manifest: manifest.display().to_string(),
            source,
        }
    })?;
    Ok(Verdict::Held(reasons))
}

/// What the guard goes by, read with nothing but the file system.
pub fn look(root: &Path) -> GuardFacts {
    let read = |path: &str| std::fs::read_to_string(under(root, path));
    let marker = match read(&format!("/var/lib/hactl/{MARKER}")) {
        Ok(text) => match read_marker(&text) {
            Ok(marker) => Known::Is(Some(marker)),
            Err(reason) => Known::Unknown(reason),
        },
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Known::Is(None),
        Err(error) => Known::Unknown(error.to_string()),
    };
    let data_dir = match &marker {
        Known::Is(Some(marker)) => marker.data_dir.clone(),
        _ => "/var/lib/etcd".to_owned(),
    };
    let text = |path: &str| match read(path) {
        Ok(text) => Known::Is(text),
        Err(error) => Known::Unknown(format!("{path}: {error}")),
    };
    GuardFacts {
        marker,
        data: holds_a_file(&under(root, &data_dir).join("member/wal")),
        mounted: match text("/proc/self/mountinfo") {
            Known::Is(mounts) => Known::Is(is_mount_point(&mounts, &data_dir)),
            Known::Unknown(reason) => Known::Unknown(reason),
        },
        machine_id: match text(layout::MACHINE_ID) {
            Known::Is(id) => Known::Is(id.trim().to_owned()),
            Known::Unknown(reason) => Known::Unknown(reason),
        },
    }
}

/// The entry point of `hactl-agent guard-etcd`: says on standard error what it did. It fails only where the manifest had to go and
/// could not be moved.
pub fn main(args: &GuardArgs) -> ExitCode {
    match guard(&args.root) {
        Ok(Verdict::Passed) => ExitCode::SUCCESS,
        Ok(Verdict::Held(reasons)) => {
            eprintln!("etcd.yaml was moved to /var/lib/hactl/{HELD}: etcd must not start here now");
            for Finding {
                check,
                observed,
                wanted,
                remedy,
                ..
            } in reasons
            {
                eprintln!("  {check}: {observed}; wanted: {wanted}\n    {remedy}");
            }
            ExitCode::SUCCESS
        }
        Err(error) => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            eprintln!("failed to {error}: {}", cause.unwrap_or_default());
            ExitCode::FAILURE
        }
    }
}

fn under(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

fn holds_a_file(folder: &Path) -> Known<bool> {
    match std::fs::read_dir(folder) {
        Ok(mut entries) => Known::Is(entries.next().is_some()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Known::Is(false),
        Err(error) => Known::Unknown(format!("{}: {error}", folder.display())),
    }
}

/// A rename would fail between file systems: the copy is made durable first, then the manifest goes.
fn hold(manifest: &Path, folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir_all(folder)?;
    let copy = folder.join("etcd.yaml");
    std::fs::copy(manifest, &copy)?;
    std::fs::File::open(&copy)?.sync_all()?;
    std::fs::remove_file(manifest)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A node whose etcd member was complete.
    fn node() -> tempfile::TempDir {
        let node = tempfile::tempdir().unwrap();
        let root = node.path();
        let write = |path: &str, text: &str| {
            let path = under(root, path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write(layout::ETCD_MANIFEST, "kind: Pod");
        write(layout::MACHINE_ID, "m1\n");
        write("/proc/self/mountinfo", "");
        write("/var/lib/etcd/member/wal/0.wal", "data");
        write(
            "/var/lib/hactl/etcd-member.json",
            r#"{"version":1,"node":"cp1","address":"10.0.0.1","cluster":"c","member":"a","dataDir":"/var/lib/etcd",
                "ownMount":false,"machineId":"m1","written":"2026-11-22T17:38:47Z"}"#,
        );
        node
    }

    fn held(root: &Path) -> bool {
        let there = under(root, layout::ETCD_MANIFEST).exists();
        let away = under(root, "/var/lib/hactl/held/etcd.yaml").exists();
        assert_ne!(there, away, "the manifest is in one place");
        away
    }

    #[test]
    fn a_member_with_its_data_starts() {
        let node = node();
        assert_eq!(guard(node.path()).unwrap(), Verdict::Passed);
        assert!(!held(node.path()));
    }

    #[test]
    fn an_emptied_data_folder_holds_the_manifest_and_a_second_look_is_fine() {
        let node = node();
        fs::remove_dir_all(under(node.path(), "/var/lib/etcd/member")).unwrap();
        assert!(matches!(guard(node.path()).unwrap(), Verdict::Held(_)));
        assert!(held(node.path()));
        assert_eq!(guard(node.path()).unwrap(), Verdict::Passed);
    }

    #[test]
    fn a_truncated_marker_holds() {
        let node = node();
        let marker = under(node.path(), "/var/lib/hactl/etcd-member.json");
        let text = fs::read_to_string(&marker).unwrap();
        fs::write(&marker, &text[..40]).unwrap();
        assert!(matches!(guard(node.path()).unwrap(), Verdict::Held(_)));
        assert!(held(node.path()));
    }

    #[test]
    fn another_machine_with_this_disk_holds() {
        let node = node();
        fs::write(under(node.path(), layout::MACHINE_ID), "m2\n").unwrap();
        assert!(matches!(guard(node.path()).unwrap(), Verdict::Held(_)));
        assert!(held(node.path()));
    }

    #[test]
    fn a_first_init_is_not_held() {
        let node = node();
        fs::remove_file(under(node.path(), "/var/lib/hactl/etcd-member.json")).unwrap();
        fs::remove_dir_all(under(node.path(), "/var/lib/etcd")).unwrap();
        assert_eq!(guard(node.path()).unwrap(), Verdict::Passed);
    }
}
