//! The sliding window that makes each counter count once (as in RFC 4303, 3.4.3).

/// The highest counter taken and which of the 64 up to it were.
#[derive(Debug, Clone, Copy)]
pub(super) struct Window {
    top: u64,
    seen: u64,
}

impl Window {
    /// A window whose first counter was just taken.
    pub(super) const fn starting_at(counter: u64) -> Self {
        Self {
            top: counter,
            seen: 1,
        }
    }

    /// Takes a counter; `false` where it was taken before or is more than 63 behind.
    pub(super) const fn take(&mut self, counter: u64) -> bool {
        if counter > self.top {
            let ahead = counter - self.top;
            self.seen = if ahead < 64 {
                (self.seen << ahead) | 1
            } else {
                1
            };
            self.top = counter;
            return true;
        }
        let behind = self.top - counter;
        if behind >= 64 || self.seen & (1 << behind) != 0 {
            return false;
        }
        self.seen |= 1 << behind;
        true
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::Window;

    proptest! {
        #[test]
        fn no_counter_is_taken_twice_and_a_late_one_within_64_is_taken_once(
            counters in proptest::collection::vec(0_u64..300, 1..400),
        ) {
            let mut window = Window::starting_at(counters[0]);
            let (mut taken, mut top) = (HashSet::from([counters[0]]), counters[0]);
            for counter in &counters[1..] {
                top = top.max(*counter);
                let fresh = !taken.contains(counter) && top - counter < 64;
                prop_assert_eq!(window.take(*counter), fresh);
                if fresh {
                    taken.insert(*counter);
                }
            }
        }
    }
}
