//! What records look like, source by source: families and their rates, rejects with samples, fields nobody mapped, and
//! fields that were always there and are gone, or whose type changed. In memory, bounded, since the program started.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use ahash::AHashMap;

use crate::detect::RuleSet;
use crate::model::ecs;
use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::model::record::Reject;
use crate::model::shape::{FamilyShape, RejectShape, SourceShape};
use crate::normalise::Output;
use crate::stdx::time::{SECOND_US, Timestamp};

/// Families of one source that are told apart.
const FAMILIES_MAX: usize = 200;
/// Names of unknown fields of one source that are counted.
const UNKNOWN_MAX: usize = 1_000;
/// Reasons of rejects that are told apart.
const REASONS_MAX: usize = 50;
/// Samples kept of rejects of one reason.
const SAMPLES_MAX: usize = 3;
/// Characters of a sample.
const SAMPLE_CHARS_MAX: usize = 160;
/// Kinds of event (family and code) whose fields are watched, and fields of one.
const KINDS_MAX: usize = 400;
const FIELDS_MAX: usize = 400;
/// A field's presence is judged after this many events of a kind.
const WINDOW: u32 = 400;
/// A field that is in nine of ten events is one that is always there.
const USUAL_PER_TEN: u32 = 9;
/// Notes of one source that are shown.
const NOTES_MAX: usize = 50;
/// The seconds over which rates are taken.
const RATE_SECONDS: i64 = 60;

/// All sources.
#[derive(Default)]
pub(crate) struct Shapes {
    sources: BTreeMap<Arc<str>, Source>,
    /// By field id: is it a name of the schema or a declared one?
    known: Vec<Option<bool>>,
}

#[derive(Default)]
struct Source {
    families: BTreeMap<String, Family>,
    rejects: BTreeMap<&'static str, Rejected>,
    unknown: AHashMap<FieldId, u64>,
    unknown_left_out: u64,
    kinds: AHashMap<String, Kind>,
    notes: BTreeMap<String, String>,
    /// As many kinds as the program and the configuration know.
    redacted: BTreeMap<Arc<str>, u64>,
}

#[derive(Default)]
struct Family {
    events: u64,
    /// The second of the first one.
    since: i64,
    /// (second, events in it), oldest first.
    recent: VecDeque<(i64, u64)>,
}

#[derive(Default)]
struct Rejected {
    count: u64,
    samples: VecDeque<String>,
}

/// One kind of event.
#[derive(Default)]
struct Kind {
    events: u32,
    fields: AHashMap<FieldId, Track>,
}

#[derive(Default)]
struct Track {
    seen: u32,
    usual: bool,
    gone: bool,
    form: Option<Form>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Number,
    Truth,
}

impl Form {
    fn of(value: Value<'_>) -> Option<Form> {
        match value {
            Value::Str(_) => Some(Form::Text),
            Value::Int(_) | Value::Float(_) => Some(Form::Number),
            Value::Bool(_) => Some(Form::Truth),
            Value::Null => None,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Form::Text => "text",
            Form::Number => "number",
            Form::Truth => "truth value",
        }
    }
}

impl Shapes {
    /// Take note of what one batch of a source became.
    pub(crate) fn see(
        &mut self,
        source: &Arc<str>,
        output: &Output,
        now: Timestamp,
        rules: &RuleSet,
    ) {
        let known = &mut self.known;
        let entry = self.sources.entry(Arc::clone(source)).or_default();
        let second = now.seconds();
        for event in &output.events {
            entry.event(event, second, known, rules);
        }
        for reject in &output.rejects {
            entry.reject(reject);
        }
        for (kind, count) in &output.redacted {
            *entry.redacted.entry(Arc::clone(kind)).or_default() += count;
        }
    }

    /// What was seen, for a report.
    pub(crate) fn report(&self, now: Timestamp) -> Vec<SourceShape> {
        self.sources.iter().map(|(name, source)| source.report(name, now)).collect()
    }
}

impl Source {
    fn event(
        &mut self,
        event: &Event,
        second: i64,
        known: &mut Vec<Option<bool>>,
        rules: &RuleSet,
    ) {
        let family =
            event.str(field::EVENT_DATASET).or(event.str(field::EVENT_PROVIDER)).unwrap_or("json");
        if !self.families.contains_key(family) && self.families.len() < FAMILIES_MAX {
            self.families.insert(family.to_owned(), Family::default());
        }
        if let Some(family) = self.families.get_mut(family) {
            family.count(second);
        }
        for id in event.places() {
            if !is_known(id, known) {
                if let Some(count) = self.unknown.get_mut(&id) {
                    *count += 1;
                } else if self.unknown.len() < UNKNOWN_MAX {
                    self.unknown.insert(id, 1);
                } else {
                    self.unknown_left_out += 1;
                }
            }
        }
        self.watch(family, event, rules);
    }

    /// Watch the fields of the event's kind.
    fn watch(&mut self, family: &str, event: &Event, rules: &RuleSet) {
        let code = event.get(field::EVENT_CODE).or(event.get(field::EVENT_ACTION));
        let name = format!("{family} {}", code.map(Value::to_text).unwrap_or_default());
        if !self.kinds.contains_key(&name) && self.kinds.len() >= KINDS_MAX {
            return;
        }
        let kind = self.kinds.entry(name.clone()).or_default();
        kind.events += 1;
        let mut last = None;
        for (id, value) in event.iter() {
            // A list counts once.
            if last == Some(id) {
                continue;
            }
            last = Some(id);
            if !kind.fields.contains_key(&id) && kind.fields.len() >= FIELDS_MAX {
                continue;
            }
            let track = kind.fields.entry(id).or_default();
            track.seen += 1;
            let form = Form::of(value);
            if let (Some(before), Some(now)) = (track.form, form)
                && before != now
            {
                let text = format!(
                    "{} of {} was {} and is {}",
                    id.name(),
                    name.trim(),
                    before.word(),
                    now.word()
                );
                note(&mut self.notes, &format!("type {name} {}", id.name()), text, id, rules);
            }
            track.form = form.or(track.form);
        }
        if kind.events >= WINDOW {
            kind.close(&name, &mut self.notes, rules);
        }
    }

    fn reject(&mut self, reject: &Reject) {
        if !self.rejects.contains_key(reject.reason) && self.rejects.len() >= REASONS_MAX {
            return;
        }
        let entry = self.rejects.entry(reject.reason).or_default();
        entry.count += 1;
        if entry.samples.len() >= SAMPLES_MAX {
            entry.samples.pop_front();
        }
        let head = String::from_utf8_lossy(&reject.head);
        let head: String = head.chars().take(SAMPLE_CHARS_MAX).collect();
        entry.samples.push_back(format!("{}:{}: {head}", reject.path, reject.offset));
    }

    fn report(&self, name: &str, now: Timestamp) -> SourceShape {
        let mut families: Vec<FamilyShape> = self
            .families
            .iter()
            .map(|(name, family)| FamilyShape {
                name: name.clone(),
                events: family.events,
                per_second: family.rate(now.seconds()),
            })
            .collect();
        families.sort_by_key(|family| std::cmp::Reverse(family.events));
        let mut rejects: Vec<RejectShape> = self
            .rejects
            .iter()
            .map(|(reason, rejected)| RejectShape {
                reason: (*reason).to_owned(),
                count: rejected.count,
                samples: rejected.samples.iter().cloned().collect(),
            })
            .collect();
        rejects.sort_by_key(|rejected| std::cmp::Reverse(rejected.count));
        let mut unknown: Vec<(String, u64)> =
            self.unknown.iter().map(|(id, count)| (id.name().to_owned(), *count)).collect();
        unknown.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
        let mut redacted: Vec<(String, u64)> =
            self.redacted.iter().map(|(kind, count)| (kind.to_string(), *count)).collect();
        redacted.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        SourceShape {
            redacted,
            name: name.to_owned(),
            families,
            rejects,
            unknown_fields: unknown,
            unknown_left_out: self.unknown_left_out,
            notes: self.notes.values().cloned().collect(),
        }
    }
}

impl Family {
    fn count(&mut self, second: i64) {
        if self.events == 0 {
            self.since = second;
        }
        self.events += 1;
        match self.recent.back_mut() {
            Some((last, count)) if *last == second => *count += 1,
            _ => self.recent.push_back((second, 1)),
        }
        while self.recent.front().is_some_and(|(first, _)| *first <= second - RATE_SECONDS) {
            self.recent.pop_front();
        }
    }

    fn rate(&self, now: i64) -> f64 {
        let recent = self.recent.iter().filter(|(second, _)| *second > now - RATE_SECONDS);
        let events: u64 = recent.map(|(_, count)| count).sum();
        // In the first minute there was less time than one. Exact for any count that a minute can hold.
        events as f64 / (now - self.since + 1).clamp(1, RATE_SECONDS) as f64
    }
}

impl Kind {
    /// A window is full: which fields are always there, and which were and are gone?
    fn close(&mut self, name: &str, notes: &mut BTreeMap<String, String>, rules: &RuleSet) {
        for (id, track) in &mut self.fields {
            let key = format!("gone {name} {}", id.name());
            if track.seen == 0 && track.usual && !track.gone {
                track.gone = true;
                let text = format!(
                    "{} of {} is gone: it was in nearly every event",
                    id.name(),
                    name.trim()
                );
                note(notes, &key, text, *id, rules);
            } else if track.seen > 0 && track.gone {
                track.gone = false;
                notes.remove(&key);
            }
            track.usual |= track.seen * 10 >= self.events * USUAL_PER_TEN;
            track.seen = 0;
        }
        self.events = 0;
    }
}

/// Add a note, with the rules that read the field: they are blind to these events.
fn note(
    notes: &mut BTreeMap<String, String>,
    key: &str,
    text: String,
    id: FieldId,
    rules: &RuleSet,
) {
    if notes.len() >= NOTES_MAX || notes.contains_key(key) {
        return;
    }
    let blind = rules.reading(id);
    let text = match blind.first() {
        None => text,
        Some(first) => {
            format!("{text}; blind for it: {} rules, such as {}", blind.len(), first.title)
        }
    };
    notes.insert(key.to_owned(), text);
}

fn is_known(id: FieldId, known: &mut Vec<Option<bool>>) -> bool {
    let at = usize::from(id.0);
    if known.len() <= at {
        known.resize(at + 1, None);
    }
    let Some(slot) = known.get_mut(at) else { return true };
    *slot.get_or_insert_with(|| {
        let name = id.name();
        ecs::type_of(name).is_some() || ecs::is_extension(name)
    })
}

/// How often the report is taken to the front ends.
pub(crate) const REPORT_EVERY_US: i64 = SECOND_US;

#[cfg(test)]
mod tests {
    use super::*;

    fn event(fields: &[(&str, &str)]) -> Event {
        let mut event = Event::default();
        event.push_str(field::EVENT_DATASET, "shop.log");
        event.push_str(field::EVENT_CODE, "7");
        for (name, value) in fields {
            event.push_str(FieldId::intern(name).unwrap(), value);
        }
        event
    }

    fn feed(shapes: &mut Shapes, count: u32, fields: &[(&str, &str)]) {
        let output =
            Output { events: (0..count).map(|_| event(fields)).collect(), ..Output::default() };
        shapes.see(&"shop".into(), &output, Timestamp::from_seconds(1_000), &RuleSet::default());
    }

    #[test]
    fn families_have_rates_and_unknown_fields_are_counted() {
        let mut shapes = Shapes::default();
        feed(&mut shapes, 120, &[("shop.basket", "3"), ("user.name", "bob")]);
        // Of what was seen for ten seconds nobody knows a minute.
        for (second, rate) in [(1_000, 120.0), (1_009, 12.0), (1_059, 2.0)] {
            let family = &shapes.report(Timestamp::from_seconds(second))[0].families[0];
            assert_eq!((family.events, family.per_second), (120, rate));
        }
        let report = shapes.report(Timestamp::from_seconds(1_000));
        assert_eq!(report[0].unknown_fields, [("shop.basket".to_owned(), 120)]);
        let later = shapes.report(Timestamp::from_seconds(1_100));
        assert_eq!(later[0].families[0].per_second, 0.0);
    }

    #[test]
    fn what_was_replaced_is_counted_by_kind() {
        let mut shapes = Shapes::default();
        for (kind, count) in [("token", 1), ("password", 2), ("token", 4)] {
            let redacted = BTreeMap::from([(kind.into(), count)]);
            let output = Output { redacted, ..Output::default() };
            shapes.see(&"shop".into(), &output, Timestamp::default(), &RuleSet::default());
        }
        let report = shapes.report(Timestamp::default());
        assert_eq!(report[0].redacted, [("token".to_owned(), 5), ("password".to_owned(), 2)]);
    }

    #[test]
    fn a_field_that_vanishes_is_told_and_its_return_too() {
        let mut shapes = Shapes::default();
        feed(&mut shapes, WINDOW, &[("user.name", "bob")]);
        feed(&mut shapes, WINDOW, &[]);
        let notes = shapes.report(Timestamp::default())[0].notes.clone();
        assert_eq!(notes.len(), 1);
        assert!(notes[0].starts_with("user.name of shop.log 7 is gone"), "{notes:?}");
        feed(&mut shapes, WINDOW, &[("user.name", "bob")]);
        assert!(shapes.report(Timestamp::default())[0].notes.is_empty());
    }

    #[test]
    fn a_change_of_type_is_told() {
        let mut shapes = Shapes::default();
        feed(&mut shapes, 1, &[("source.port", "22")]);
        let mut number = event(&[]);
        number.push_int(field::SOURCE_PORT, 22);
        let output = Output { events: vec![number], ..Output::default() };
        shapes.see(&"shop".into(), &output, Timestamp::default(), &RuleSet::default());
        let notes = &shapes.report(Timestamp::default())[0].notes;
        assert_eq!(notes[0], "source.port of shop.log 7 was text and is number");
    }
}
