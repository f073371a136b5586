//! What a client saw, counted.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::time::Duration;

use serde_json::json;

/// One request, by the client's clock.
pub(crate) struct Request {
    pub(crate) begin: Duration,
    pub(crate) end: Duration,
    /// How its last try failed.
    pub(crate) failure: Option<String>,
    /// How tries before that did.
    pub(crate) before: Vec<String>,
}

/// All requests of a run.
pub(crate) struct Tally {
    requests: Vec<Request>,
}

impl Tally {
    /// Counts those.
    pub(crate) fn new(mut requests: Vec<Request>) -> Self {
        requests.sort_by_key(|request| request.begin);
        Self { requests }
    }

    /// The longest time in which no request succeeded, and when it began. A request that hung until the new holder
    /// answered it ends the gap when it is answered, not when it was made.
    fn longest_gap(&self) -> (Duration, Duration) {
        let mut successes: Vec<Duration> = self
            .requests
            .iter()
            .filter(|request| request.failure.is_none())
            .map(|request| request.end)
            .collect();
        successes.sort();
        successes.push(
            self.requests
                .iter()
                .map(|request| request.end)
                .max()
                .unwrap_or_default(),
        );
        let mut last = Duration::ZERO;
        let mut longest = (Duration::ZERO, Duration::ZERO);
        for success in successes {
            longest = longest.max((success.saturating_sub(last), last));
            last = success;
        }
        longest
    }

    fn failures(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for failure in self
            .requests
            .iter()
            .filter_map(|request| request.failure.as_deref())
        {
            *counts.entry(failure).or_default() += 1;
        }
        counts
    }

    /// Tries that were followed by another one.
    fn tried_again(&self) -> BTreeMap<&str, usize> {
        let mut counts = BTreeMap::new();
        for failure in self.requests.iter().flat_map(|request| &request.before) {
            *counts.entry(failure.as_str()).or_default() += 1;
        }
        counts
    }

    /// When the failed requests began, in seconds since the client did.
    fn failed_at(&self) -> Vec<f64> {
        self.requests
            .iter()
            .filter(|request| request.failure.is_some())
            .map(|request| request.begin.as_secs_f64())
            .collect()
    }

    fn slowest(&self) -> Duration {
        let answered = self
            .requests
            .iter()
            .filter(|request| request.failure.is_none());
        answered
            .map(|request| request.end.saturating_sub(request.begin))
            .max()
            .unwrap_or_default()
    }

    /// For people.
    pub(crate) fn text(&self) -> String {
        let failed = self
            .requests
            .iter()
            .filter(|request| request.failure.is_some())
            .count();
        let (gap, at) = self.longest_gap();
        let mut text = format!("{} requests, {failed} failed\n", self.requests.len());
        for (failure, count) in self.failures() {
            writeln!(text, "  {count} times: {failure}").ok();
        }
        writeln!(
            text,
            "longest gap without a success: {:.2} s, {:.1} s in",
            gap.as_secs_f64(),
            at.as_secs_f64()
        )
        .ok();
        write!(
            text,
            "slowest success: {:.2} s",
            self.slowest().as_secs_f64()
        )
        .ok();
        text
    }

    /// For programs.
    pub(crate) fn json(&self) -> String {
        let (gap, at) = self.longest_gap();
        json!({
            "requests": self.requests.len(),
            "failed": self.failures().values().sum::<usize>(),
            "failures": self.failures(),
            "triedAgain": self.tried_again(),
            "failedAtSeconds": self.failed_at(),
            "longestGapSeconds": gap.as_secs_f64(),
            "longestGapAtSeconds": at.as_secs_f64(),
            "slowestSeconds": self.slowest().as_secs_f64(),
        })
        .to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(begin: u64, end: u64, failed: bool) -> Request {
        let failure = failed.then(|| "refused".to_owned());
        Request {
            begin: Duration::from_millis(begin),
            end: Duration::from_millis(end),
            failure,
            before: Vec::new(),
        }
    }

    #[test]
    fn a_request_that_hung_ends_the_gap_when_it_is_answered() {
        let tally = Tally::new(vec![
            request(0, 10, false),
            request(50, 1200, false),
            request(100, 120, true),
        ]);
        assert_eq!(
            tally.longest_gap(),
            (Duration::from_millis(1190), Duration::from_millis(10))
        );
    }

    #[test]
    fn failures_at_the_end_are_a_gap_too() {
        let tally = Tally::new(vec![request(0, 10, false), request(50, 5050, true)]);
        assert_eq!(tally.longest_gap().0, Duration::from_millis(5040));
    }

    #[test]
    fn nothing_asked_is_no_gap() {
        assert_eq!(Tally::new(Vec::new()).longest_gap().0, Duration::ZERO);
    }
}
