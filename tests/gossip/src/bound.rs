//! The goals of detection, each against what a run measured. Processor time is in the tables only: it hangs on the machine.

use std::fmt;

use crate::row::{Row, Time};
use crate::stalls::Stalls;

/// One goal of one run.
#[derive(Debug, Clone, PartialEq)]
pub struct Bound {
    /// Of which run.
    pub of: String,
    /// What is measured.
    pub what: &'static str,
    /// At most so much.
    pub most: f64,
    /// What was measured; `None`: it did not end.
    pub measured: Time,
}

impl Bound {
    /// Whether it holds.
    pub fn holds(&self) -> bool {
        self.measured.is_some_and(|measured| measured <= self.most)
    }
}

impl fmt::Display for Bound {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (of, what, most) = (&self.of, self.what, self.most);
        match self.measured {
            Some(measured) => write!(f, "{of}: {what}: {measured:.2}, at most {most}"),
            None => write!(f, "{of}: {what}: did not end, at most {most}"),
        }
    }
}

/// The goals of these runs; those of foca have none.
pub fn bounds(rows: &[Row], stalled: &[Stalls]) -> Vec<Bound> {
    let ours = rows.iter().filter(|row| row.subject.of == "hactl");
    let mut found: Vec<Bound> = ours.flat_map(of_row).collect();
    for run in stalled.iter().filter(|run| run.of == "hactl") {
        found.push(Bound {
            of: format!("128 members, {} % lost, no {}", run.loss * 100.0, run.by),
            what: "healthy nodes called down",
            most: 0.0,
            measured: count(run.down),
        });
    }
    found
}

/// The goals for 5,000 members hold for fewer as well.
fn of_row(row: &Row) -> Vec<Bound> {
    let of = format!(
        "{} members, {} % lost",
        row.subject.members,
        row.subject.loss * 100.0
    );
    let bound = |what, most, measured| Bound {
        of: of.clone(),
        what,
        most,
        measured,
    };
    let mut found = vec![
        bound("seconds to the first down, median", 2.5, row.down[0]),
        bound("seconds to the first down, 99 %", 4.5, row.down[1]),
        bound("seconds to 99 % informed, median", 3.2, row.most[0]),
        bound(
            "healthy nodes called down an hour",
            0.0,
            Some(row.alarms[1]),
        ),
    ];
    if row.subject.members <= 5 && row.subject.loss == 0.0 {
        found.push(bound("seconds to all informed", 1.5, row.all[1]));
    }
    if let Some(costs) = row.alone {
        let what = "bytes that a node holds, names and digests apart";
        found.push(bound(what, 1e6, count(costs.membership)));
    }
    if row.subject.members >= 5000 && row.subject.loss == 0.0 {
        let bytes = row.bytes[0] + row.bytes[1];
        found.push(bound("bytes a second a node, idle", 400.0, Some(bytes)));
    }
    if let Some(starved) = row.starved {
        let what = "healthy nodes called down an hour, one in a hundred starved";
        found.push(bound(what, 0.0, Some(starved[1])));
    }
    if let Some(agent) = &row.agent {
        found.push(bound(
            "seconds until a joiner knows all, 99 %",
            2.0,
            agent.join[0][1],
        ));
        found.push(bound(
            "seconds until 99 % know a digest, median",
            3.0,
            agent.digest[0][0],
        ));
        found.push(bound(
            "bytes a second a node for a digest",
            4000.0,
            Some(agent.digest_bytes),
        ));
        if let Some(rare) = &agent.rare
            && row.subject.members >= 100
        {
            found.push(bound(
                "seconds until 90 % say that a zone is silent",
                6.0,
                rare.silent[0],
            ));
            found.push(bound("seconds until all do", 30.0, rare.silent[1]));
            found.push(bound(
                "seconds until all of it say that they are cut off",
                30.0,
                rare.cut_off[1],
            ));
        }
    }
    found
}

fn count(number: u64) -> Time {
    u32::try_from(number).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stalls(of: &str, down: u64) -> Stalls {
        Stalls {
            of: of.to_owned(),
            loss: 0.2,
            by: "cpu".to_owned(),
            suspected: 7,
            down,
        }
    }

    #[test]
    fn a_goal_is_missed_where_more_was_measured_or_nothing() {
        let found = bounds(
            &[],
            &[stalls("hactl", 0), stalls("hactl", 1), stalls("foca", 9)],
        );
        let held: Vec<bool> = found.iter().map(Bound::holds).collect();
        assert_eq!(held, [true, false]);
        let endless = Bound {
            measured: None,
            ..found[0].clone()
        };
        assert!(!endless.holds());
        assert_eq!(
            found[1].to_string(),
            "128 members, 20 % lost, no cpu: healthy nodes called down: 1.00, at most 0"
        );
    }
}
