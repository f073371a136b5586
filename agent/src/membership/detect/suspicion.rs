//! How long a suspect has: little when others confirm that it is silent, long when only this node says so (Lifeguard's
//! dynamic suspicion, arXiv 1707.00788).

use std::time::Duration;

use foca::{Incarnation, ProbeNumber};

use super::super::identity::{MemberId, NodeId};

/// More confirmations than this shorten nothing.
pub const CONFIRMATIONS: usize = 3;
/// Between the first calls to a suspect; then twice as long each time.
const CALL: Duration = Duration::from_millis(250);
const LONGEST_CALL: Duration = Duration::from_secs(8);

/// A suspicion of this node's own.
#[derive(Debug, Clone)]
pub struct Suspicion {
    /// Who is suspected.
    pub target: MemberId,
    /// In which incarnation: a higher one refutes.
    pub incarnation: Incarnation,
    /// Since when nothing was heard of it.
    pub since: Duration,
    /// Number of the calls to it.
    pub number: ProbeNumber,
    /// Who was asked for it lately.
    pub asked: Vec<NodeId>,
    /// Who else heard nothing of it.
    pub confirmed: Vec<NodeId>,
    /// When it is called next.
    pub next_call: Duration,
    calls: u32,
}

impl Suspicion {
    /// From now on, confirmed by those.
    pub const fn new(
        target: MemberId,
        incarnation: Incarnation,
        number: ProbeNumber,
        confirmed: Vec<NodeId>,
        now: Duration,
    ) -> Self {
        Self {
            target,
            incarnation,
            since: now,
            number,
            asked: Vec::new(),
            confirmed,
            next_call: now,
            calls: 0,
        }
    }

    /// Somebody else heard nothing of it.
    pub fn confirm(&mut self, by: NodeId) {
        if by != self.target.node && !self.confirmed.contains(&by) {
            self.confirmed.push(by);
        }
    }

    /// The whole time begins again: it was heard, or this node was not itself.
    pub fn restart(&mut self, now: Duration) {
        self.since = now;
        self.confirmed.clear();
        self.next_call = now;
        self.calls = 0;
    }

    /// When it is down, if `others` could confirm (alive, neither this node nor the suspect).
    pub fn deadline(&self, others: usize, least: Duration, most: Duration) -> Duration {
        self.since + span(self.confirmed.len(), others, least, most)
    }

    /// It is called now: how many times it was before. The next time is planned.
    pub fn called(&mut self, now: Duration) -> u32 {
        let before = self.calls;
        let pause = CALL * 2_u32.saturating_pow(before.saturating_sub(2).min(10));
        self.next_call = now + pause.min(LONGEST_CALL);
        self.calls += 1;
        before
    }
}

/// The time to refute, logarithmic in the confirmations: the first says the most.
fn span(confirmed: usize, others: usize, least: Duration, most: Duration) -> Duration {
    let wanted = others.min(CONFIRMATIONS);
    if wanted == 0 {
        // Nobody to ask: this node's word is all there is.
        return least * 2;
    }
    let log = |count: usize| f64::from(u32::try_from(count + 1).unwrap_or(u32::MAX)).ln();
    let part = log(confirmed.min(wanted)) / log(wanted);
    most.saturating_sub(most.saturating_sub(least).mul_f64(part.min(1.0)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEAST: Duration = Duration::from_secs(1);
    const MOST: Duration = Duration::from_mins(1);

    #[test]
    fn confirmations_shorten_the_time_down_to_the_least() {
        let times: Vec<Duration> = (0..5).map(|count| span(count, 9, LEAST, MOST)).collect();
        assert_eq!(times[0], MOST);
        assert!(times[1] > Duration::from_secs(30) && times[1] < Duration::from_secs(31));
        assert!(times[2] < times[1] && times[2] > LEAST);
        assert_eq!((times[3], times[4]), (LEAST, LEAST));
    }

    #[test]
    fn where_fewer_are_left_fewer_are_wanted() {
        assert_eq!(span(1, 1, LEAST, MOST), LEAST);
        assert_eq!(span(0, 1, LEAST, MOST), MOST);
        assert_eq!(span(0, 0, LEAST, MOST), LEAST * 2);
    }
}
