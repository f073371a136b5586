//! Percentiles, and what this process costs.

use std::time::Duration;

use nix::time::{ClockId, clock_gettime};

/// The given percentile; `None` where it falls on one that never happened.
pub fn percentile(times: &[Option<Duration>], percent: usize) -> Option<Duration> {
    let mut sorted: Vec<Duration> = times
        .iter()
        .map(|time| time.unwrap_or(Duration::MAX))
        .collect();
    sorted.sort_unstable();
    let wanted = (sorted.len() * percent).div_ceil(100).max(1);
    sorted
        .get(wanted - 1)
        .copied()
        .filter(|time| *time != Duration::MAX)
}

/// Processor time of this process.
pub fn cpu_time() -> Duration {
    clock_gettime(ClockId::CLOCK_PROCESS_CPUTIME_ID).map_or(Duration::ZERO, |time| {
        let seconds = u64::try_from(time.tv_sec()).unwrap_or(0);
        let nanos = u32::try_from(time.tv_nsec()).unwrap_or(0);
        Duration::new(seconds, nanos)
    })
}

/// Bytes of this process in memory.
pub fn resident() -> u64 {
    procfs::process::Process::myself()
        .and_then(|process| process.statm())
        .map_or(0, |memory| memory.resident * procfs::page_size())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_that_never_happened_is_none() {
        let second = |count| Some(Duration::from_secs(count));
        let times = [second(3), None, second(1), second(2)];
        assert_eq!(percentile(&times, 50), second(2));
        assert_eq!(percentile(&times, 75), second(3));
        assert_eq!(percentile(&times, 99), None);
        assert_eq!(percentile(&[], 50), None);
    }
}
