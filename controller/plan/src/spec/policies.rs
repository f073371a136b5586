//! `spec.policies` and `spec.workerEnrolment`: choices about safety and care.

use std::collections::BTreeMap;

use hactl_proto::finding::CheckMode;
use hactl_proto::name::{NodeName, ZoneName};
use hactl_proto::prerequisite::Check;
use hactl_proto::spec::{AGENT_PORT, GrantPolicy, Policies};

use super::field::{Fields, Value};
use super::position::Located;
use super::problem::Problems;
use super::suggest;

/// Fields of `spec.policies`.
pub(crate) const FIELDS: &[&str] = &[
    "grants",
    "initNode",
    "prerequisites",
    "agentPort",
    "acceptZoneLoss",
];
/// Values of `grants`.
pub(crate) const GRANTS: &[&str] = &["all", "majority"];
/// Values of a prerequisite's mode.
pub(crate) const MODES: &[&str] = &["enforce", "report", "off"];

/// The section with positions.
#[derive(Debug, Default)]
pub(crate) struct DraftPolicies {
    grants: GrantPolicy,
    pub(crate) init_node: Option<Located<NodeName>>,
    prerequisites: BTreeMap<String, CheckMode>,
    pub(crate) agent_port: Option<Located<u16>>,
    /// Zones whose loss may take the cluster down, by the operator's own word.
    pub(crate) accept_zone_loss: Vec<Located<ZoneName>>,
    pub(crate) worker_enrolment: bool,
}

impl DraftPolicies {
    pub(crate) fn finish(self) -> Policies {
        Policies {
            grants: self.grants,
            init_node: self.init_node.map(|node| node.value),
            prerequisites: self.prerequisites,
            agent_port: self.agent_port.map_or(AGENT_PORT, |port| port.value),
            worker_enrolment: self.worker_enrolment,
        }
    }
}

pub(crate) fn read(body: &Fields<'_>, problems: &mut Problems) -> DraftPolicies {
    let enrolment = body
        .get("workerEnrolment")
        .and_then(|value| value.boolean(problems));
    let mut draft = DraftPolicies {
        worker_enrolment: enrolment.unwrap_or(false),
        ..DraftPolicies::default()
    };
    let Some(section) = body.get("policies") else {
        return draft;
    };
    let Some(fields) = Fields::open(&section, FIELDS, problems) else {
        return draft;
    };
    if let Some(value) = fields.get("grants") {
        draft.grants = grants(&value, problems);
    }
    draft.init_node = located(&fields, "initNode", "the name of a control plane", problems);
    draft.agent_port = fields
        .get("agentPort")
        .and_then(|value| Some(value.locate(value.integer(1, 65_535, problems)?)));
    draft.prerequisites = fields
        .get("prerequisites")
        .map(|value| modes(&value, problems))
        .unwrap_or_default();
    draft.accept_zone_loss = fields
        .get("acceptZoneLoss")
        .map(|value| zones(&value, problems))
        .unwrap_or_default();
    draft
}

fn grants(value: &Value<'_>, problems: &mut Problems) -> GrantPolicy {
    if value.choice(GRANTS, problems) != Some("majority") {
        return GrantPolicy::All;
    }
    problems.warn(
        value.at(),
        value.path(),
        "kubeadm init needs the grants of a majority only",
        "a control plane that is not heard may already belong to a cluster made earlier or by hand: the new one is then \
         made beside it, and the missing node can never join it with its data",
        "leave it out (all) unless a machine is known to be lost; `hactl-controller grant override` serves that case once",
    );
    GrantPolicy::Majority
}

fn located(
    fields: &Fields<'_>,
    name: &str,
    wanted: &str,
    problems: &mut Problems,
) -> Option<Located<NodeName>> {
    let value = fields.get(name)?;
    Some(value.locate(value.parse(wanted, problems)?))
}

fn modes(value: &Value<'_>, problems: &mut Problems) -> BTreeMap<String, CheckMode> {
    let entries = value
        .entries(
            "a mapping of check name to enforce, report or off",
            problems,
        )
        .unwrap_or_default();
    let mut modes = BTreeMap::new();
    for (check, value) in entries {
        if Check::parse(check.value).is_none() {
            unknown_check(&check, problems);
        }
        let mode = match value.choice(MODES, problems) {
            Some("report") => CheckMode::Report,
            Some("off") => CheckMode::Off,
            _ => CheckMode::Enforce,
        };
        modes.insert(check.value.to_owned(), mode);
    }
    modes
}

fn unknown_check(check: &Located<&str>, problems: &mut Problems) {
    let names = || Check::ALL.into_iter().map(Check::name);
    let remedy = match suggest::nearest(check.value, names()) {
        Some(near) => format!("did you mean {near:?}?"),
        None => format!("name one of {}", names().collect::<Vec<_>>().join(", ")),
    };
    let why = "a mode for a check that does not exist would change nothing";
    let what = format!("there is no check {:?}", check.value);
    problems.error(check.at, &check.path, what, why, remedy);
}

fn zones(value: &Value<'_>, problems: &mut Problems) -> Vec<Located<ZoneName>> {
    let items = value
        .list("a list of zones, such as [a]", problems)
        .unwrap_or_default();
    let zone = |item: &Value<'_>| Some(item.locate(item.parse("the name of a zone", problems)?));
    items.iter().filter_map(zone).collect()
}
