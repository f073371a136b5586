//! A plan, or every reason against one; and what is wanted of a rollout.

use hactl_cluster_plan::rollout::{Blocker, Hop, PhaseKind, RolloutPlan};
use hactl_proto::name::NodeName;
use hactl_proto::rollout::{RolloutRecord, RolloutWish};
use hactl_proto::version::KubernetesVersion;
use serde::Serialize;

use crate::present::View;
use crate::present::style::{Style, Tone};
use crate::present::words::{clean, count, line, names};

/// What `upgrade --plan` shows.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PlanView {
    /// The version that was asked for.
    pub to: KubernetesVersion,
    /// The plan; absent where there are reasons against one.
    pub plan: Option<RolloutPlan>,
    /// The reasons against, all at once.
    pub blockers: Vec<Blocker>,
}

impl PlanView {
    /// A plan.
    pub fn of(plan: RolloutPlan) -> Self {
        Self {
            to: plan.to.clone(),
            plan: Some(plan),
            blockers: Vec::new(),
        }
    }

    /// Reasons against.
    pub fn refused(to: KubernetesVersion, blockers: Vec<Blocker>) -> Self {
        Self {
            to,
            plan: None,
            blockers,
        }
    }

    /// The text without colour.
    pub fn words(&self) -> String {
        self.text(Style::Plain)
    }
}

impl View for PlanView {
    fn text(&self, style: Style) -> String {
        let mut text = String::new();
        if let Some(plan) = &self.plan {
            plan_text(&mut text, plan, style);
        } else {
            let head = format!(
                "no upgrade to {}: {}",
                self.to,
                count(self.blockers.len(), "reason")
            );
            line(&mut text, format_args!("{}", style.paint(Tone::Bad, &head)));
            blockers_text(&mut text, &self.blockers, style);
        }
        text
    }
}

/// Each reason with what was seen, what is wanted and what to do.
pub(super) fn blockers_text(text: &mut String, blockers: &[Blocker], style: Style) {
    for blocker in blockers {
        let node = blocker.node.as_ref().map_or("cluster", NodeName::as_str);
        let finding = &blocker.finding;
        line(
            text,
            format_args!("\n{node}  {}", style.paint(Tone::Bad, &finding.check)),
        );
        line(text, format_args!("  seen:   {}", clean(&finding.observed)));
        line(text, format_args!("  wanted: {}", clean(&finding.wanted)));
        line(text, format_args!("  do:     {}", clean(&finding.remedy)));
    }
    line(text, format_args!("\nNothing was changed."));
}

fn plan_text(text: &mut String, plan: &RolloutPlan, style: Style) {
    if plan.hops.is_empty() {
        line(
            text,
            format_args!("{} is at {} already; nothing to do.", plan.cluster, plan.to),
        );
        return;
    }
    let head = format!(
        "rollout {}: {} from {} to {}",
        plan.number, plan.cluster, plan.from, plan.to
    );
    line(text, format_args!("{}", style.paint(Tone::Head, &head)));
    for hop in &plan.hops {
        line(text, format_args!("\n{} -> {}", hop.from, hop.to));
        for phase in &hop.phases {
            let batches: Vec<String> = phase.batches.iter().map(names).collect();
            let batches = match phase.kind {
                PhaseKind::Workers => batches.join(" | "),
                PhaseKind::Stage => format!(
                    "{} at once: {}",
                    count(phase.batches.iter().map(Vec::len).sum(), "node"),
                    batches.join(" ")
                ),
                _ => batches.join(", then "),
            };
            line(text, format_args!("  {:<26}  {batches}", phase.kind.name()));
            line(
                text,
                format_args!(
                    "  {:<26}  {}",
                    "",
                    style.paint(Tone::Faint, what(phase.kind, hop.minor_changes()))
                ),
            );
            if phase.kind == PhaseKind::ControlPlanes && alone(hop) {
                let warning =
                    "the only control plane: the API does not answer while it begins anew";
                let warning = style.paint(Tone::Doubtful, warning);
                line(text, format_args!("  {:<26}  {warning}", ""));
            }
        }
    }
    let policy = &plan.policy;
    line(
        text,
        format_args!(
            "\nat most {} away at a time; a drain may take {} s{}{}",
            count(
                usize::try_from(policy.max_unavailable).unwrap_or(1),
                "worker"
            ),
            policy.drain_limit_seconds,
            if policy.delete_unmanaged {
                "; unmanaged pods may go"
            } else {
                ""
            },
            if policy.delete_local_data {
                "; pods with emptyDir data may go"
            } else {
                ""
            },
        ),
    );
    let canary = &policy.canary;
    line(
        text,
        format_args!(
            "after a canary {} looks in a row, {} s apart, have to find all well",
            canary.passes, canary.pass_seconds
        ),
    );
    if policy.windows.is_empty() {
        line(
            text,
            format_args!("no windows: nodes are begun at any time"),
        );
    }
    for window in &policy.windows {
        line(text, format_args!("nodes are begun in the window {window}"));
    }
}

/// Whether nobody serves while a control plane has its turn.
fn alone(hop: &Hop) -> bool {
    let turns = hop.phases.iter();
    let turns = turns.filter(|phase| phase.kind == PhaseKind::ControlPlanes);
    turns.map(|phase| phase.batches.len()).sum::<usize>() == 1
}

const fn what(kind: PhaseKind, minor_changes: bool) -> &'static str {
    match kind {
        PhaseKind::Stage => "packages and images are brought; nothing that runs is touched",
        PhaseKind::Soak => "others follow once so many looks in a row find all well",
        PhaseKind::Snapshot => "a snapshot of the node's own member, its checksum verified",
        PhaseKind::ControlPlanes if minor_changes => {
            "endpoint lets go, leadership moved, kubeadm upgrade without etcd, conditions awaited, endpoint takes back"
        }
        PhaseKind::ControlPlanes => {
            "endpoint lets go, drain, leadership moved, kubeadm upgrade without etcd, kubelet, conditions awaited, endpoint takes back"
        }
        PhaseKind::Kubelets => "drain, kubelet and kubectl, restart, conditions awaited",
        PhaseKind::Etcd => "only where the target's kubeadm brings another etcd",
        PhaseKind::Workers => {
            "drain, kubeadm upgrade node, kubelet and kubectl, restart, conditions awaited"
        }
    }
}

/// What was just wanted of a rollout.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WishView {
    /// The rollout's number.
    pub number: u64,
    /// What is wanted.
    pub wish: RolloutWish,
}

impl WishView {
    /// Of a record.
    pub const fn of(record: &RolloutRecord) -> Self {
        Self {
            number: record.number,
            wish: record.wish,
        }
    }
}

impl View for WishView {
    fn text(&self, _: Style) -> String {
        let number = self.number;
        match self.wish {
            RolloutWish::Paused => format!(
                "rollout {number} stops after the node under way; `hactl-controller resume` goes on\n"
            ),
            RolloutWish::Aborted => format!("rollout {number} is given up\n"),
            RolloutWish::Running => format!("rollout {number} goes on\n"),
            RolloutWish::Finished => format!("rollout {number} is finished\n"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::rollout::plan;
    use hactl_cluster_plan::rollout::samples::{request, seen, version};

    #[test]
    fn a_plan_reads_from_top_to_bottom() {
        let plan = plan(&seen(2), &request(version(36, 3)), 4).unwrap();
        let text = PlanView::of(plan).words();
        assert!(
            text.starts_with("rollout 4: prod from v1.36.2 to v1.36.3\n"),
            "{text}"
        );
        assert!(
            text.contains("control planes              cp1\n")
                && text.contains("soak                        cp1\n")
                && text.contains("control planes              cp2, then cp3\n"),
            "{text}"
        );
        assert!(
            text.ends_with(
                "\nafter a canary 3 looks in a row, 3 s apart, have to find all well\nno windows: nodes are begun at any time\n"
            ),
            "{text}"
        );
        assert!(
            text.contains("workers                     w1 | w2"),
            "{text}"
        );
    }

    #[test]
    fn a_refusal_names_what_was_seen_and_what_to_do() {
        let mut seen = seen(1);
        seen.cluster = Err("cp1: connection refused\u{1b}[2J".to_owned());
        let blockers = plan(&seen, &request(version(36, 3)), 4).unwrap_err();
        let text = PlanView::refused(version(36, 3), blockers).words();
        assert!(
            text.starts_with("no upgrade to v1.36.3: 1 reason\n"),
            "{text}"
        );
        assert!(
            text.contains("cluster  cluster-known\n  seen:   ") && text.contains("\n  do:     "),
            "{text}"
        );
        assert!(
            text.ends_with("Nothing was changed.\n") && !text.contains('\u{1b}'),
            "{text}"
        );
    }
}
