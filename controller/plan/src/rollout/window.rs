//! Maintenance windows: whether nodes may be begun now, and when they may next. Computed with time zones that are built in.

use hactl_proto::Timestamp;
use hactl_proto::spec::upgrade::{Day, Window};
use jiff::tz::{TimeZone, TimeZoneDatabase};
use jiff::{ToSpan, Zoned, civil};

/// A window that opens on one day of the week opens within so many days.
const DAYS_AHEAD: i64 = 8;

/// What is waited for where no window is open at this moment; `None`: nodes may be begun. A window that can't be computed is
/// closed.
pub(super) fn closed(windows: &[Window], at: Timestamp) -> Option<String> {
    let mut next: Option<(Zoned, &Window)> = None;
    let mut unknown = Vec::new();
    for window in windows {
        let Some(spans) = spans(window, at) else {
            unknown.push(window.to_string());
            continue;
        };
        for (opens, closes) in spans {
            if opens.timestamp() <= at && at < closes.timestamp() {
                return None;
            }
            let sooner = next
                .as_ref()
                .is_none_or(|(known, _)| opens.timestamp() < known.timestamp());
            if opens.timestamp() > at && sooner {
                next = Some((opens, window));
            }
        }
    }
    match next {
        Some((opens, window)) => Some(format!(
            "the window {window}, which opens at {}",
            opens.strftime("%Y-%m-%d %H:%M %Z")
        )),
        None if windows.is_empty() => None,
        None => Some(format!(
            "a window that this controller can compute: {}",
            unknown.join("; ")
        )),
    }
}

/// The window's spans from yesterday's on; `None` where its time zone or its hours are not known here.
fn spans(window: &Window, at: Timestamp) -> Option<Vec<(Zoned, Zoned)>> {
    let zone = TimeZoneDatabase::bundled().get(&window.zone).ok()?;
    let today = at.to_zoned(zone.clone()).date();
    let mut spans = Vec::new();
    for ahead in -1..=DAYS_AHEAD {
        let first = today.checked_add(ahead.days()).ok()?;
        if !window.days.contains(&day(first.weekday())) {
            continue;
        }
        let last = if window.to > window.from {
            first
        } else {
            first.tomorrow().ok()?
        };
        let opens = moment(first, window.from.hour(), window.from.minute(), &zone)?;
        let closes = moment(last, window.to.hour(), window.to.minute(), &zone)?;
        spans.push((opens, closes));
    }
    Some(spans)
}

/// A time that summer time skips is the one an hour later; of one that comes twice it is the first.
fn moment(date: civil::Date, hour: u8, minute: u8, zone: &TimeZone) -> Option<Zoned> {
    let (hour, minute) = (i8::try_from(hour).ok()?, i8::try_from(minute).ok()?);
    date.at(hour, minute, 0, 0).to_zoned(zone.clone()).ok()
}

const fn day(weekday: civil::Weekday) -> Day {
    match weekday {
        civil::Weekday::Monday => Day::Mon,
        civil::Weekday::Tuesday => Day::Tue,
        civil::Weekday::Wednesday => Day::Wed,
        civil::Weekday::Thursday => Day::Thu,
        civil::Weekday::Friday => Day::Fri,
        civil::Weekday::Saturday => Day::Sat,
        civil::Weekday::Sunday => Day::Sun,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn window(days: &[Day], from: &str, to: &str, zone: &str) -> Window {
        Window {
            days: days.iter().copied().collect(),
            from: from.parse().unwrap(),
            to: to.parse().unwrap(),
            zone: zone.to_owned(),
        }
    }

    fn said(windows: &[Window], at: &str) -> String {
        closed(windows, at.parse().unwrap()).unwrap_or_else(|| "open".to_owned())
    }

    #[test]
    fn without_windows_it_is_always_open() {
        assert_eq!(said(&[], "2026-11-22T12:00:00Z"), "open");
    }

    #[test]
    fn a_window_over_midnight_is_of_the_day_that_it_begins_on() {
        // 2026-11-22 is a Sunday.
        let night = [window(&[Day::Sun], "22:00", "04:00", "UTC")];
        for (at, open) in [
            ("2026-11-22T21:59:59Z", false),
            ("2026-11-22T22:00:00Z", true),
            ("2026-11-23T03:59:59Z", true),
            ("2026-11-23T04:00:00Z", false),
            ("2026-11-22T03:00:00Z", false),
        ] {
            assert_eq!(said(&night, at) == "open", open, "{at}");
        }
        assert_eq!(
            said(&night, "2026-11-23T04:00:00Z"),
            "the window sun 22:00 to 04:00 UTC, which opens at 2026-11-29 22:00 UTC"
        );
    }

    #[test]
    fn equal_ends_are_a_whole_day() {
        let weekend = [window(&[Day::Sat, Day::Sun], "00:00", "00:00", "UTC")];
        assert_eq!(said(&weekend, "2026-11-21T00:00:00Z"), "open");
        assert_eq!(said(&weekend, "2026-11-22T23:59:59Z"), "open");
        assert_eq!(
            said(&weekend, "2026-11-23T00:00:00Z"),
            "the window sat,sun 00:00 to 00:00 UTC, which opens at 2026-11-28 00:00 UTC"
        );
    }

    #[test]
    fn hours_are_those_of_the_zone_on_either_side_of_summer_time() {
        let berlin = [window(&Day::ALL, "02:30", "05:00", "Europe/Berlin")];
        // Winter: 02:30 is 01:30 UTC. On 2026-03-29 the clocks skip 02:00 to 03:00: it is 03:30 then, 01:30 UTC.
        assert!(said(&berlin, "2026-03-28T01:29:00Z").contains("02:30 CET"));
        assert_eq!(said(&berlin, "2026-03-28T01:30:00Z"), "open");
        assert_eq!(
            said(&berlin, "2026-03-29T01:29:00Z"),
            "the window daily 02:30 to 05:00 Europe/Berlin, which opens at 2026-03-29 03:30 CEST"
        );
        assert_eq!(said(&berlin, "2026-03-29T01:30:00Z"), "open");
        assert_eq!(said(&berlin, "2026-03-29T02:59:00Z"), "open");
        assert_ne!(said(&berlin, "2026-03-29T03:00:00Z"), "open");
    }

    #[test]
    fn the_next_of_several_is_named_and_one_that_is_not_known_is_closed() {
        let several = [
            window(&[Day::Fri], "20:00", "22:00", "UTC"),
            window(&[Day::Tue], "20:00", "22:00", "UTC"),
        ];
        assert_eq!(
            said(&several, "2026-11-22T12:00:00Z"),
            "the window tue 20:00 to 22:00 UTC, which opens at 2026-11-24 20:00 UTC"
        );
        let foreign = [window(&Day::ALL, "00:00", "00:00", "Mars/Olympus")];
        assert_eq!(
            said(&foreign, "2026-11-22T12:00:00Z"),
            "a window that this controller can compute: daily 00:00 to 00:00 Mars/Olympus"
        );
    }
}
