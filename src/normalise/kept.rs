//! Fields that outlive their record, in a form that the commit keeps: what a request said until its response comes, what
//! a wrapper said of an audit record until its event is complete.

use serde::{Deserialize, Serialize};

use crate::model::event::{Event, Value};
use crate::model::field::FieldId;

/// Fields of one record that are kept; more are left out.
const FIELDS_MAX: usize = 64;

/// Names and values, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptFields(Vec<(String, Scalar)>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
enum Scalar {
    Truth(bool),
    Whole(i64),
    Float(f64),
    Text(String),
}

// A number that is none cannot come out of JSON.
impl Eq for Scalar {}

impl KeptFields {
    /// The fields of an event whose names are wanted.
    pub fn of(event: &Event, wanted: impl Fn(&str) -> bool) -> KeptFields {
        let fields = event.iter().filter(|(field, _)| wanted(field.name()));
        let named = fields.filter_map(|(field, value)| {
            let scalar = match value {
                Value::Str(text) => Scalar::Text(text.to_owned()),
                Value::Int(number) => Scalar::Whole(number),
                Value::Float(number) => Scalar::Float(number),
                Value::Bool(truth) => Scalar::Truth(truth),
                Value::Null => return None,
            };
            Some((field.name().to_owned(), scalar))
        });
        KeptFields(named.take(FIELDS_MAX).collect())
    }

    /// Nothing kept?
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Give an event what it does not say itself.
    pub fn fill(&self, event: &mut Event) {
        let known: Vec<FieldId> = event.places().collect();
        for (name, value) in &self.0 {
            if FieldId::intern(name).is_none_or(|field| known.contains(&field)) {
                continue;
            }
            let value = match value {
                Scalar::Text(text) => Value::Str(text),
                Scalar::Whole(number) => Value::Int(*number),
                Scalar::Float(number) => Value::Float(*number),
                Scalar::Truth(truth) => Value::Bool(*truth),
            };
            event.push_named(name, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::field;

    #[test]
    fn what_is_kept_comes_back_with_its_types_and_replaces_nothing() {
        let mut event = Event::default();
        event.push_str(field::USER_NAME, "bob");
        event.push_int(field::SOURCE_PORT, 22);
        event.push_named("labels.on", Value::Bool(true));
        event.push_named("labels.share", Value::Float(0.5));
        event.push_str(field::MESSAGE, "left out");
        let kept = KeptFields::of(&event, |name| name != "message");
        let json = serde_json::to_string(&kept).unwrap();
        let kept: KeptFields = serde_json::from_str(&json).unwrap();
        let mut other = Event::default();
        other.push_str(field::USER_NAME, "carl");
        kept.fill(&mut other);
        assert_eq!(other.str(field::USER_NAME), Some("carl"));
        assert_eq!(other.get(field::SOURCE_PORT), Some(Value::Int(22)));
        assert_eq!(other.get(FieldId::lookup("labels.share").unwrap()), Some(Value::Float(0.5)));
        assert!(!other.has(field::MESSAGE) && !kept.is_empty());
    }
}
