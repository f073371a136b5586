//! kubeadm, kubelet and kubectl: installed, of one version, the spec's minor, and left alone by unattended upgrades.

use hactl_proto::finding::Severity;
use hactl_proto::version::KubernetesVersion;

use super::{Deviation, Situation};
use crate::facts::Known;
use crate::facts::machine::system::Family;
use crate::step::machine::MachineStep;

/// What Kubernetes is run and joined with.
const KUBERNETES: [&str; 3] = ["kubeadm", "kubelet", "kubectl"];

/// All three are there, of one version, of the spec's minor. On a node that belongs to a cluster it only warns: an upgrade is
/// under way, or due.
pub(super) fn versions(situation: Situation<'_>) -> Vec<Deviation> {
    let packages = &situation.machine.packages;
    let mut found = Vec::new();
    let mut installed: Vec<(&str, &KubernetesVersion)> = Vec::new();
    let programs = [&packages.kubeadm, &packages.kubelet, &packages.kubectl];
    for (name, version) in KUBERNETES.into_iter().zip(programs) {
        match version {
            Known::Is(Some(version)) => installed.push((name, version)),
            Known::Is(None) => found.push(Deviation::refusal(
                format!("{name} is not installed"),
                wanted_version(situation),
                install_remedy(situation),
            )),
            Known::Unknown(why) => {
                found.push(Deviation::unknown(&format!("{name}'s version"), why));
            }
        }
    }
    found.extend(uneven(situation, &installed));
    if situation.machine.kubelet.joined == Known::Is(true) {
        for deviation in &mut found {
            deviation.severity = Severity::Warning;
        }
    }
    found
}

fn uneven(situation: Situation<'_>, installed: &[(&str, &KubernetesVersion)]) -> Option<Deviation> {
    let (_, first) = installed.first()?;
    let wanted = situation.wanted.kubernetes.as_ref();
    let one_version = installed.iter().all(|(_, version)| version == first);
    let right_minor = wanted.is_none_or(|wanted| {
        installed
            .iter()
            .all(|(_, version)| (version.major, version.minor) == (wanted.major, wanted.minor))
    });
    if one_version && right_minor {
        return None;
    }
    let observed: Vec<String> = installed
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    Some(Deviation::refusal(
        observed.join(", "),
        wanted_version(situation),
        install_remedy(situation),
    ))
}

fn wanted_version(situation: Situation<'_>) -> String {
    situation.wanted.kubernetes.as_ref().map_or_else(
        || "kubeadm, kubelet and kubectl of one version".to_owned(),
        |version| {
            format!(
                "kubeadm, kubelet and kubectl of one version of {}.{}, the spec's minor",
                version.major, version.minor
            )
        },
    )
}

/// Naming the repository: hactl adds none by itself.
fn install_remedy(situation: Situation<'_>) -> String {
    let Some(version) = &situation.wanted.kubernetes else {
        return "Install kubeadm, kubelet and kubectl of one version.".to_owned();
    };
    let (minor, bare) = (
        format!("v{}.{}", version.major, version.minor),
        version.to_string(),
    );
    let bare = bare.trim_start_matches('v');
    let family = situation
        .machine
        .system
        .distribution
        .known()
        .map(|d| d.family);
    match family {
        Some(Family::RedHat) => format!(
            "Add the repository pkgs.k8s.io/core:/stable:/{minor}/rpm/ and run \
             `dnf install kubeadm-{bare} kubelet-{bare} kubectl-{bare}`."
        ),
        _ => format!(
            "Add the repository pkgs.k8s.io/core:/stable:/{minor}/deb/ and run \
             `apt-get install kubeadm={bare}-* kubelet={bare}-* kubectl={bare}-*`."
        ),
    }
}

/// Those of the three that come from packages are held; a program without a package moves for nobody.
pub(super) fn held(situation: Situation<'_>) -> Vec<Deviation> {
    let installed = match &situation.machine.packages.installed {
        Known::Is(installed) => installed,
        Known::Unknown(why) => return vec![Deviation::unknown("the package database", why)],
    };
    let loose: Vec<String> = KUBERNETES
        .into_iter()
        .filter(|name| installed.get(*name).is_some_and(|package| !package.held))
        .map(str::to_owned)
        .collect();
    if loose.is_empty() {
        return vec![];
    }
    let family = situation
        .machine
        .system
        .distribution
        .known()
        .map(|d| d.family);
    let deviation = Deviation::warning(
        format!("an unattended upgrade may move {}", loose.join(", ")),
        "kubeadm, kubelet and kubectl are held: hactl moves them node by node",
        match family {
            Some(Family::RedHat) => format!("Run `dnf versionlock add {}`.", loose.join(" ")),
            _ => format!("Run `apt-mark hold {}`.", loose.join(" ")),
        },
    );
    vec![match family.and_then(Family::tool) {
        Some(by) => deviation.mended_by([MachineStep::HoldPackages {
            by,
            packages: loose,
        }]),
        None => deviation,
    }]
}
