//! `spec.upgrade`: how rolling upgrades are done.

use std::collections::BTreeSet;

use hactl_proto::name::NodeName;
use hactl_proto::spec::upgrade::{Canary, ClockTime, Day, UpgradePolicy, Window};
use jiff::tz::TimeZoneDatabase;

use super::field::{Fields, Value};
use super::position::Located;
use super::problem::Problems;
use super::suggest;

/// Fields of `spec.upgrade`.
pub(crate) const FIELDS: &[&str] = &[
    "maxUnavailable",
    "drainLimitSeconds",
    "deleteUnmanaged",
    "deleteLocalData",
    "windows",
    "canary",
];
/// Fields of an item of `windows`.
pub(crate) const WINDOW_FIELDS: &[&str] = &["days", "from", "to", "zone"];
/// Fields of `canary`.
pub(crate) const CANARY_FIELDS: &[&str] = &["controlPlane", "workers", "passes", "passSeconds"];
/// Values of an item of `days`.
pub(crate) const DAYS: &[&str] = &["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// The section with the positions of what names nodes.
#[derive(Debug, Default)]
pub(crate) struct DraftUpgrade {
    policy: UpgradePolicy,
    pub(crate) control_plane: Option<Located<NodeName>>,
    pub(crate) workers: Vec<Located<NodeName>>,
}

impl DraftUpgrade {
    pub(crate) fn finish(self) -> UpgradePolicy {
        let mut policy = self.policy;
        policy.canary.control_plane = self.control_plane.map(|node| node.value);
        policy.canary.workers = self.workers.into_iter().map(|node| node.value).collect();
        policy
    }
}

pub(crate) fn read(body: &Fields<'_>, problems: &mut Problems) -> DraftUpgrade {
    let mut draft = DraftUpgrade::default();
    let section = body.get("upgrade");
    let Some(fields) = section.and_then(|section| Fields::open(&section, FIELDS, problems)) else {
        return draft;
    };
    let usual = UpgradePolicy::default();
    draft.policy = UpgradePolicy {
        max_unavailable: number(&fields, "maxUnavailable", (1, 1000), problems)
            .unwrap_or(usual.max_unavailable),
        drain_limit_seconds: number(&fields, "drainLimitSeconds", (10, 86_400), problems)
            .unwrap_or(usual.drain_limit_seconds),
        delete_unmanaged: truth(&fields, "deleteUnmanaged", problems)
            .unwrap_or(usual.delete_unmanaged),
        delete_local_data: truth(&fields, "deleteLocalData", problems)
            .unwrap_or(usual.delete_local_data),
        windows: fields
            .get("windows")
            .map(|value| windows(&value, problems))
            .unwrap_or_default(),
        canary: Canary::default(),
    };
    if let Some(value) = fields.get("canary") {
        canary(&value, &mut draft, problems);
    }
    draft
}

fn number(
    fields: &Fields<'_>,
    name: &str,
    (least, most): (u64, u64),
    problems: &mut Problems,
) -> Option<u32> {
    fields.get(name)?.integer(least, most, problems)
}

fn truth(fields: &Fields<'_>, name: &str, problems: &mut Problems) -> Option<bool> {
    fields.get(name)?.boolean(problems)
}

fn canary(value: &Value<'_>, draft: &mut DraftUpgrade, problems: &mut Problems) {
    let Some(fields) = Fields::open(value, CANARY_FIELDS, problems) else {
        return;
    };
    let usual = Canary::default();
    draft.policy.canary.passes =
        number(&fields, "passes", (1, 10_000), problems).unwrap_or(usual.passes);
    draft.policy.canary.pass_seconds =
        number(&fields, "passSeconds", (1, 3600), problems).unwrap_or(usual.pass_seconds);
    draft.control_plane = fields.get("controlPlane").and_then(|value| {
        Some(value.locate(value.parse("the name of a control plane", problems)?))
    });
    let Some(workers) = fields.get("workers") else {
        return;
    };
    let items = workers.list("a list of workers, such as [w1]", problems);
    draft.workers = items
        .unwrap_or_default()
        .iter()
        .filter_map(|item| Some(item.locate(item.parse("the name of a worker", problems)?)))
        .collect();
}

fn windows(value: &Value<'_>, problems: &mut Problems) -> Vec<Window> {
    let items = value
        .list("a list of windows", problems)
        .unwrap_or_default();
    if items.is_empty() {
        return Vec::new();
    }
    let read = |item: &Value<'_>| window(item, problems);
    items.iter().filter_map(read).collect()
}

fn window(value: &Value<'_>, problems: &mut Problems) -> Option<Window> {
    let fields = Fields::open(value, WINDOW_FIELDS, problems)?;
    let days = match fields.get("days") {
        Some(value) => days(&value, problems),
        None => Day::ALL.into(),
    };
    let from = time(&fields, "from", problems);
    let to = time(&fields, "to", problems);
    let why = "hours mean nothing without the clocks that show them";
    let zone = fields
        .require("zone", why, problems)
        .and_then(|value| zone(&value, problems));
    Some(Window {
        days,
        from: from?,
        to: to?,
        zone: zone?,
    })
}

fn days(value: &Value<'_>, problems: &mut Problems) -> BTreeSet<Day> {
    let wanted = "a list of days, such as [mon, tue]";
    let items = value.list(wanted, problems).unwrap_or_default();
    if items.is_empty() {
        value.error(
            "no day is named",
            "such a window never opens",
            "name the days that it opens on, or leave days out: every day",
            problems,
        );
    }
    let day = |item: &Value<'_>| {
        let word = item.choice(DAYS, problems)?;
        Day::ALL.into_iter().find(|day| day.name() == word)
    };
    items.iter().filter_map(day).collect()
}

fn time(fields: &Fields<'_>, name: &str, problems: &mut Problems) -> Option<ClockTime> {
    let why = "a window has a time at which it opens and one at which it closes";
    let value = fields.require(name, why, problems)?;
    value.parse("a time in quotes, such as \"22:00\"", problems)
}

/// The zone's own spelling of its name. The database is the one that is built in: files of this machine are not asked.
fn zone(value: &Value<'_>, problems: &mut Problems) -> Option<String> {
    let text = value.text("a time zone such as Europe/Berlin", problems)?;
    let database = TimeZoneDatabase::bundled();
    if let Ok(found) = database.get(text) {
        return Some(found.iana_name().unwrap_or(text).to_owned());
    }
    let names: Vec<String> = database.available().map(|name| name.to_string()).collect();
    let remedy = match suggest::nearest(text, names.iter().map(String::as_str)) {
        Some(near) => format!("did you mean {near:?}?"),
        None => "give a name of the IANA database, such as Europe/Berlin or UTC".to_owned(),
    };
    let shown: String = text.chars().take(60).collect();
    value.error(
        format!("there is no time zone {shown:?}"),
        "a window opens by the clocks of its zone, summer time included",
        remedy,
        problems,
    );
    None
}
