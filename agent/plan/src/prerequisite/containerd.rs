//! containerd: installed, configured for this Kubernetes, running, and starting at boot.

use super::{Deviation, Situation};
use crate::containerd::{CriWanted, Reading, mend, read};
use crate::facts::Known;
use crate::facts::machine::containerd::ContainerdVersion;
use crate::facts::machine::system::Family;
use crate::step::machine::MachineStep;

/// kubelets up to this minor speak only CRI v1alpha2, which containerd 2 serves no more.
const LAST_ALPHA_CRI_MINOR: u16 = 22;

/// What to do where pods of the old driver run.
const DRAIN_FIRST: &str = "The node belongs to a cluster: drain it, change containerd's configuration and the kubelet's together, \
     restart both.";

/// containerd is there, of a version that the kubelet can speak to.
pub(super) fn installed(situation: Situation<'_>) -> Vec<Deviation> {
    match &situation.machine.containerd.version {
        Known::Is(Some(version)) => unsuited(situation, *version).into_iter().collect(),
        Known::Is(None) => vec![missing(situation)],
        Known::Unknown(why) => vec![Deviation::unknown("containerd's version", why)],
    }
}

/// The first of Docker's and the distribution's packages that a configured repository offers is installed.
fn missing(situation: Situation<'_>) -> Deviation {
    let deviation = Deviation::refusal(
        "containerd is not installed",
        "containerd 1.6 or later",
        "Install containerd (Debian: `apt-get install containerd`; RHEL: containerd.io from Docker's repository).",
    );
    let family = situation
        .machine
        .system
        .distribution
        .known()
        .map(|d| d.family);
    let Known::Is(offered) = &situation.machine.packages.offered else {
        return deviation;
    };
    let package = ["containerd.io", "containerd"]
        .into_iter()
        .find(|package| offered.contains(*package));
    match (family.and_then(Family::tool), package) {
        (Some(by), Some(package)) => deviation.mended_by([MachineStep::InstallPackages {
            by,
            packages: vec![package.to_owned()],
        }]),
        _ => deviation,
    }
}

fn unsuited(situation: Situation<'_>, version: ContainerdVersion) -> Option<Deviation> {
    let minor = situation.wanted.minor();
    let told = |wanted: &str, remedy: &str| {
        Some(Deviation::refusal(
            format!("containerd {version}"),
            wanted,
            remedy,
        ))
    };
    if version.major >= 2 && minor <= LAST_ALPHA_CRI_MINOR {
        return told(
            "containerd 1.x: this Kubernetes speaks CRI v1alpha2 only",
            "Install containerd 1.6 or 1.7, or a Kubernetes of 1.23 or later.",
        );
    }
    if (version.major, version.minor) < (1, 6) && minor >= 26 {
        return told("containerd 1.6 or later, for CRI v1", "Upgrade containerd.");
    }
    if version.major < 2 && minor >= 38 {
        return told("containerd 2.0 or later", "Upgrade containerd.");
    }
    None
}

/// CRI is on, runc's driver is the kubelet's, the pause image is kubeadm's; everything else in the files is their owner's.
pub(super) fn config(situation: Situation<'_>) -> Vec<Deviation> {
    let facts = &situation.machine.containerd;
    let Known::Is(Some(version)) = facts.version else {
        return vec![];
    };
    let files = match &facts.files {
        Known::Is(files) => files,
        Known::Unknown(why) => return vec![Deviation::unknown("containerd's configuration", why)],
    };
    let wanted = CriWanted {
        systemd_cgroup: situation.wanted.cgroup_driver == "systemd",
        pause_image: facts.pause_image.known().cloned().flatten(),
    };
    let reading = match read(files, version) {
        Ok(reading) => reading,
        Err(error) => {
            let wanted = "a configuration that hactl can read";
            return vec![Deviation::refusal(
                error.to_string(),
                wanted,
                error.remedy(),
            )];
        }
    };
    let mut found = Vec::new();
    if let Known::Unknown(why) = &facts.pause_image {
        found.push(Deviation::unknown(
            "the pause image that kubeadm wants",
            why,
        ));
    }
    if !reading.suits(&wanted) {
        found.extend(mended(situation, &reading, &wanted));
    }
    found
}

/// One deviation a key; the edits mend them all at once and so are in each.
fn mended(situation: Situation<'_>, reading: &Reading, wanted: &CriWanted) -> Vec<Deviation> {
    let facts = &situation.machine.containerd;
    let (Known::Is(files), Known::Is(Some(version))) = (&facts.files, &facts.version) else {
        return vec![];
    };
    let mut found = differences(reading, wanted);
    let wrong_driver = reading
        .systemd_cgroup
        .iter()
        .any(|(_, on)| *on != wanted.systemd_cgroup);
    // Pods of the old driver would be lost track of: the node is drained first (F12).
    if wrong_driver && situation.machine.kubelet.joined != Known::Is(false) {
        for deviation in &mut found {
            DRAIN_FIRST.clone_into(&mut deviation.remedy);
        }
        return found;
    }
    match mend(files, *version, wanted) {
        Ok(edits) => {
            for deviation in &mut found {
                deviation
                    .mend
                    .extend(edits.iter().cloned().map(MachineStep::WriteFile));
                deviation.mend.push(MachineStep::RestartContainerd);
            }
        }
        Err(error) => {
            for deviation in &mut found {
                deviation.remedy = format!("{} ({error})", error.remedy());
            }
        }
    }
    found
}

fn differences(reading: &Reading, wanted: &CriWanted) -> Vec<Deviation> {
    let mut found = Vec::new();
    if !reading.disabled.is_empty() {
        found.push(Deviation::refusal(
            format!("disabled_plugins has {}", reading.disabled.join(", ")),
            "CRI is on: the kubelet speaks to it",
            "Take it out of disabled_plugins and restart containerd.",
        ));
    }
    for (runtime, on) in &reading.systemd_cgroup {
        if *on != wanted.systemd_cgroup {
            found.push(Deviation::refusal(
                format!("SystemdCgroup of the runtime {runtime} is {on}"),
                format!("{}, as the kubelet's driver", wanted.systemd_cgroup),
                format!(
                    "Set SystemdCgroup = {} and restart containerd.",
                    wanted.systemd_cgroup
                ),
            ));
        }
    }
    if let Some(image) = &wanted.pause_image
        && reading.pause_image.as_ref() != Some(image)
    {
        let observed = reading
            .pause_image
            .as_deref()
            .unwrap_or("containerd's own default");
        found.push(Deviation::warning(
            format!("the pause image is {observed}"),
            format!("{image}, kubeadm's: without a registry no other is there"),
            format!("Set the pause image to {image} and restart containerd."),
        ));
    }
    found
}

/// containerd has a process, has read its configuration, and starts at boot.
pub(super) fn running(situation: Situation<'_>) -> Vec<Deviation> {
    let facts = &situation.machine.containerd;
    if facts.version == Known::Is(None) {
        return vec![];
    }
    let mut found = Vec::new();
    match &facts.running {
        Known::Is(true) if facts.restart_due => found.push(
            Deviation::refusal(
                "containerd runs with its former configuration",
                "it was restarted after the change",
                "Run `systemctl restart containerd`.",
            )
            .mended_by([MachineStep::RestartContainerd]),
        ),
        Known::Is(true) => {}
        Known::Is(false) => found.push(
            Deviation::refusal(
                "containerd does not run",
                "it runs",
                "Run `systemctl restart containerd`; `journalctl -u containerd` says why it ended.",
            )
            .mended_by([MachineStep::RestartContainerd]),
        ),
        Known::Unknown(why) => found.push(Deviation::unknown("whether containerd runs", why)),
    }
    match &facts.enabled {
        Known::Is(true) => {}
        Known::Is(false) => found.push(
            Deviation::refusal(
                "containerd does not start at boot",
                "it starts at boot",
                "Run `systemctl enable containerd`.",
            )
            .mended_by([MachineStep::EnableContainerd]),
        ),
        Known::Unknown(why) => {
            found.push(Deviation::unknown("whether containerd starts at boot", why));
        }
    }
    found
}
