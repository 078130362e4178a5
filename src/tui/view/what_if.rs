//! What if: parts of an explanation struck out by the analyst, and what the score would be without them.
//!
//! The drop of one part was measured: the model was asked again without it. Several together were not, and their drops
//! do not add up exactly, since parts overlap. The words say which of the two it is.

use std::collections::BTreeSet;

use crate::model::inference::Inference;
use crate::tui::paint::safe::SafeText;

/// Names in the line at most.
const NAMES_MAX: usize = 2;

/// Which parts are struck out, by their place among the factors, and where the cursor is.
#[derive(Debug, Default)]
pub struct WhatIf {
    at: usize,
    struck: BTreeSet<usize>,
    /// The cursor moved since the last drawing.
    pub moved: std::cell::Cell<bool>,
}

impl WhatIf {
    /// The factor under the cursor.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Is this factor struck out?
    pub fn is_struck(&self, place: usize) -> bool {
        self.struck.contains(&place)
    }

    /// Nothing is struck out.
    pub fn is_empty(&self) -> bool {
        self.struck.is_empty()
    }

    /// Go down or up among so many factors.
    pub fn step(&mut self, by: isize, factors: usize) {
        self.at = self.at.saturating_add_signed(by).min(factors.saturating_sub(1));
        self.moved.set(true);
    }

    /// Strike the factor under the cursor out, or put it back.
    pub fn toggle(&mut self, factors: usize) {
        if self.at < factors && !self.struck.remove(&self.at) {
            self.struck.insert(self.at);
        }
        self.moved.set(true);
    }

    /// What the score would be. `None`: nothing is struck out, or there is no score.
    pub fn line(&self, inference: &Inference, factors: &[(String, f32)]) -> Option<SafeText> {
        let score = inference.score?;
        let out: Vec<&(String, f32)> =
            self.struck.iter().filter_map(|place| factors.get(*place)).collect();
        let drop: f64 = out.iter().map(|(_, drop)| f64::from(*drop)).sum();
        let left = (score - drop).clamp(0.0, 1.0);
        let names: Vec<&str> = out.iter().take(NAMES_MAX).map(|(name, _)| &**name).collect();
        let side = if left >= inference.threshold { "still at or above" } else { "below" };
        let threshold = inference.threshold;
        let text = match out.len() {
            0 => return None,
            1 => format!(
                "what if: {left:.3} without {}, measured ({score:.3} with it); {side} the threshold {threshold:.3}",
                names.join("")
            ),
            many => format!(
                "what if: about {left:.3} without {many} parts, their drops added up, not measured together; {side} the threshold {threshold:.3} ({}{})",
                names.join(", "),
                if many > NAMES_MAX { ", ..." } else { "" }
            ),
        };
        Some(SafeText::line(&text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn factors() -> Vec<(String, f32)> {
        vec![("process a".to_owned(), 0.5), ("file b".to_owned(), 0.25), ("c".to_owned(), -0.1)]
    }

    #[test]
    fn one_part_is_what_was_measured_and_several_are_about() {
        let inference = Inference { score: Some(0.9), threshold: 0.5, ..Inference::default() };
        let mut what_if = WhatIf::default();
        assert_eq!(what_if.line(&inference, &factors()), None);
        what_if.toggle(3);
        let line = what_if.line(&inference, &factors()).unwrap();
        assert!(
            line.as_str().starts_with("what if: 0.400 without process a, measured"),
            "{line:?}"
        );
        assert!(line.as_str().contains("below the threshold 0.500"));
        what_if.step(1, 3);
        what_if.toggle(3);
        let line = what_if.line(&inference, &factors()).unwrap();
        assert!(line.as_str().starts_with("what if: about 0.150 without 2 parts"), "{line:?}");
        what_if.toggle(3);
        what_if.step(-5, 3);
        what_if.toggle(3);
        assert!(what_if.is_empty());
    }

    #[test]
    fn the_cursor_stays_among_the_factors() {
        let mut what_if = WhatIf::default();
        what_if.step(9, 3);
        assert_eq!(what_if.at(), 2);
        what_if.step(9, 0);
        what_if.toggle(0);
        assert!(what_if.is_empty());
    }
}
