//! The plan of replacing this node's agent by a package that was brought to it.

use hactl_proto::finding::Finding;
use hactl_proto::instruction::Instruction;
use hactl_proto::role::NodeRole;
use hactl_proto::rollout::ReplaceAgent;
use hactl_proto::rollout::agent::PACKAGE;

use super::NodeContext;
use super::kubernetes::refusal;
use super::rollout::not_under_lease;
use crate::facts::{Facts, Known};
use crate::step::rollout::RolloutStep;

/// Nothing is left where the wanted version is in. One that is in the middle of it (its scripts restart the agent) has the step
/// again: its unit is found by its name and awaited.
pub(super) fn replace(
    instruction: &Instruction,
    order: &ReplaceAgent,
    node: &NodeContext,
    facts: &Facts,
) -> (Vec<Finding>, Vec<RolloutStep>) {
    let wanted = order.version;
    let installed = match &facts.rollout.agent {
        Known::Is(Some(installed)) => installed,
        unknown => return (vec![not_packaged(unknown)], Vec::new()),
    };
    if installed.version == wanted {
        let steps = if installed.settled {
            Vec::new()
        } else {
            vec![RolloutStep::InstallAgent]
        };
        return (Vec::new(), steps);
    }
    let mut findings = Vec::new();
    if node.role == NodeRole::ControlPlane {
        findings.extend(not_under_lease(instruction, facts));
    }
    if wanted < installed.version && installed.settled {
        findings.push(refusal(
            "agent-newer",
            format!("{} is installed", installed.version),
            format!("a newer one than that, not {wanted}"),
            "An agent goes up only: what a newer one wrote an older one may not read.",
        ));
    }
    let remedy = "Give the order again with the package that belongs to it; `hactl-controller upgrade --agents` brings it.";
    match &facts.rollout.brought {
        Known::Is(Some((name, version))) if name == PACKAGE && *version == wanted => {}
        Known::Is(Some((name, version))) => findings.push(refusal(
            "package-fits",
            format!("the file that was brought holds {name} {version}"),
            format!("{PACKAGE} {wanted}"),
            remedy,
        )),
        Known::Is(None) => findings.push(refusal(
            "package-brought",
            format!("no package with the digest {} lies here", order.digest),
            "the package, brought before".to_owned(),
            remedy,
        )),
        Known::Unknown(reason) => findings.push(refusal(
            "package-fits",
            format!("what the file holds is unknown: {reason}"),
            format!("{PACKAGE} {wanted}"),
            remedy,
        )),
    }
    (findings, vec![RolloutStep::InstallAgent])
}

fn not_packaged<T>(installed: &Known<Option<T>>) -> Finding {
    refusal(
        "agent-packaged",
        match installed {
            Known::Unknown(reason) => format!("how the agent was installed is unknown: {reason}"),
            Known::Is(_) => "the agent is no package of this node".to_owned(),
        },
        "an agent that dpkg or rpm installed".to_owned(),
        "Install the package by hand once; it keeps the node's identity and journal.",
    )
}

#[cfg(test)]
mod tests {
    use hactl_proto::Timestamp;
    use hactl_proto::instruction::{OperationId, Order};
    use hactl_proto::rollout::RolloutOrder;
    use hactl_proto::rollout::agent::{AgentVersion, PackageDigest, PackageFormat};

    use super::*;
    use crate::facts::endpoint::EndpointFacts;
    use crate::facts::kubernetes::KubernetesFacts;
    use crate::facts::machine::MachineFacts;
    use crate::facts::rollout::RolloutFacts;
    use crate::rollout::agent_package::InstalledAgent;

    fn version(text: &str) -> AgentVersion {
        text.parse().unwrap()
    }

    fn mapped<T, U>(fact: Known<Option<T>>, read: impl Fn(T) -> U) -> Known<Option<U>> {
        match fact {
            Known::Is(found) => Known::Is(found.map(read)),
            Known::Unknown(reason) => Known::Unknown(reason),
        }
    }

    /// What is planned for 0.2.0, on a worker.
    fn planned(
        installed: Known<Option<(&str, bool)>>,
        brought: Known<Option<(&str, &str)>>,
    ) -> String {
        planned_on("w1", installed, brought)
    }

    fn planned_on(
        node: &str,
        installed: Known<Option<(&str, bool)>>,
        brought: Known<Option<(&str, &str)>>,
    ) -> String {
        let order = ReplaceAgent {
            version: version("0.2.0"),
            digest: PackageDigest::from_bytes([7; 32]),
        };
        let instruction = Instruction {
            id: OperationId::new("a").unwrap(),
            generation: 1,
            fence: None,
            order: Order::Rollout(RolloutOrder::ReplaceAgent(order.clone())),
        };
        let facts = Facts {
            at: Timestamp::UNIX_EPOCH,
            machine: MachineFacts::default(),
            endpoint: EndpointFacts::default(),
            kubernetes: KubernetesFacts::default(),
            rollout: RolloutFacts {
                agent: mapped(installed, |(text, settled)| InstalledAgent {
                    format: PackageFormat::Deb,
                    version: version(text),
                    settled,
                }),
                brought: mapped(brought, |(name, text)| (name.to_owned(), version(text))),
                ..RolloutFacts::default()
            },
        };
        let node = crate::example::context(node);
        let (findings, steps) = replace(&instruction, &order, &node, &facts);
        if findings.is_empty() {
            steps.iter().map(|step| step.name()).collect()
        } else {
            findings.iter().map(|one| one.check.clone() + " ").collect()
        }
    }

    #[test]
    fn only_a_newer_package_of_our_own_is_put_in() {
        let good = || Known::Is(Some(("hactl-agent", "0.2.0")));
        let is = |text, settled| Known::Is(Some((text, settled)));
        assert_eq!(planned(is("0.1.0", true), good()), "install-agent");
        assert_eq!(planned(is("0.2.0", true), good()), "");
        assert_eq!(planned(is("0.2.0", true), Known::Is(None)), "");
        // Its own scripts restarted the agent: the installation is awaited.
        assert_eq!(
            planned(is("0.2.0", false), Known::Is(None)),
            "install-agent"
        );
        // dpkg unpacks before it configures: an older one that is half in is on its way to the new one.
        assert_eq!(planned(is("0.1.0", false), good()), "install-agent");
        assert_eq!(planned(is("0.3.0", true), good()), "agent-newer ");
        assert_eq!(
            planned(is("0.3.0", true), Known::Is(Some(("bash", "0.2.0")))),
            "agent-newer package-fits "
        );
        assert_eq!(
            planned(is("0.1.0", true), Known::Is(Some(("hactl-agent", "0.2.1")))),
            "package-fits "
        );
        assert_eq!(
            planned(is("0.1.0", true), Known::Is(None)),
            "package-brought "
        );
        let unknown = || Known::Unknown("no such file".to_owned());
        assert_eq!(planned(is("0.1.0", true), unknown()), "package-fits ");
        assert_eq!(planned(Known::Is(None), good()), "agent-packaged ");
        let unknown = Known::Unknown("no dpkg".to_owned());
        assert_eq!(planned(unknown, good()), "agent-packaged ");
        // A control plane's is replaced under the lease alone.
        assert_eq!(
            planned_on("cp1", is("0.1.0", true), good()),
            "lease-in-force "
        );
    }
}
