//! Faults of the network that are no cut cable: zones that can't reach each other, packets that get lost. Rules of nftables
//! on the switch's bridge, which no node can see or touch.

use std::fmt::Write as _;

use anyhow::{Result, ensure};

use crate::lab::Lab;
use crate::program::program;
use crate::switch::Switch;

const PARTITION: &str = "hactl_lab_partition";
const LOSS: &str = "hactl_lab_loss";

/// Parts the groups from one another. Who is in no group, the operator too unless named, still reaches everyone.
pub(crate) fn part(lab: &Lab, groups: &[String]) -> Result<()> {
    let groups: Vec<Vec<String>> = groups
        .iter()
        .map(|group| members(lab, group))
        .collect::<Result<_>>()?;
    let mut rules = String::new();
    for (index, group) in groups.iter().enumerate() {
        let others: Vec<&String> = groups
            .iter()
            .enumerate()
            .filter(|(other, _)| *other != index)
            .flat_map(|(_, members)| members)
            .collect();
        ensure!(
            !group.iter().any(|member| others.contains(&member)),
            "a node of {} is in another group too",
            group.join(", ")
        );
        let quoted = |names: &[&String]| {
            names
                .iter()
                .map(|name| format!("{name:?}"))
                .collect::<Vec<_>>()
                .join(", ")
        };
        writeln!(
            rules,
            "iifname {{ {} }} oifname {{ {} }} drop",
            quoted(&group.iter().collect::<Vec<_>>()),
            quoted(&others)
        )?;
    }
    apply(lab, PARTITION, 0, &rules)
}

/// Loses that share of all packets that the switch passes on.
pub(crate) fn lose(lab: &Lab, percent: u8) -> Result<()> {
    apply(
        lab,
        LOSS,
        1,
        &format!("numgen random mod 100 < {percent} drop\n"),
    )
}

/// Ends every partition and loss.
pub(crate) fn heal(lab: &Lab) -> Result<()> {
    for table in [PARTITION, LOSS] {
        nft(lab, &["-f", "-"], &remove(table))?;
    }
    Ok(())
}

/// The rules in force, for people.
pub(crate) fn shown(lab: &Lab) -> Vec<String> {
    let rules = nft(lab, &["list", "ruleset"], "").unwrap_or_default();
    rules
        .lines()
        .map(str::trim)
        .filter(|line| line.ends_with("drop"))
        .map(str::to_owned)
        .collect()
}

/// Puts a table of rules in force, in place of one of the same name.
pub(crate) fn apply(lab: &Lab, table: &str, priority: u8, rules: &str) -> Result<()> {
    let chain = format!(
        "chain forward {{\ntype filter hook forward priority {priority}; policy accept;\n{rules}}}\n"
    );
    let removed = remove(table);
    let rules = format!("{removed}table bridge {table} {{\n{chain}}}\n");
    nft(lab, &["-f", "-"], &rules).map(|_| ())
}

/// Removes a table that need not be there.
fn remove(table: &str) -> String {
    format!("table bridge {table}\ndelete table bridge {table}\n")
}

/// Runs nft where the cables meet.
pub(crate) fn nft(lab: &Lab, arguments: &[&str], rules: &str) -> Result<String> {
    let namespace = Switch::of(lab.place()).namespace();
    program("ip")
        .args(["netns", "exec", &namespace, "nft"])
        .args(arguments)
        .input(rules)
        .run()
}

/// The nodes of a group of zones and nodes.
fn members(lab: &Lab, group: &str) -> Result<Vec<String>> {
    let mut members = Vec::new();
    for word in group.split(',').map(str::trim) {
        let of_zone: Vec<String> = lab
            .nodes
            .iter()
            .filter(|node| node.zone == word)
            .map(|node| node.name.clone())
            .collect();
        match (word, of_zone.is_empty()) {
            ("operator", _) => members.push(word.to_owned()),
            (_, false) => members.extend(of_zone),
            (_, true) => members.push(lab.node(word)?.name.clone()),
        }
    }
    Ok(members)
}
