//! The kubelet's cgroup driver: two drivers on one node make pods flap (kubeadm.md 3.6, F12).

use super::{Deviation, Situation};
use crate::facts::Known;
use crate::facts::machine::kubelet::EXTRA_ARGUMENTS;

/// The kubelet's own default, where nobody tells it.
const KUBELET_DEFAULT: &str = "cgroupfs";

/// An argument or the file of a node that joined names the driver that containerd is given. hactl writes neither by itself: the
/// argument is the operator's, and the file is changed with the pods drained.
pub(super) fn cgroup_driver(situation: Situation<'_>) -> Vec<Deviation> {
    let facts = &situation.machine.kubelet;
    let wanted = &situation.wanted.cgroup_driver;
    let mut found = Vec::new();
    match &facts.cgroup_driver_argument {
        Known::Is(Some(driver)) if driver != wanted => found.push(Deviation::refusal(
            format!("the kubelet's arguments say --cgroup-driver={driver}"),
            format!("{wanted}, as containerd"),
            format!(
                "Take --cgroup-driver out of {}.",
                EXTRA_ARGUMENTS.join(" or ")
            ),
        )),
        Known::Unknown(why) => found.push(Deviation::unknown("the kubelet's arguments", why)),
        Known::Is(_) => {}
    }
    if facts.joined != Known::Is(true)
        || matches!(&facts.cgroup_driver_argument, Known::Is(Some(_)))
    {
        return found;
    }
    match &facts.cgroup_driver {
        Known::Is(driver) => {
            let driver = driver.as_deref().unwrap_or(KUBELET_DEFAULT);
            if driver != wanted {
                found.push(Deviation::refusal(
                    format!("the kubelet's driver is {driver}"),
                    format!("{wanted}, as containerd"),
                    format!(
                        "Drain the node, set cgroupDriver: {wanted} in /var/lib/kubelet/config.yaml and in the kubelet-config \
                         ConfigMap, restart the kubelet."
                    ),
                ));
            }
        }
        Known::Unknown(why) => found.push(Deviation::unknown("the kubelet's configuration", why)),
    }
    found
}
