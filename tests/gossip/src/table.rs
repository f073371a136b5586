//! The figures as tables to read.

use std::fmt::Write as _;

use crate::row::{Row, Time};
use crate::stalls::Stalls;

fn one(time: Time) -> String {
    time.map_or_else(|| "never".to_owned(), |time| format!("{time:.2}"))
}

/// Left out of a brief run.
fn missing() -> String {
    "–".to_owned()
}

fn two(times: [Time; 2]) -> String {
    format!("{} / {}", one(times[0]), one(times[1]))
}

/// Detection, its alarms and its costs.
pub fn detection(rows: &[Row]) -> String {
    let mut out = String::from(
        "| members | loss | | lost | first suspicion | first down | 99 % informed | all informed | zone lost: 90 / 99 / 100 % of pairs \
         | false suspicions, downs an hour | the same, 1 % starved | bytes/s: datagrams, streams | in the simulator: memory, cpu | alone: members, names and digests, cpu |\n\
         |--:|--:|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let zone = row
            .zone
            .map_or_else(missing, |zone| zone.map(one).join(" / "));
        let starved = row.starved.map_or_else(missing, |alarms| {
            format!("{:.0}, {:.0}", alarms[0], alarms[1])
        });
        let alone = row.alone.map_or_else(missing, |costs| {
            let (members, records) = (costs.membership / 1000, costs.records / 1000);
            format!("{members} kB, {records} kB, {:.0} µs/s", costs.cpu)
        });
        let _ = writeln!(
            out,
            "| {} | {} % | {} | {} | {} | {} | {} | {} | {} | {:.0}, {:.0} | {starved} | {:.0}, {:.0} | {} kB, {:.0} µs/s | {alone} |",
            row.subject.members,
            row.subject.loss * 100.0,
            row.subject.of,
            row.count,
            two(row.suspected),
            two(row.down),
            two(row.most),
            two(row.all),
            zone,
            row.alarms[0],
            row.alarms[1],
            row.bytes[0],
            row.bytes[1],
            row.memory / 1000,
            row.cpu,
        );
    }
    out
}

/// Joins, digests and zone events.
pub fn spread(rows: &[Row]) -> String {
    let mut out = String::from(
        "| members | loss | joiner knows all | all know it | digest: 99 % | all | bytes/s for it | half missed it: 99 %, all \
         | zone cut: silent to 90 %, all others | cut off, say 90 %, all of it | healed | events a node |\n\
         |--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|\n",
    );
    for row in rows {
        let Some(agent) = &row.agent else { continue };
        let rare = agent.rare.as_ref().map(|rare| {
            [
                two(rare.repaired),
                two(rare.silent),
                two(rare.cut_off),
                one(rare.healed),
                rare.zone_events.to_string(),
            ]
        });
        let rare = rare
            .unwrap_or_else(|| std::array::from_fn(|_| missing()))
            .join(" | ");
        let _ = writeln!(
            out,
            "| {} | {} % | {} | {} | {} | {} | {:.0} | {} |",
            row.subject.members,
            row.subject.loss * 100.0,
            two(agent.join[0]),
            two(agent.join[1]),
            two(agent.digest[0]),
            two(agent.digest[1]),
            agent.digest_bytes,
            rare,
        );
    }
    out
}

/// A quarter of 128 nodes stalled again and again.
pub fn stalls(rows: &[Stalls]) -> String {
    let mut out = String::from(
        "| | loss | stalled by | healthy suspected | healthy called down |\n|---|--:|---|--:|--:|\n",
    );
    for row in rows {
        let _ = writeln!(
            out,
            "| {} | {} % | {} | {} | {} |",
            row.of,
            row.loss * 100.0,
            row.by,
            row.suspected,
            row.down
        );
    }
    out
}
