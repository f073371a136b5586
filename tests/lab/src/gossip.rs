//! Counts the agents' datagrams where they pass the switch.

use std::fmt::Write as _;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::lab::Lab;
use crate::partition;

const TABLE: &str = "hactl_lab_gossip";
/// The agents' port, for gossip over UDP.
const PORT: u16 = 7470;

/// Starts counting at zero what each node sends.
pub(crate) fn count(lab: &Lab) -> Result<()> {
    count_of(lab, "")
}

/// Of that alone of which an expression of nftables is true.
pub(crate) fn count_of(lab: &Lab, expression: &str) -> Result<()> {
    let mut rules = String::new();
    for node in &lab.nodes {
        writeln!(
            rules,
            "iifname \"{}\" udp dport {PORT} {expression} counter",
            node.name
        )?;
    }
    partition::apply(lab, TABLE, 2, &rules)
}

/// Bytes that each node has sent since, headers of IP and UDP with them; ends the counting.
pub(crate) fn counted(lab: &Lab) -> Result<Vec<(String, u32)>> {
    let answer = partition::nft(lab, &["-j", "list", "table", "bridge", TABLE], "")?;
    let answer: Value = serde_json::from_str(&answer).context("nft said no JSON")?;
    let rules = answer["nftables"].as_array().into_iter().flatten();
    let counts = rules
        .filter_map(|entry| entry["rule"]["expr"].as_array())
        .map(|expressions| {
            let name = expressions
                .iter()
                .find_map(|part| part["match"]["right"].as_str());
            let bytes = expressions
                .iter()
                .find_map(|part| part["counter"]["bytes"].as_u64());
            let bytes = u32::try_from(bytes.unwrap_or_default()).unwrap_or(u32::MAX);
            (name.unwrap_or_default().to_owned(), bytes)
        });
    let counts = counts.collect();
    partition::nft(lab, &["delete", "table", "bridge", TABLE], "")?;
    Ok(counts)
}
