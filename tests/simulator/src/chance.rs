//! The one source of randomness of a run: everything that is left to chance is drawn from the seed.

use std::time::Duration;

/// SplitMix64 (Steele, Lea and Flood, 2014). Short, and the same everywhere and for ever.
#[derive(Debug, Clone)]
pub struct Chance(u64);

impl Chance {
    /// The stream of that seed for one purpose; streams of other purposes are independent of it.
    pub fn new(seed: u64, purpose: &str) -> Self {
        let mut chance = Self(seed);
        let mut state = chance.draw();
        for byte in purpose.bytes() {
            state = Self(state ^ u64::from(byte)).draw();
        }
        Self(state)
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// A number from 0 to below `bound`; 0 where that is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.draw().checked_rem(bound).unwrap_or(0)
    }

    /// A number from `low` to `high`, both possible.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.below(high.saturating_sub(low) + 1)
    }

    /// A duration between two numbers of milliseconds.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }

    /// True so many times in a thousand.
    pub fn per_mille(&mut self, times: u64) -> bool {
        self.below(1000) < times
    }

    /// One of them; `None` of nothing.
    pub fn pick<'a, T>(&mut self, of: &'a [T]) -> Option<&'a T> {
        let at = self.below(of.len() as u64);
        of.get(usize::try_from(at).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_its_seed_and_its_purpose() {
        let numbers = |seed, purpose| {
            let mut chance = Chance::new(seed, purpose);
            [chance.draw(), chance.draw(), chance.draw()]
        };
        assert_eq!(numbers(1, "network"), numbers(1, "network"));
        assert_ne!(numbers(1, "network"), numbers(1, "faults"));
        assert_ne!(numbers(1, "network"), numbers(2, "network"));
    }

    #[test]
    fn draws_stay_in_their_bounds() {
        let mut chance = Chance::new(7, "bounds");
        for _ in 0..1000 {
            assert!(chance.below(3) < 3);
            assert!((5..=9).contains(&chance.between(5, 9)));
        }
        assert_eq!(chance.below(0), 0);
        assert_eq!(chance.pick::<u8>(&[]), None);
        assert!(!chance.per_mille(0) && chance.per_mille(1000));
    }
}
