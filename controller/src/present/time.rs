//! Times as an operator reads them: the moment in UTC, and how long ago.

use hactl_proto::Timestamp;

/// The moment to the second: `2026-11-22 17:20:00Z`.
pub(crate) fn moment(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d %H:%M:%SZ").to_string()
}

/// The time of day, where the day is today's; else the moment.
pub(crate) fn clock(at: Timestamp, now: Timestamp) -> String {
    let day = |at: Timestamp| at.strftime("%Y-%m-%d").to_string();
    if day(at) == day(now) {
        at.strftime("%H:%M:%SZ").to_string()
    } else {
        moment(at)
    }
}

/// How long it lasts: `42 s`, `5 min`, `3 h`, `12 d`. Clocks differ, so that what seems to come lasts `0 s`.
pub(crate) fn lasting(since: Timestamp, now: Timestamp) -> String {
    match now.duration_since(since).as_secs().max(0) {
        seconds @ 0..120 => format!("{seconds} s"),
        seconds @ 120..7_200 => format!("{} min", seconds / 60),
        seconds @ 7_200..172_800 => format!("{} h", seconds / 3_600),
        seconds => format!("{} d", seconds / 86_400),
    }
}

/// Since when, and how long that is: `17:19:18Z (42 s)`.
pub(crate) fn since(at: Timestamp, now: Timestamp) -> String {
    format!("{} ({})", clock(at, now), lasting(at, now))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hactl_cluster_plan::observed::samples::ago;

    #[test]
    fn durations_keep_two_digits_or_so() {
        for (seconds, text) in [
            (-3, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 h"),
            (172_800, "2 d"),
        ] {
            assert_eq!(lasting(ago(seconds), ago(0)), text);
        }
        assert_eq!(since(ago(42), ago(0)), "17:19:18Z (42 s)");
        assert_eq!(since(ago(86_400), ago(0)), "2026-11-21 17:20:00Z (24 h)");
    }
}
