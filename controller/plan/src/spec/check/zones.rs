//! Zones: whether the cluster outlives the loss of any one of them.

use hactl_proto::name::ZoneName;

use super::Draft;
use crate::spec::nodes::DraftNode;
use crate::spec::problem::Problems;

/// Every zone has a node.
pub(super) fn used(draft: &Draft<'_>, problems: &mut Problems) {
    if !judged(draft) || !draft.workers.nodes.iter().all(|node| node.zone.is_some()) {
        return;
    }
    for zone in &draft.zones.zones {
        if draft
            .nodes()
            .all(|node| node.zone.as_ref() != Some(&zone.value))
        {
            let why = "a zone without nodes adds nothing, and is often a slip in a node's zone";
            let remedy = "remove it, or put a node into it";
            problems.warn(
                zone.at,
                &zone.path,
                format!("zone {} has no node", zone.value),
                why,
                remedy,
            );
        }
    }
}

/// `acceptZoneLoss` names declared zones.
pub(super) fn accepted(draft: &Draft<'_>, problems: &mut Problems) {
    let Some(_) = draft.zones.count_whole() else {
        return;
    };
    for zone in &draft.policies.accept_zone_loss {
        if !draft
            .zones
            .zones
            .iter()
            .any(|declared| declared.value == zone.value)
        {
            let why = "only the loss of a declared zone can be accepted";
            let remedy = "name a zone of spec.zones, or remove it";
            problems.error(
                zone.at,
                &zone.path,
                format!("zone {} is not declared", zone.value),
                why,
                remedy,
            );
        }
    }
}

/// No zone takes the quorum with it, unless the operator said that it may.
pub(super) fn survivable(draft: &Draft<'_>, problems: &mut Problems) {
    let total = draft.control_planes.nodes.len();
    if !judged(draft) || total < 2 {
        return;
    }
    if draft.zones.zones.len() == 1 {
        one_zone(draft, problems);
        return;
    }
    for zone in &draft.zones.zones {
        let held = held(draft, &zone.value);
        let left = total - held.len();
        let wanted = if draft.stacked() { total / 2 + 1 } else { 1 };
        if left < wanted {
            fatal(draft, &zone.value, &held, (left, wanted), problems);
        }
    }
}

/// Whether every control plane's zone is known: otherwise the layout cannot be judged yet.
fn judged(draft: &Draft<'_>) -> bool {
    let list = draft.control_planes;
    draft.zones.count_whole().is_some()
        && list.whole
        && list.nodes.iter().all(|node| node.zone.is_some())
}

fn held<'a>(draft: &'a Draft<'_>, zone: &ZoneName) -> Vec<&'a DraftNode> {
    draft
        .control_planes
        .nodes
        .iter()
        .filter(|node| node.zone.as_ref() == Some(zone))
        .collect()
}

fn one_zone(draft: &Draft<'_>, problems: &mut Problems) {
    let why =
        "whatever takes the zone down (power, switch, storage) takes the whole cluster with it";
    let remedy =
        "declare three zones with control planes in each, if the machines do not share everything";
    problems.warn(
        draft.zones.at,
        "spec.zones",
        "there is one zone only",
        why,
        remedy,
    );
}

fn fatal(
    draft: &Draft<'_>,
    zone: &ZoneName,
    held: &[&DraftNode],
    (left, wanted): (usize, usize),
    problems: &mut Problems,
) {
    let names = held
        .iter()
        .map(|node| node.label())
        .collect::<Vec<_>>()
        .join(", ");
    let total = draft.control_planes.nodes.len();
    let at = held.first().map_or(draft.control_planes.at, |node| node.at);
    let what = format!(
        "zone {zone} holds {} of {total} control planes ({names}): its loss takes the cluster down",
        held.len()
    );
    let why = if draft.stacked() {
        format!(
            "{left} of {total} etcd members would be left, and {wanted} make a majority: no write, no API, no new pod"
        )
    } else {
        "no API server would be left".to_owned()
    };
    let path = &draft.control_planes.path;
    if draft
        .policies
        .accept_zone_loss
        .iter()
        .any(|accepted| accepted.value == *zone)
    {
        problems.warn(
            at,
            path,
            what,
            why,
            "accepted by spec.policies.acceptZoneLoss; a third zone would cure it",
        );
        return;
    }
    let elsewhere = if draft.zones.zones.len() == 2 && draft.stacked() {
        "with two zones one of them always holds a majority: put one control plane into a third zone, however small"
    } else {
        "spread the control planes so that no zone holds half of them"
    };
    let remedy = format!("{elsewhere}; or accept it: policies.acceptZoneLoss: [{zone}]");
    problems.error(at, path, what, why, remedy);
}
