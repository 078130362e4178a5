//! A model's judgement as an event, and back.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;

use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::model::inference::{Inference, Outcome, Prediction};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// `event.dataset` of these events.
pub const DATASET: &str = "watchfloor.inference";
const PREFIX: &str = "watchfloor.inference";

/// Is it what a model says, and no event of an endpoint?
pub fn is_judgement(event: &Event) -> bool {
    event.str(field::EVENT_DATASET) == Some(DATASET)
}

fn name(of: &str) -> String {
    format!("{PREFIX}.{of}")
}

impl Inference {
    /// The event that is stored. `now` is when it was judged.
    pub fn to_event(&self, now: Timestamp) -> Event {
        let mut event = Event::with_capacity(40, 512);
        event.id = self.id;
        event.timestamp = self.end;
        event.ingested = now;
        event.push_named("event.kind", Value::Str("metric"));
        event.push_str(field::EVENT_MODULE, "watchfloor");
        event.push_str(field::EVENT_DATASET, DATASET);
        event.push_str(field::EVENT_ACTION, self.prediction.as_str());
        event.push_str(field::HOST_NAME, &self.host);
        event.push_str(field::HOST_OS_TYPE, &self.platform);
        event.push_str(field::SOURCE_NAME, "watchfloor");
        if !self.tenant.is_empty() {
            event.push_str(field::ORGANIZATION_ID, &self.tenant);
        }
        event.push_str(field::MESSAGE, &self.line());
        self.push_numbers(&mut event);
        self.push_words(&mut event);
        event
    }

    fn push_numbers(&self, event: &mut Event) {
        let window_ms = self.end.micros_since(self.start) / 1_000;
        let whole = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
        let wholes = [
            ("window_ms", window_ms),
            ("observed_ms", self.observed_ms),
            ("events", whole(self.events)),
            ("nodes", whole(self.nodes)),
            ("edges", whole(self.edges)),
            ("dropped", whole(self.dropped)),
            ("blocks", whole(self.blocks)),
        ];
        for (of, number) in wholes {
            event.push_named(&name(of), Value::Int(number));
        }
        let reals = [
            ("attack_prob", self.score),
            ("confidence", self.confidence()),
            ("anomaly", self.anomaly),
            ("p", self.p),
            ("p_floor", self.p_floor),
            ("spread", self.score.map(|_| self.spread)),
            ("threshold", self.score.map(|_| self.threshold)),
            ("milliseconds", self.score.map(|_| self.milliseconds)),
        ];
        for (of, number) in reals {
            if let Some(number) = number.filter(|number| number.is_finite()) {
                event.push_named(&name(of), Value::Float(number));
            }
        }
        for member in &self.members {
            event.push_named(&name("members"), Value::Float(*member));
        }
    }

    fn push_words(&self, event: &mut Event) {
        let mut text = |of: &str, text: &str| {
            if !text.is_empty() {
                event.push_named(&name(of), Value::Str(text));
            }
        };
        text("prediction", self.prediction.as_str());
        text("outcome", self.outcome.as_str());
        text("model", &self.model);
        text("basis", &self.basis);
        text("reason", &self.reason);
        text("rule_level", self.rule_level().unwrap_or_default());
        text("episode", &self.episode.map(|id| id.to_string()).unwrap_or_default());
        // Ours, and always with a form.
        if !self.hits.is_empty() {
            text("hits", &serde_json::to_string(&self.hits).unwrap_or_default());
        }
        if let Some(ablation) = &self.ablation {
            text("explanation", &serde_json::to_string(ablation).unwrap_or_default());
        }
        let bytes: Vec<u8> = self.embedding.iter().map(|number| number.cast_unsigned()).collect();
        text("embedding", &STANDARD_NO_PAD.encode(bytes));
        event.push_named(&name("cold"), Value::Bool(self.cold));
    }

    /// The newest judgement among events, in the order of their time, that has an explanation; else the newest.
    pub fn newest(events: &[Event]) -> Option<Inference> {
        let all = || events.iter().rev().filter_map(Inference::of_event);
        all().find(|inference| inference.ablation.is_some()).or_else(|| all().next())
    }

    /// Read it back. `None`: it is no such event.
    pub fn of_event(event: &Event) -> Option<Inference> {
        if !is_judgement(event) {
            return None;
        }
        let field = |of: &str| FieldId::lookup(&name(of));
        let get = |of: &str| field(of).and_then(|field| event.get(field));
        let text = |of: &str| get(of).and_then(Value::as_str).unwrap_or_default();
        let whole = |of: &str| get(of).and_then(Value::as_int).unwrap_or(0);
        let count = |of: &str| u64::try_from(whole(of)).unwrap_or(0);
        let real = |of: &str| get(of).and_then(number);
        let members = field("members").map(|field| event.all(field).filter_map(number).collect());
        let embedding = STANDARD_NO_PAD.decode(text("embedding")).unwrap_or_default();
        Some(Inference {
            id: event.id,
            tenant: event.str(field::ORGANIZATION_ID).unwrap_or_default().to_owned(),
            host: event.host().to_owned(),
            platform: event.str(field::HOST_OS_TYPE).unwrap_or_default().to_owned(),
            start: event.timestamp.plus_micros(-whole("window_ms").saturating_mul(1_000)),
            end: event.timestamp,
            observed_ms: whole("observed_ms"),
            events: count("events"),
            nodes: count("nodes"),
            edges: count("edges"),
            dropped: count("dropped"),
            prediction: Prediction::parse(text("prediction")).unwrap_or_default(),
            score: real("attack_prob"),
            members: members.unwrap_or_default(),
            spread: real("spread").unwrap_or(0.0),
            threshold: real("threshold").unwrap_or(0.0),
            anomaly: real("anomaly"),
            p: real("p"),
            p_floor: real("p_floor"),
            blocks: count("blocks"),
            basis: text("basis").to_owned(),
            cold: matches!(get("cold"), Some(Value::Bool(true))),
            outcome: Outcome::parse(text("outcome")).unwrap_or_default(),
            episode: Id128::parse(text("episode")),
            model: text("model").to_owned(),
            reason: text("reason").to_owned(),
            milliseconds: real("milliseconds").unwrap_or(0.0),
            hits: serde_json::from_str(text("hits")).unwrap_or_default(),
            ablation: serde_json::from_str(text("explanation")).ok(),
            embedding: embedding.into_iter().map(u8::cast_signed).collect(),
        })
    }
}

/// Servers give back whole numbers where we wrote fractions.
fn number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Float(number) => Some(number),
        Value::Int(number) => Some(number as f64),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::inference::{Ablation, Edge, Group, Hit, Node, window_id};

    fn sample() -> Inference {
        Inference {
            id: window_id("t", "pc", "windows", 1_000_000),
            tenant: "t".to_owned(),
            host: "pc".to_owned(),
            platform: "windows".to_owned(),
            start: Timestamp::from_seconds(820),
            end: Timestamp::from_seconds(1_000),
            observed_ms: 150_000,
            events: 120,
            nodes: 14,
            edges: 20,
            prediction: Prediction::Attack,
            score: Some(1.0),
            members: vec![1.0, 0.75],
            spread: 0.25,
            threshold: 0.5,
            p: Some(0.002),
            p_floor: Some(0.002),
            blocks: 480,
            basis: "own".to_owned(),
            outcome: Outcome::Alert,
            episode: Some(Id128([7; 16])),
            model: "watchfloor-windows 1".to_owned(),
            milliseconds: 3.5,
            hits: vec![Hit {
                rule: "r".to_owned(),
                title: "Encoded \"PowerShell\"".to_owned(),
                level: "high".to_owned(),
                same_lineage: true,
            }],
            ablation: Some(Ablation {
                nodes: vec![Node { kind: "process".to_owned(), drop: 0.5 }],
                edges: vec![Edge {
                    kind: "spawned".to_owned(),
                    source: 0,
                    target: 0,
                    count: 2,
                    first_ms: 5,
                    event: Id128([9; 16]).to_string(),
                }],
                groups: vec![Group { source: 0, kind: "wrote".to_owned(), edges: 3, drop: 0.1 }],
                tried: 30,
                of: 55,
                deletion: 0.2,
                insertion: 0.9,
            }),
            embedding: vec![-127, 0, 127],
            ..Inference::default()
        }
    }

    #[test]
    fn a_judgement_survives_being_an_event() {
        let whole = sample();
        let event = whole.to_event(Timestamp::from_seconds(1_001));
        assert_eq!(Inference::of_event(&event), Some(whole.clone()));
        assert_eq!(whole.contributing(), [Id128([9; 16])]);
        assert_eq!(Inference::of_event(&Event::default()), None);
    }

    #[test]
    fn an_error_has_a_reason_and_no_numbers_that_mean_nothing() {
        let error = Inference {
            reason: "too few nodes: 1, and a graph needs two".to_owned(),
            ..Inference::default()
        };
        let event = error.to_event(Timestamp::default());
        assert_eq!(
            event.str(field::MESSAGE),
            Some("error: too few nodes: 1, and a graph needs two")
        );
        assert!(FieldId::lookup("watchfloor.inference.attack_prob").is_none_or(|f| !event.has(f)));
        assert_eq!(Inference::of_event(&event).unwrap().score, None);
    }
}
