//! Verdicts: what an analyst decided about an alert, and which state follows.

use crate::model::alert::Status;

/// The kinds of verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum VerdictKind {
    /// It was what the rule says, and bad.
    TruePositive,
    /// The rule is wrong about it.
    FalsePositive,
    /// The rule is right, and it was allowed.
    BenignTruePositive,
    /// Not decided, worth work.
    Suspicious,
    /// The same as another alert.
    Duplicate,
    /// Cannot be decided with what there is.
    InsufficientData,
}

impl VerdictKind {
    /// All kinds.
    pub const ALL: [VerdictKind; 6] = [
        VerdictKind::TruePositive,
        VerdictKind::FalsePositive,
        VerdictKind::BenignTruePositive,
        VerdictKind::Suspicious,
        VerdictKind::Duplicate,
        VerdictKind::InsufficientData,
    ];

    /// The word as stored, in the API and on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            VerdictKind::TruePositive => "true_positive",
            VerdictKind::FalsePositive => "false_positive",
            VerdictKind::BenignTruePositive => "benign_true_positive",
            VerdictKind::Suspicious => "suspicious",
            VerdictKind::Duplicate => "duplicate",
            VerdictKind::InsufficientData => "insufficient_data",
        }
    }

    /// Read the word.
    pub fn parse(text: &str) -> Option<VerdictKind> {
        VerdictKind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// The state that this verdict sets; `None` leaves it.
    pub fn status(self) -> Option<Status> {
        match self {
            VerdictKind::FalsePositive => Some(Status::FalsePositive),
            VerdictKind::TruePositive
            | VerdictKind::BenignTruePositive
            | VerdictKind::Duplicate => Some(Status::Resolved),
            VerdictKind::Suspicious => Some(Status::Investigating),
            VerdictKind::InsufficientData => None,
        }
    }
}

/// How sure the analyst is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub enum Confidence {
    /// Low.
    Low,
    /// Medium.
    #[default]
    Medium,
    /// High.
    High,
}

impl Confidence {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Confidence::Low => "low",
            Confidence::Medium => "medium",
            Confidence::High => "high",
        }
    }

    /// Read the word.
    pub fn parse(text: &str) -> Option<Confidence> {
        [Confidence::Low, Confidence::Medium, Confidence::High]
            .into_iter()
            .find(|confidence| confidence.as_str() == text)
    }
}

/// Reason codes offered by the verdict sheet.
pub const REASONS: [(&str, &str); 5] = [
    ("known_admin_tool", "known admin tool"),
    ("test_activity", "test activity"),
    ("bad_signature", "bad signature"),
    ("approved_change", "approved change"),
    ("other", "other (note required)"),
];

/// A verdict as given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// The kind.
    pub kind: VerdictKind,
    /// Reason codes (of [`REASONS`]).
    pub reasons: Vec<String>,
    /// How sure.
    pub confidence: Confidence,
    /// A note, possibly empty. Untrusted text.
    pub note: String,
}
