//! Scores in two bytes. A thousand of them are kept for every endpoint.

use serde::{Deserialize, Serialize};

/// Logits beyond this are one value.
const LOGIT_MAX: f32 = 16.0;
const STEPS: f32 = 65_535.0;

/// A score on a scale that is fine where it matters, near 0 and near 1. Rounded down; the order of scores is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Quantum(pub u16);

impl Quantum {
    /// The lowest.
    pub const MIN: Quantum = Quantum(0);

    /// A score of 0 to 1; what is no number is the lowest.
    pub fn of(score: f32) -> Quantum {
        let score = score.clamp(0.0, 1.0);
        let logit = (score / (1.0 - score)).ln().clamp(-LOGIT_MAX, LOGIT_MAX);
        if logit.is_nan() {
            return Quantum::MIN;
        }
        // In range: the clamp above, and `as` saturates.
        Quantum(((logit + LOGIT_MAX) / (2.0 * LOGIT_MAX) * STEPS) as u16)
    }

    /// The one just below.
    pub fn below(self) -> Quantum {
        Quantum(self.0.saturating_sub(1))
    }

    /// The score, nearly.
    pub fn score(self) -> f32 {
        let logit = f32::from(self.0) / STEPS * 2.0 * LOGIT_MAX - LOGIT_MAX;
        1.0 / (1.0 + (-logit).exp())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_of_scores_is_kept(a in 0.0_f32..=1.0, b in 0.0_f32..=1.0) {
            let (low, high) = (a.min(b), a.max(b));
            prop_assert!(Quantum::of(low) <= Quantum::of(high));
            prop_assert!((Quantum::of(a).score() - a).abs() < 2e-4, "{a}");
        }
    }

    #[test]
    fn the_ends_and_nonsense_have_a_place() {
        assert_eq!(Quantum::of(0.0), Quantum::MIN);
        assert_eq!(Quantum::of(1.0), Quantum(65_535));
        assert_eq!(Quantum::of(f32::NAN), Quantum::MIN);
        assert_eq!(Quantum::of(7.0), Quantum(65_535));
        assert_eq!(Quantum::MIN.below(), Quantum::MIN);
    }
}
