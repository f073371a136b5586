//! `status`: the cluster on one screen.

#[cfg(test)]
mod tests;

use hactl_cluster_plan::observed::{
    Concern, FirstBoot, Observed, ObservedNode, Readiness, concerns, first_boot, opinions,
    readiness, worst,
};
use hactl_proto::finding::Severity;
use hactl_proto::health::ComponentHealth;
use hactl_proto::member::MemberState;
use hactl_proto::name::NodeName;
use hactl_proto::report::OperationStatus;
use hactl_proto::spec::EndpointMode;
use serde::Serialize;

use super::View;
use super::style::{Style, Tone};
use super::table::{Cell, Table};
use super::{time, words};

/// The cluster, what its standings mean, and what is of concern.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StatusView {
    /// The answers.
    pub observed: Observed,
    /// Where the first boot stands.
    pub first_boot: FirstBoot,
    /// Each node's readiness, in the order of the nodes.
    pub readiness: Vec<(NodeName, Readiness)>,
    /// What is not as it should be.
    pub concerns: Vec<Concern>,
}

impl StatusView {
    /// Judges the answers.
    pub fn new(observed: Observed) -> Self {
        let ready = |node: &ObservedNode| (node.name.clone(), readiness(&observed, node));
        Self {
            first_boot: first_boot(&observed),
            readiness: observed.nodes.iter().map(ready).collect(),
            concerns: concerns(&observed),
            observed,
        }
    }

    fn head(&self, style: Style) -> String {
        let Observed {
            spec,
            generation,
            at,
            cluster,
            ..
        } = &self.observed;
        let mode = match &spec.endpoint.mode {
            EndpointMode::Managed { address, .. } => format!("managed, {address}"),
            EndpointMode::External => "external".to_owned(),
        };
        let endpoint = format!("{}:{} ({mode})", spec.endpoint.host, spec.endpoint.port);
        let name = style.paint(Tone::Head, spec.name.as_str());
        let version = &spec.kubernetes.version;
        let first = format!("{name}  {version}  {endpoint}  as of {}", time::moment(*at));
        let second = format!(
            "cluster {cluster}  spec {} of generation {generation}",
            spec.bootstrap_hash()
        );
        format!("{first}\n{second}\n{}\n", self.standing(style))
    }

    fn standing(&self, style: Style) -> String {
        let list = |nodes: &[NodeName]| words::names(nodes);
        let (tone, text) = match &self.first_boot {
            FirstBoot::Unknown => (
                Tone::Bad,
                "standing unknown: no declared control plane answers".to_owned(),
            ),
            FirstBoot::NotBegun { candidate, .. } => {
                let candidate = candidate.as_ref().map_or("nobody", NodeName::as_str);
                (
                    Tone::Doubtful,
                    format!("first boot: no grant seen; the candidate is {candidate}"),
                )
            }
            FirstBoot::UnderWay {
                candidate,
                epoch,
                granted,
                missing,
                initialising,
            } => {
                let doing = if *initialising {
                    "runs kubeadm init"
                } else {
                    "collects grants"
                };
                let wait = if missing.is_empty() {
                    String::new()
                } else {
                    format!("; not of {}", list(missing))
                };
                let text = format!(
                    "first boot: {candidate} {doing} at epoch {epoch}; granted by {}{wait}",
                    list(granted)
                );
                (Tone::Doubtful, text)
            }
            FirstBoot::Cluster {
                identity, members, ..
            } => {
                let etcd = identity
                    .etcd_cluster_id
                    .as_ref()
                    .map(|id| format!(", etcd {id}"))
                    .unwrap_or_default();
                let ca = words::shortened(&identity.ca_fingerprint, 20);
                (
                    Tone::Good,
                    format!(
                        "Kubernetes cluster with CA {ca}{etcd}; members {}",
                        list(members)
                    ),
                )
            }
            FirstBoot::Divided { clusters } => (
                Tone::Bad,
                format!(
                    "DIVIDED: the control planes belong to {} clusters",
                    clusters.len()
                ),
            ),
        };
        style.paint(tone, &words::clean(&text))
    }

    fn nodes(&self, style: Style) -> String {
        let head = [
            "ZONE",
            "NODE",
            "ROLE",
            "KUBELET",
            "MEMBER",
            "READY",
            "API",
            "ETCD",
            "OPERATION",
        ];
        let mut table = Table::new(head);
        let zones = &self.observed.spec.zones;
        let mut order: Vec<usize> = (0..self.observed.nodes.len()).collect();
        let zone = |at: &usize| {
            let node = &self.observed.nodes[*at];
            (
                zones
                    .iter()
                    .position(|zone| *zone == node.zone)
                    .unwrap_or(zones.len()),
                node.role,
            )
        };
        order.sort_by_key(zone);
        for at in order {
            table.row(self.row(&self.observed.nodes[at]));
        }
        table.render(style)
    }

    fn row(&self, node: &ObservedNode) -> Vec<Cell> {
        let declared = if node.declared { "" } else { " (enrolled)" };
        let mut row = vec![
            Cell::plain(node.zone.as_str()),
            Cell::plain(node.name.as_str()),
            Cell::plain(format!("{}{declared}", node.role)),
        ];
        let member = self.member(node);
        let ready = self.ready(node);
        let Some(status) = node.status.said() else {
            let unknown = || Cell::new(Tone::Doubtful, "?");
            row.extend([unknown(), member, ready, unknown(), unknown(), unknown()]);
            return row;
        };
        let kubelet = status
            .versions
            .kubelet
            .as_ref()
            .or(status.health.kubelet_version.as_ref());
        let component = |health: ComponentHealth| {
            let (word, tone) = words::component(health);
            Cell::new(tone, word)
        };
        row.extend([
            kubelet.map_or_else(
                || Cell::new(Tone::Faint, "-"),
                |version| Cell::plain(version.to_string()),
            ),
            member,
            ready,
            component(status.health.api_server),
            component(status.health.etcd),
            operation(status.operation.as_ref()),
        ]);
        row
    }

    fn member(&self, node: &ObservedNode) -> Cell {
        let opinions = opinions(&self.observed, &node.name);
        let Some(worst) = worst(&opinions) else {
            return Cell::new(Tone::Doubtful, "? nobody says");
        };
        let (word, tone) = words::member(worst.state);
        if worst.state == MemberState::Alive {
            return Cell::new(tone, word);
        }
        let lasting = time::lasting(worst.since, self.observed.at);
        Cell::new(
            tone,
            format!("{word} for {lasting}, says {}", worst.observer),
        )
    }

    fn ready(&self, node: &ObservedNode) -> Cell {
        match self
            .readiness
            .iter()
            .find(|(name, _)| *name == node.name)
            .map(|(_, ready)| ready)
        {
            Some(Readiness::Yes) => Cell::new(Tone::Good, "yes"),
            Some(Readiness::No(missing)) => {
                Cell::new(Tone::Bad, format!("no: {}", missing.join(", ")))
            }
            Some(Readiness::Unknown) | None => Cell::new(Tone::Doubtful, "? no answer"),
        }
    }

    fn operations(&self, style: Style) -> String {
        let now = self.observed.at;
        let mut text = String::new();
        for node in &self.observed.nodes {
            let Some(running) = node
                .status
                .said()
                .and_then(|status| status.operation.as_ref())
            else {
                continue;
            };
            if running.outcome.is_some() {
                continue;
            }
            let step = running
                .step
                .as_ref()
                .map(|(index, of, step)| format!(", step {index} of {of}: {step}"))
                .unwrap_or_default();
            let since = time::since(running.accepted, now);
            let line = format!("{}: {}{step}, since {since}", node.name, running.kind);
            words::line(&mut text, format_args!("  {}", words::clean(&line)));
            if let Some(waiting) = &running.waiting {
                let since = time::since(waiting.since, now);
                let line = format!(
                    "waits for {} since {since}; seen last: {}",
                    waiting.condition, waiting.observed
                );
                words::line(
                    &mut text,
                    format_args!(
                        "      {}",
                        style.paint(Tone::Doubtful, &words::clean(&line))
                    ),
                );
            }
        }
        if text.is_empty() {
            text
        } else {
            format!("\n{}\n{text}", style.paint(Tone::Head, "Running"))
        }
    }

    fn findings(&self, style: Style) -> String {
        if self.concerns.is_empty() {
            return format!("\n{}\n", style.paint(Tone::Good, "No findings."));
        }
        let mut table = Table::new([]).indented(2);
        for concern in &self.concerns {
            let (word, tone) = words::severity(concern.finding.severity);
            table.row([
                Cell::plain(concern.node.as_ref().map_or("cluster", NodeName::as_str)),
                Cell::new(tone, word),
                Cell::plain(&concern.finding.check),
                Cell::plain(&concern.finding.observed),
            ]);
        }
        let errors = self
            .concerns
            .iter()
            .filter(|concern| concern.finding.severity == Severity::Refusal)
            .count();
        let warnings = words::count(self.concerns.len() - errors, "warning");
        let head = format!("Findings ({}, {warnings})", words::count(errors, "error"));
        let foot = style.paint(
            Tone::Faint,
            "What to do about each: hactl-controller doctor",
        );
        format!(
            "\n{}\n{}  {foot}\n",
            style.paint(Tone::Head, &head),
            table.render(style)
        )
    }
}

fn operation(operation: Option<&OperationStatus>) -> Cell {
    match operation.filter(|operation| operation.outcome.is_none()) {
        None => Cell::new(Tone::Faint, "-"),
        Some(running) => {
            let place = running
                .step
                .as_ref()
                .map(|(index, of, _)| format!(" {index}/{of}"))
                .unwrap_or_default();
            Cell::new(Tone::Doubtful, format!("{}{place}", running.kind))
        }
    }
}

impl View for StatusView {
    fn text(&self, style: Style) -> String {
        format!(
            "{}\n{}{}{}",
            self.head(style),
            self.nodes(style),
            self.operations(style),
            self.findings(style)
        )
    }
}
