//! One event as rules see it: rule field names are slots, filled in one pass over the event's fields.
//!
//! Nothing is copied: values borrow from the event, and a value is lower-cased at most once however many rules
//! look at it. The same view is also an event of the `rsigma` crates, for the parts that are left to them.

use std::borrow::Cow;
use std::cell::{Cell, OnceCell};

use ahash::{AHashMap, AHashSet};
use rsigma_eval::EventValue;
use rsigma_eval::matcher::ascii_lowercase_cow;
use smallvec::SmallVec;

use crate::detect::fields;
use crate::detect::memo::{Memo, Number, Question};
use crate::detect::times;
use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};

/// Stands after every text of [`View::all_lowered`].
pub const TEXT_END: char = '\0';

/// The event's own time, which stands beside its fields and not among them.
const STAMP: &str = "@timestamp";
/// In the place of a field's place: the event's own time.
const STAMP_PLACE: usize = usize::MAX;

/// A rule field name as a small number.
pub type Slot = u16;

/// The field names that any rule uses, and which of our fields feed them.
#[derive(Debug, Default)]
pub struct SlotTable {
    names: Vec<String>,
    by_name: AHashMap<String, Slot>,
    /// By field id: the slots it feeds, with its place in their order of preference.
    feeds: Vec<SmallVec<[(Slot, u8); 2]>>,
    /// Prefixes of the fields that records of the rules being read keep their own names under.
    namespaces: &'static [&'static str],
    /// The slots that fields under a prefix feed already.
    within: AHashSet<(Slot, &'static str)>,
    /// Slots whose values are read as times.
    times: AHashSet<Slot>,
    /// Slots that the event's own time fills where no field does.
    stamps: SmallVec<[Slot; 2]>,
    /// Tests and indexes so far.
    questions: u32,
}

impl SlotTable {
    /// From now on the rules read are for records that keep their own names under these prefixes.
    pub fn enter(&mut self, namespaces: &'static [&'static str]) {
        self.namespaces = namespaces;
    }

    /// The slot of a rule's field name, made on first sight. `None` when there are more names than slots.
    pub fn slot(&mut self, name: &str) -> Option<Slot> {
        let slot = match self.by_name.get(name) {
            Some(slot) => *slot,
            None => self.add(name)?,
        };
        for prefix in self.namespaces {
            if self.within.insert((slot, prefix)) {
                // What the record itself calls so comes first; no other record has fields of this prefix.
                let plain = times::read_as_time(name).unwrap_or(name);
                for own in fields::own_names(prefix, plain) {
                    self.feed(&own, slot, 0);
                }
            }
        }
        Some(slot)
    }

    fn add(&mut self, name: &str) -> Option<Slot> {
        let plain = match times::read_as_time(name) {
            Some(plain) => {
                // Who asks by the rule's own name sees the value as it is.
                self.slot(plain)?;
                plain
            }
            None => name,
        };
        let slot = Slot::try_from(self.names.len()).ok()?;
        for (place, candidate) in (1..).zip(fields::candidates(plain)) {
            self.feed(&candidate, slot, u8::try_from(place).unwrap_or(u8::MAX));
        }
        if plain != name {
            self.times.insert(slot);
        }
        if plain == STAMP {
            self.stamps.push(slot);
        }
        self.names.push(name.to_owned());
        self.by_name.insert(name.to_owned(), slot);
        Some(slot)
    }

    fn feed(&mut self, field: &str, slot: Slot, place: u8) {
        let Some(id) = FieldId::intern(field) else { return };
        let index = usize::from(id.0);
        if self.feeds.len() <= index {
            self.feeds.resize_with(index + 1, SmallVec::new);
        }
        if let Some(feeds) =
            self.feeds.get_mut(index).filter(|feeds| feeds.iter().all(|(known, _)| *known != slot))
        {
            feeds.push((slot, place));
        }
    }

    /// The name that rules use for a slot.
    pub fn name(&self, slot: Slot) -> Option<&str> {
        self.names.get(usize::from(slot)).map(String::as_str)
    }

    /// A number for one more test or index.
    pub fn question(&mut self) -> Question {
        self.questions = self.questions.saturating_add(1);
        Question::new(self.questions)
    }

    /// The slot of a name that some rule uses.
    pub fn lookup(&self, name: &str) -> Option<Slot> {
        self.by_name.get(name).copied()
    }

    /// The slots that a field of ours feeds.
    pub fn fed_by(&self, field: FieldId) -> Vec<Slot> {
        let feeds = self.feeds.get(usize::from(field.0));
        feeds.map(|feeds| feeds.iter().map(|(slot, _)| *slot).collect()).unwrap_or_default()
    }

    /// How many slots there are.
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// No rule names any field?
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
}

#[derive(Default)]
struct Filled<'e> {
    /// Of which event this is: slots are not cleared between events.
    turn: u32,
    place: u8,
    /// The field stands several times.
    many: bool,
    field: Option<FieldId>,
    /// Where in the event its first value stands.
    at: usize,
    lowered: OnceCell<Cow<'e, str>>,
    /// The value's number, once it was asked for.
    number: Cell<Option<Number>>,
}

/// The values of one event by slot; used again for the next event.
pub struct View<'r, 'e> {
    table: &'r SlotTable,
    event: Option<&'e Event>,
    turn: u32,
    slots: Vec<Filled<'e>>,
    all_lowered: OnceCell<String>,
    /// The event's own time as text.
    stamp: OnceCell<String>,
    /// The last event's, to be filled again.
    spare: Cell<String>,
    /// What was found out about values that come again.
    pub memo: Memo,
}

impl<'r, 'e> View<'r, 'e> {
    /// An empty view.
    pub fn new(table: &'r SlotTable) -> View<'r, 'e> {
        let mut slots = Vec::new();
        slots.resize_with(table.len(), Filled::default);
        View {
            table,
            event: None,
            turn: 0,
            slots,
            all_lowered: OnceCell::new(),
            stamp: OnceCell::new(),
            spare: Cell::default(),
            memo: Memo::default(),
        }
    }

    /// The number by which the memo knows the slot's only value.
    pub fn number(&self, slot: Slot) -> Number {
        let filled = self.filled(slot)?;
        if let Some(known) = filled.number.get() {
            return known;
        }
        let number = match self.event?.at(filled.at) {
            Some(Value::Str(text)) if !filled.many => self.memo.number(slot, text),
            _ => None,
        };
        filled.number.set(Some(number));
        number
    }

    /// Show `event` from now on.
    pub fn show(&mut self, event: &'e Event) {
        self.event = Some(event);
        self.stamp.take();
        if let Some(mut text) = self.all_lowered.take() {
            text.clear();
            self.spare.set(text);
        }
        self.turn = self.turn.wrapping_add(1);
        if self.turn == 0 {
            self.slots.iter_mut().for_each(|slot| *slot = Filled::default());
            self.turn = 1;
        }
        for (at, id) in event.places().enumerate() {
            let Some(feeds) = self.table.feeds.get(usize::from(id.0)) else { continue };
            for (slot, place) in feeds {
                let Some(filled) = self.slots.get_mut(usize::from(*slot)) else { continue };
                if filled.turn != self.turn || *place < filled.place {
                    filled.turn = self.turn;
                    filled.place = *place;
                    filled.many = false;
                    filled.field = Some(id);
                    filled.at = at;
                    filled.lowered.take();
                    filled.number.set(None);
                } else if filled.field == Some(id) {
                    filled.many = true;
                }
            }
        }
        self.fill_stamps();
    }

    /// Give the event's own time to the slots that ask for it and that no field filled.
    fn fill_stamps(&mut self) {
        for slot in &self.table.stamps {
            let Some(filled) = self.slots.get_mut(usize::from(*slot)) else { continue };
            if filled.turn != self.turn {
                filled.turn = self.turn;
                filled.place = u8::MAX;
                filled.many = false;
                filled.field = FieldId::intern(STAMP);
                filled.at = STAMP_PLACE;
                filled.lowered.take();
                filled.number.set(None);
            }
        }
    }

    /// The value at a place of the event.
    fn at(&self, place: usize) -> Option<Value<'_>> {
        let event = self.event?;
        if place == STAMP_PLACE {
            let text = self.stamp.get_or_init(|| event.timestamp.to_string());
            return Some(Value::Str(text));
        }
        event.at(place)
    }

    /// The event shown.
    pub fn event(&self) -> Option<&'e Event> {
        self.event
    }

    fn filled(&self, slot: Slot) -> Option<&Filled<'e>> {
        self.slots.get(usize::from(slot)).filter(|filled| filled.turn == self.turn)
    }

    /// The slot of a rule's field name, if there is one.
    pub fn slot(&self, name: &str) -> Option<Slot> {
        self.table.lookup(name)
    }

    /// The field that fills the slot.
    pub fn field(&self, slot: Slot) -> Option<FieldId> {
        self.filled(slot).and_then(|filled| filled.field)
    }

    /// The slot's first value.
    pub fn first(&self, slot: Slot) -> Option<Value<'_>> {
        self.filled(slot).and_then(|filled| self.at(filled.at))
    }

    /// Has the slot's field several values?
    pub fn many(&self, slot: Slot) -> bool {
        self.filled(slot).is_some_and(|filled| filled.many)
    }

    /// All values of the slot.
    pub fn all(&self, slot: Slot) -> impl Iterator<Item = Value<'e>> {
        let field = self.field(slot);
        self.event.into_iter().flat_map(move |event| {
            event.iter().filter(move |(id, _)| Some(*id) == field).map(|(_, value)| value)
        })
    }

    /// The slot's first value as lower-case text, if it is text or a number.
    pub fn lowered(&self, slot: Slot) -> Option<&str> {
        let filled = self.filled(slot)?;
        if let Some(lowered) = filled.lowered.get() {
            return Some(lowered);
        }
        if filled.at == STAMP_PLACE {
            let text = self.at(filled.at)?.to_text().to_lowercase();
            return Some(filled.lowered.get_or_init(|| Cow::Owned(text)));
        }
        let value = self.event?.at(filled.at)?;
        if matches!(value, Value::Null) {
            return None;
        }
        Some(filled.lowered.get_or_init(|| match value {
            Value::Str(text) => ascii_lowercase_cow(text),
            other => other.to_text(),
        }))
    }

    /// The slot's value in the library's form; several values are an array.
    pub fn library_value(&self, slot: Slot) -> Option<EventValue<'_>> {
        let filled = self.filled(slot)?;
        let form = if self.table.times.contains(&slot) { time_value } else { library_value };
        if filled.many {
            return Some(EventValue::Array(self.all(slot).map(form).collect()));
        }
        self.at(filled.at).map(form)
    }

    /// All of [`View::texts`] in lower case, one after another, each ended by [`TEXT_END`].
    pub fn all_lowered(&self) -> &str {
        self.all_lowered.get_or_init(|| {
            let mut all = self.spare.take();
            let mut ascii = true;
            for (_, text) in self.texts() {
                all.push_str(text);
                all.push(TEXT_END);
                ascii &= text.is_ascii();
            }
            if ascii {
                all.make_ascii_lowercase();
                return all;
            }
            all.to_lowercase()
        })
    }

    /// Every text of the event that a rule without field names looks at, with its field.
    pub fn texts(&self) -> impl Iterator<Item = (FieldId, &'e str)> {
        let event = self.event;
        event.into_iter().flat_map(|event| {
            event
                .iter()
                .filter_map(|(id, value)| Some((id, value.as_str()?)))
                .filter(|(id, text)| searched(*id, text))
        })
    }
}

/// Whether keywords look at a field. The input kept beside its fields says the same again when it is JSON, and
/// where we found the record is not part of it.
fn searched(id: FieldId, text: &str) -> bool {
    match id {
        field::EVENT_ORIGINAL => !text.starts_with(['{', '[']),
        field::LOG_FILE_PATH | field::SOURCE_NAME | field::ORGANIZATION_ID => false,
        _ => true,
    }
}

fn library_value(value: Value<'_>) -> EventValue<'_> {
    match value {
        Value::Str(text) => EventValue::Str(Cow::Borrowed(text)),
        Value::Int(number) => EventValue::Int(number),
        Value::Float(number) => EventValue::Float(number),
        Value::Bool(truth) => EventValue::Bool(truth),
        Value::Null => EventValue::Null,
    }
}

/// As [`library_value`], with the seconds of a time in place of its text: the library knows fewer forms.
fn time_value(value: Value<'_>) -> EventValue<'_> {
    match value {
        Value::Str(text) => match times::seconds(text) {
            Some(seconds) => EventValue::Int(seconds),
            None => library_value(value),
        },
        other => library_value(other),
    }
}

impl rsigma_eval::Event for View<'_, '_> {
    fn get_field(&self, path: &str) -> Option<EventValue<'_>> {
        self.library_value(self.table.lookup(path)?)
    }

    fn any_string_value(&self, pred: &dyn Fn(&str) -> bool) -> bool {
        self.texts().any(|(_, text)| pred(text))
    }

    fn all_string_values(&self) -> Vec<Cow<'_, str>> {
        self.texts().map(|(_, text)| Cow::Borrowed(text)).collect()
    }

    fn to_json(&self) -> serde_json::Value {
        let mut map = serde_json::Map::new();
        for (id, value) in self.event.into_iter().flat_map(Event::iter) {
            map.insert(id.name().to_owned(), library_value(value).to_json());
        }
        serde_json::Value::Object(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_preferred_field_fills_the_slot_whatever_the_order() {
        let mut table = SlotTable::default();
        let command = table.slot("CommandLine").unwrap();
        let image = table.slot("Image").unwrap();
        let mut event = Event::with_capacity(4, 64);
        event.push_str(field::PROCESS_COMMAND_LINE, "mapped");
        event.push_named("winlog.event_data.CommandLine", Value::Str("As Written"));
        let mut view = View::new(&table);
        view.show(&event);
        assert_eq!(view.lowered(command), Some("as written"));
        assert_eq!(view.first(image), None);
        let other = Event::with_capacity(0, 0);
        view.show(&other);
        assert_eq!(view.first(command), None);
        assert_eq!(view.lowered(command), None);
    }

    #[test]
    fn lists_are_arrays_and_originals_in_json_are_not_searched() {
        let mut table = SlotTable::default();
        let args = table.slot("process.args").unwrap();
        let mut event = Event::with_capacity(4, 64);
        event.push_str(field::PROCESS_ARGS, "a");
        event.push_str(field::PROCESS_ARGS, "b");
        event.push_str(field::EVENT_ORIGINAL, "{\"a\": 1}");
        let mut view = View::new(&table);
        view.show(&event);
        assert!(
            matches!(view.library_value(args), Some(EventValue::Array(list)) if list.len() == 2)
        );
        assert_eq!(view.texts().count(), 2);
    }
}
