//! An error as JSON, `{"error": {kind, message, detail, hint}}`, and what is wrong with a wire form that
//! cannot be read back.

use serde::{Deserialize, Serialize};

use crate::model::desk::{self, ProblemKind};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// The body of every answer that is not a success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Envelope {
    /// The error.
    pub error: Problem,
}

/// The error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// `invalid`, `not_found`, `conflict`, `forbidden`, `unavailable` or `internal`.
    pub kind: String,
    /// What was attempted and failed.
    pub message: String,
    /// More about it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub detail: String,
    /// What to do.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub hint: String,
}

const KINDS: [(ProblemKind, &str); 6] = [
    (ProblemKind::Invalid, "invalid"),
    (ProblemKind::NotFound, "not_found"),
    (ProblemKind::Conflict, "conflict"),
    (ProblemKind::Forbidden, "forbidden"),
    (ProblemKind::Unavailable, "unavailable"),
    (ProblemKind::Internal, "internal"),
];

impl From<&desk::Problem> for Envelope {
    fn from(problem: &desk::Problem) -> Envelope {
        let kind = KINDS.iter().find(|(kind, _)| *kind == problem.kind);
        Envelope {
            error: Problem {
                kind: kind.map_or("internal", |(_, word)| word).to_owned(),
                message: problem.message.clone(),
                detail: problem.detail.clone(),
                hint: problem.hint.clone(),
            },
        }
    }
}

impl From<Envelope> for desk::Problem {
    fn from(envelope: Envelope) -> desk::Problem {
        let Problem { kind, message, detail, hint } = envelope.error;
        // A kind of a newer version is still somebody's fault; ours is the safe guess.
        let kind = KINDS
            .iter()
            .find(|(_, word)| *word == kind)
            .map_or(ProblemKind::Internal, |(kind, _)| *kind);
        desk::Problem { kind, message, detail, hint }
    }
}

/// A value of a wire form that says nothing in this version.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field} cannot be {value:?}")]
pub struct WireError {
    /// Which field.
    pub field: &'static str,
    /// What stood there.
    pub value: String,
}

impl WireError {
    /// This field cannot hold this value.
    pub fn new(field: &'static str, value: impl Into<String>) -> WireError {
        WireError { field, value: value.into() }
    }
}

/// Read a time.
pub fn time(field: &'static str, text: &str) -> Result<Timestamp, WireError> {
    Timestamp::parse_rfc3339(text).ok_or_else(|| WireError::new(field, text))
}

/// Read a time that may be missing.
pub fn time_or_none(
    field: &'static str,
    text: Option<&str>,
) -> Result<Option<Timestamp>, WireError> {
    text.map(|text| time(field, text)).transpose()
}

/// Read an id.
pub fn id(field: &'static str, text: &str) -> Result<Id128, WireError> {
    Id128::parse(text).ok_or_else(|| WireError::new(field, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn golden_and_back() {
        for (kind, word) in KINDS {
            let problem = desk::Problem::new(kind, "no such alert").hint("list them");
            let json = serde_json::to_string(&Envelope::from(&problem)).unwrap();
            let golden =
                r#"{"error":{"kind":"KIND","message":"no such alert","hint":"list them"}}"#;
            assert_eq!(json, golden.replace("KIND", word));
            let back: Envelope = serde_json::from_str(&json).unwrap();
            assert_eq!(desk::Problem::from(back), problem);
        }
    }
}
