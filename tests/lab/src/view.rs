//! Who sees whom, as hactl's own controller tells the operator of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::lab::Lab;
use crate::machine;
use crate::operator;
use crate::progress::Stage;

/// Waits until every other agent that is on believes the member to be in that state.
pub(crate) fn wait_for(
    lab: &Lab,
    waiting: &Stage,
    member: &str,
    state: &str,
    limit: Duration,
) -> Result<()> {
    let observers: Vec<&str> = lab
        .nodes
        .iter()
        .filter(|node| machine::leader(lab.place(), &node.name).is_some())
        .map(|node| node.name.as_str())
        .filter(|name| *name != member)
        .collect();
    let what = format!("all agents to see {member} {state}");
    waiting.wait(&what, limit, || {
        let seen = opinions(lab, member)?;
        for observer in &observers {
            let opinion = seen.iter().find(|(who, _)| who == observer);
            let (_, opinion) = opinion.with_context(|| format!("{observer} says nothing of it"))?;
            ensure!(opinion == state, "to {observer} it is {opinion}");
        }
        Ok(())
    })
}

/// What each other agent believes of a member: pairs of observer and state.
fn opinions(lab: &Lab, member: &str) -> Result<Vec<(String, String)>> {
    // A member that is down can't be asked, which the controller's exit code says; its answer is whole all the same.
    let outcome = operator::controller(lab, &["members", "-o", "json"]).outcome()?;
    let answer: Value = serde_json::from_str(&outcome.stdout)
        .with_context(|| format!("hactl-controller members said no JSON: {}", outcome.stderr))?;
    let members = answer["members"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    Ok(members
        .filter(|entry| entry["node"] == member)
        .flat_map(|entry| entry["seen"].as_array().into_iter().flatten())
        .map(|opinion| (text(&opinion["observer"]), text(&opinion["state"])))
        .collect())
}
