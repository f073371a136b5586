//! A service that runs, as `systemctl show` tells of it: to know whether a restart is still to be done.

use std::time::Duration;

use hactl_proto::Timestamp;

use crate::command::Command;

/// Asks for a service's process and since when it runs.
pub fn running(unit: &str) -> Command {
    let properties = "--property=MainPID,ActiveEnterTimestampMonotonic,NeedDaemonReload";
    Command::new("systemctl", ["show", unit, properties]).limit(Duration::from_secs(10))
}

/// A service's process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Running {
    /// Its id.
    pub pid: u32,
    /// Whether its unit file has changed since systemd read it.
    pub needs_reload: bool,
    /// Microseconds after boot.
    entered: u64,
}

impl Running {
    /// Reads [`running`]'s output; `None` where nothing runs.
    pub fn parse(text: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut pairs = text.lines().filter_map(|line| line.split_once('='));
            pairs.find_map(|(key, value)| (key == name).then_some(value.trim()))
        };
        let pid = value("MainPID")?.parse().ok().filter(|pid| *pid != 0)?;
        let entered = value("ActiveEnterTimestampMonotonic")?.parse().ok()?;
        let needs_reload = value("NeedDaemonReload")? != "no";
        Some(Self {
            pid,
            needs_reload,
            entered,
        })
    }

    /// Since when it runs, in nanoseconds of the Unix epoch, by the text of /proc/uptime at `now`. Sleep counts as age, so that
    /// the answer is too early rather than too late.
    pub fn since(self, uptime: &str, now: Timestamp) -> Option<i128> {
        let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
        let seconds: i128 = seconds.parse().ok()?;
        let hundredths: i128 = hundredths.parse().ok()?;
        let up = seconds * 1_000_000_000 + hundredths * 10_000_000;
        Some(now.as_nanosecond() - up + i128::from(self.entered) * 1000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    // systemd 252, Debian 12.
    const SHOWN: &str =
        "MainPID=6199\nActiveEnterTimestampMonotonic=28988500000\nNeedDaemonReload=no\n";

    #[test]
    fn the_start_is_told_by_the_clock_of_files() {
        let running = Running::parse(SHOWN).unwrap();
        assert_eq!((running.pid, running.needs_reload), (6199, false));
        let now: Timestamp = "2026-11-23T00:09:00Z".parse().unwrap();
        let since = running.since("29000.75 51234.00\n", now).unwrap();
        assert_eq!(now.as_nanosecond() - since, 12_250_000_000);
    }

    #[test]
    fn what_does_not_run_or_is_not_understood_is_none() {
        let stopped = SHOWN.replace("6199", "0");
        for text in ["", "MainPID=x", &stopped, "MainPID=7\n"] {
            assert_eq!(Running::parse(text), None, "{text}");
        }
        let running = Running::parse(&SHOWN.replace("=no", "=yes")).unwrap();
        assert!(running.needs_reload);
        let now: Timestamp = "2026-11-23T00:09:00Z".parse().unwrap();
        for uptime in ["", "x.y 1", "12"] {
            assert_eq!(running.since(uptime, now), None, "{uptime}");
        }
    }
}
