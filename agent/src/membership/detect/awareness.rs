//! How far this node trusts its own observations (Lifeguard's local health, arXiv 1707.00788): a node that is itself slow waits
//! longer before it doubts others.

/// 0 is healthy. Each point stretches the waits for answers by their length.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Awareness(u32);

/// Lifeguard's bound.
const WORST: u32 = 8;

impl Awareness {
    /// Something that speaks against this node: it stalled, it had to refute, nobody confirmed what it missed.
    pub fn worse(&mut self) {
        self.0 = (self.0 + 1).min(WORST);
    }

    /// A probe was answered.
    pub const fn better(&mut self) {
        self.0 = self.0.saturating_sub(1);
    }

    /// By how much waits are stretched: 1 when healthy.
    pub const fn factor(self) -> u32 {
        self.0 + 1
    }

    /// Whether nothing speaks against this node.
    pub const fn is_sound(self) -> bool {
        self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_both_ways() {
        let mut awareness = Awareness::default();
        awareness.better();
        assert!(awareness.is_sound());
        for _ in 0..20 {
            awareness.worse();
        }
        assert_eq!(awareness.factor(), 9);
        awareness.better();
        assert_eq!(awareness.factor(), 8);
    }
}
