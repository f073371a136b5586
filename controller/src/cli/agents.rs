//! `upgrade --agents`: new packages of hactl's own agent.

use std::path::Path;

use hactl_cluster_plan::rollout::{AgentRequest, plan_agents};
use hactl_proto::Timestamp;
use hactl_proto::rollout::agent::AgentVersion;

use super::Common;
use super::session::wait;
use super::upgrade::{Desk, ended};
use crate::exit::{Exit, Failure};
use crate::present::{AgentsRun, AgentsView, Live, Screen};
use crate::rollout::{Agents, Packages, Tale, replace_agents};

/// Plans and, unless only the plan is wanted, replaces every agent by the package in the folder.
pub(super) fn run(
    common: &Common,
    screen: Screen,
    folder: &Path,
    only_plan: bool,
) -> Result<Exit, Failure> {
    let packages = Packages::read(folder).map_err(|error| Failure::Usage(chain_of(&error)))?;
    fits(packages.version)?;
    let desk = Desk::open(common)?;
    let request = AgentRequest {
        version: packages.version,
        offered: packages.offered(),
        policy: desk.kept.spec.upgrade.clone(),
    };
    wait(async {
        let agents = desk.agents().await;
        let plan = match plan_agents(&agents.seen().await, &request) {
            Ok(plan) => plan,
            Err(blockers) => {
                screen.show(&AgentsView::refused(packages.version, blockers))?;
                return Ok(Exit::Refused);
            }
        };
        let view = AgentsView::of(plan.clone());
        if only_plan {
            screen.show(&view)?;
            return Ok(Exit::Done);
        }
        screen.note(&view.words());
        let nodes = plan.nodes.iter().map(|(node, _)| node.clone()).collect();
        let live = Live::of(screen, nodes);
        let tale = Tale::new(Timestamp::now, move |told| live.show(told));
        let begun = Timestamp::now();
        let end = replace_agents(
            &agents,
            &plan,
            &packages,
            desk.kept.generation,
            &desk.who,
            &tale,
        )
        .await;
        let run = AgentsRun::new(&plan, begun, Timestamp::now(), &end, tale.lines());
        run.write(&desk.reports())?;
        screen.show(&run)?;
        ended(end)
    })
}

/// Agents and controller work together one minor apart: the controller is brought along first.
fn fits(version: AgentVersion) -> Result<(), Failure> {
    let own = AgentVersion::own();
    if own.is_some_and(|own| own.works_with(version)) {
        return Ok(());
    }
    Err(Failure::Refused(format!(
        "this controller is {}, the packages are {version}: they have to be at most one minor apart; use the controller of that version",
        env!("CARGO_PKG_VERSION")
    )))
}

fn chain_of(error: &dyn std::error::Error) -> String {
    crate::observe::chain(error)
}
