//! Where models and analysts do not agree.

use crate::model::alert::AlertId;
use crate::model::verdict::VerdictKind;
use crate::stdx::time::Timestamp;

/// Alerts that are looked at: the newest with a verdict.
pub const ALERTS_MAX: usize = 500;
/// Minutes around a rule's alert within which a window counts as of that time.
pub const AROUND_MINUTES: u32 = 5;

/// Who said attack, and who said it was none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The model spoke of an attack, the analyst did not.
    ModelOnly,
    /// The analyst called a rule's alert an attack, and the model found the windows of that time benign.
    AnalystOnly,
}

impl Side {
    /// The word of machine formats.
    pub fn as_str(self) -> &'static str {
        match self {
            Side::ModelOnly => "model_only",
            Side::AnalystOnly => "analyst_only",
        }
    }

    /// Read the word.
    pub fn parse(text: &str) -> Option<Side> {
        [Side::ModelOnly, Side::AnalystOnly].into_iter().find(|side| side.as_str() == text)
    }
}

/// One disagreement.
#[derive(Clone, Debug, PartialEq)]
pub struct Disagreement {
    /// Who said what.
    pub side: Side,
    /// The alert.
    pub alert: AlertId,
    /// The title of its rule.
    pub title: String,
    /// Its endpoint.
    pub host: String,
    /// The last event of the alert.
    pub at: Timestamp,
    /// The highest score of a window at that time; none where no judgement is stored.
    pub score: Option<f64>,
    /// The verdict.
    pub verdict: VerdictKind,
    /// Who gave it; empty where the log does not say.
    pub who: String,
    /// The note with it.
    pub note: String,
}

/// All that are known, with counts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disagreements {
    /// The newest first.
    pub rows: Vec<Disagreement>,
    /// Alerts of models that have a verdict.
    pub model_judged: u64,
    /// Of those, the verdict says attack.
    pub model_right: u64,
    /// Alerts of rules that were called true, on endpoints that were judged at that time.
    pub rule_true: u64,
    /// Alerts of rules that were called true on endpoints without a stored judgement of that time.
    pub unseen: u64,
    /// There are older alerts with verdicts than were looked at.
    pub more: bool,
}

impl Disagreements {
    /// Rows of a side.
    pub fn count(&self, side: Side) -> usize {
        self.rows.iter().filter(|row| row.side == side).count()
    }
}
