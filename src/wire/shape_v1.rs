//! What the records of a source look like, as JSON; part of [`super::status_v1`].

use serde::{Deserialize, Serialize};

use crate::model::shape::{FamilyShape, RejectShape, SourceShape};

/// One source.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Shape {
    /// Its name.
    pub name: String,
    /// Families of events, most events first.
    pub families: Vec<Family>,
    /// Rejected records by reason, most first.
    pub rejects: Vec<Reject>,
    /// Fields without an ECS name, with how often they came.
    pub unknown_fields: Vec<(String, u64)>,
    /// Unknown fields that were not counted by name.
    pub unknown_left_out: u64,
    /// What changed about known fields.
    pub notes: Vec<String>,
    /// What was replaced in texts, by kind.
    #[serde(default)]
    pub redacted: Vec<(String, u64)>,
}

/// One family.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Family {
    /// Its `event.dataset`.
    pub name: String,
    /// Events since the program started.
    pub events: u64,
    /// Events per second over the last minute.
    pub per_second: f64,
}

/// Rejects of one reason.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reject {
    /// The stable word.
    pub reason: String,
    /// How many since the program started.
    pub count: u64,
    /// The last three.
    pub samples: Vec<String>,
}

impl From<&SourceShape> for Shape {
    fn from(shape: &SourceShape) -> Shape {
        let family = |family: &FamilyShape| Family {
            name: family.name.clone(),
            events: family.events,
            per_second: family.per_second,
        };
        let reject = |reject: &RejectShape| Reject {
            reason: reject.reason.clone(),
            count: reject.count,
            samples: reject.samples.clone(),
        };
        Shape {
            name: shape.name.clone(),
            families: shape.families.iter().map(family).collect(),
            rejects: shape.rejects.iter().map(reject).collect(),
            unknown_fields: shape.unknown_fields.clone(),
            unknown_left_out: shape.unknown_left_out,
            notes: shape.notes.clone(),
            redacted: shape.redacted.clone(),
        }
    }
}

impl From<Shape> for SourceShape {
    fn from(wire: Shape) -> SourceShape {
        let family = |family: Family| FamilyShape {
            name: family.name,
            events: family.events,
            per_second: family.per_second,
        };
        let reject = |reject: Reject| RejectShape {
            reason: reject.reason,
            count: reject.count,
            samples: reject.samples,
        };
        SourceShape {
            name: wire.name,
            families: wire.families.into_iter().map(family).collect(),
            rejects: wire.rejects.into_iter().map(reject).collect(),
            unknown_fields: wire.unknown_fields,
            unknown_left_out: wire.unknown_left_out,
            notes: wire.notes,
            redacted: wire.redacted,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_is_read_and_written_without_loss() {
        let golden = serde_json::json!({
            "name": "auth", "families": [{"name": "system.auth", "events": 9, "per_second": 0.5}],
            "rejects": [{"reason": "binary", "count": 1, "samples": ["a:0: x"]}],
            "unknown_fields": [["shop.basket", 3]], "unknown_left_out": 0, "notes": ["gone"],
            "redacted": [["password", 2]],
        });
        let wire: Shape = serde_json::from_value(golden.clone()).unwrap();
        let model = SourceShape::from(wire);
        assert_eq!(serde_json::to_value(Shape::from(&model)).unwrap(), golden);
    }
}
