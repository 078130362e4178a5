//! One mapping run over the facts of one record.

use std::borrow::Cow;

use ahash::AHashMap;

use crate::model::ecs::Type;
use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::normalise::mapping::facts::Facts;
use crate::normalise::mapping::put::{is_nothing, put};
use crate::normalise::mapping::read;
use crate::normalise::mapping::rules::{
    Group, Mapping, Matcher, Pattern, Piece, Put, Template, Then, number,
};
use crate::normalise::names::Names;
use crate::normalise::redact::{Counts, Redaction};

/// The names under which unmapped facts are kept, by mapping and fact; `None`: the table of names is full.
pub type Kept = AHashMap<(usize, FieldId), Option<FieldId>>;

/// What one run works on.
pub struct Run<'r> {
    /// The mapping.
    pub mapping: &'r Mapping,
    /// Its number in the library.
    pub number: usize,
    /// Paths of keys of the stream.
    pub names: &'r mut Names,
    /// The facts; splitting adds to them.
    pub facts: &'r mut Facts,
    /// Names of unmapped facts.
    pub kept: &'r mut Kept,
    /// The event to fill.
    pub event: &'r mut Event,
    /// Replaces secrets.
    pub clean: &'r Redaction<'r>,
    /// Secrets replaced.
    pub counts: &'r mut Counts,
    /// The record is an object: a `message` in it is the event's.
    pub is_object: bool,
    /// Which line of the mapping gave which field, if somebody asked.
    pub trace: Option<&'r mut Vec<(FieldId, u32)>>,
}

/// What a run found that is not a field.
#[derive(Debug, Default)]
pub struct Found {
    /// The host as the record named it.
    pub host: Option<String>,
    /// The time as written.
    pub time: Option<String>,
    /// A pattern, a splitting step or a condition was met.
    pub known: bool,
    /// The time as it was read, where the caller reads it.
    pub read: Option<crate::normalise::complete::EventTime>,
    /// The whole line was mapped: what its head seemed to say is not so.
    pub whole: bool,
    /// The message that a frame named.
    pub message: Option<String>,
    /// Facts that became fields by their capture.
    taken: Vec<FieldId>,
    /// Lists of named values that became facts of their own.
    lists: Vec<String>,
}

impl Found {
    fn is_of_list(&self, name: FieldId) -> bool {
        let below = |list: &String| {
            let rest = name.name().strip_prefix(list.as_str());
            rest.is_some_and(|rest| rest.starts_with('.'))
        };
        self.lists.iter().any(below)
    }
}

impl Run<'_> {
    /// Run the mapping. `frame`: the expression that claimed the line, with the line.
    pub fn run(mut self, frame: Option<(&Pattern, &str)>) -> Found {
        let mut found = Found::default();
        self.then(&self.mapping.kind, &mut found);
        if let Some((pattern, line)) = frame {
            self.capture(pattern, line, &mut found);
            self.then(&pattern.then, &mut found);
        }
        let mut waiting: Vec<&read::Read> = self.mapping.reads.iter().collect();
        self.reads(&mut waiting, &mut found);
        for group in &self.mapping.groups {
            self.group(group, &mut found);
        }
        self.reads(&mut waiting, &mut found);
        self.fields(&mut found);
        self.late(&self.mapping.kind, &mut found);
        for when in &self.mapping.whens {
            let holds = |(name, matcher): &(FieldId, Matcher)| self.holds(*name, matcher);
            if when.all.iter().all(holds) && (when.any.is_empty() || when.any.iter().any(holds)) {
                found.known = true;
                self.then(&when.then, &mut found);
            }
        }
        self.time(&mut found);
        found
    }

    /// A fact, else a field of the event.
    fn value(&self, name: FieldId) -> Option<Value<'_>> {
        self.facts.get(name).or_else(|| self.event.get(name))
    }

    /// Does a fact pass a test? Of a list, one of its values must; for `not`, none.
    fn holds(&self, name: FieldId, matcher: &Matcher) -> bool {
        if let Matcher::Not(inner) = matcher {
            return !self.holds(name, inner);
        }
        let mut several = self.facts.all(name).peekable();
        if several.peek().is_none() {
            return matcher.holds(self.event.get(name));
        }
        several.any(|value| matcher.holds(Some(value)))
    }

    fn reads(&mut self, waiting: &mut Vec<&read::Read>, found: &mut Found) {
        waiting.retain(|step| {
            if let read::How::Named { list, .. } = &step.how {
                if self.facts.below(list).is_empty() {
                    return true;
                }
                found.known |= read::split(step, "", self.facts, self.names);
                found.lists.push(list.clone());
                return false;
            }
            let Some(text) = self.facts.get(step.on).map(|value| value.to_text().into_owned())
            else {
                return true;
            };
            found.known |= read::split(step, &text, self.facts, self.names);
            found.taken.push(step.on);
            false
        });
    }

    fn group(&mut self, group: &Group, found: &mut Found) {
        let Some(text) = self.facts.get(group.on).map(|value| value.to_text().into_owned()) else {
            return;
        };
        for pattern in group.candidates(&text) {
            if !self.capture(pattern, &text, found) {
                continue;
            }
            found.known = true;
            self.then(&pattern.then, found);
            if !pattern.also {
                break;
            }
        }
    }

    /// Match an expression and put its captures away. `false`: it does not match.
    fn capture(&mut self, pattern: &Pattern, text: &str, found: &mut Found) -> bool {
        let Some(groups) = pattern.regex().and_then(|regex| regex.captures(text)) else {
            return false;
        };
        for capture in pattern.captures() {
            let Some(value) = groups.get(capture.group) else { continue };
            let value = value.as_str();
            self.facts.add(&capture.name, value, self.names);
            let Some((field, kind)) = capture.field else { continue };
            let clean = self.clean.text(value, self.counts);
            if !capture.list && !is_nothing(value) {
                self.event.remove(field);
            }
            if self.field(field, kind, Value::Str(&clean), pattern.line, found) {
                found.taken.push(field);
            }
        }
        true
    }

    /// Put a value into a field, or where the few special ones go. `false`: it is of the wrong type.
    fn field(
        &mut self,
        field: FieldId,
        kind: Type,
        value: Value<'_>,
        line: u32,
        found: &mut Found,
    ) -> bool {
        if field == field::HOST_NAME {
            let text = value.to_text();
            if !is_nothing(&text) {
                found.host = Some(text.into_owned());
            }
        } else if field.name() == "@timestamp" {
            found.time = Some(value.to_text().into_owned());
        } else {
            if !put(self.event, field, kind, value) {
                return false;
            }
            if let Some(trace) = self.trace.as_deref_mut() {
                trace.push((field, line));
            }
        }
        true
    }

    fn fields(&mut self, found: &mut Found) {
        // The facts are read while the event is written; they are put back at the end.
        let facts = std::mem::take(self.facts);
        for (name, leaf, value) in facts.iter() {
            if found.taken.contains(&name) || found.is_of_list(name) {
                continue;
            }
            // What the mapping calls an account is one, whatever its key says (RDP's cookie).
            let key = if self.is_account(name) { "" } else { self.names.key(leaf.node) };
            let clean = self.clean.value(key, value, self.counts);
            let value = clean.as_deref().map_or(value, Value::Str);
            self.fact(name, value, found);
        }
        self.event.fields_dropped += facts.left_out;
        *self.facts = facts;
    }

    fn fact(&mut self, name: FieldId, value: Value<'_>, found: &mut Found) {
        let Some(puts) = self.mapping.fields.get(&name) else {
            return self.unmapped(name, value, found);
        };
        for to in puts {
            let done = match to.field {
                Some(field) => self.mapped(to, field, value, found),
                None => true,
            };
            if !done || to.keep {
                self.keep(name, value);
            }
        }
    }

    fn mapped(&mut self, to: &Put, field: FieldId, value: Value<'_>, found: &mut Found) -> bool {
        let text = value.to_text();
        if let Some(divider) = to.split.as_deref() {
            let parts = text.split(divider).map(str::trim).filter(|part| !part.is_empty());
            return parts.fold(true, |done, part| {
                let value = changed(to, Value::Str(part));
                self.field(field, to.kind, value.as_value(), to.line, found) && done
            });
        }
        let value = changed(to, value);
        self.field(field, to.kind, value.as_value(), to.line, found)
    }

    /// Facts that nobody mapped: ECS names where the mapping says so, all others under the mapping's own name.
    fn unmapped(&mut self, name: FieldId, value: Value<'_>, found: &mut Found) {
        let text = name.name();
        let scratch = text.starts_with('_') && self.mapping.fields.is_empty();
        let of_time = self.mapping.time.from.iter().any(|names| names.contains(&name));
        let wrapped = self.mapping.inner.as_ref().is_some_and(|inner| inner.takes(name));
        if wrapped || of_time || scratch || text == "event.original" || self.is_exploded(text) {
            return;
        }
        if name == field::MESSAGE {
            let wraps = self.mapping.inner.is_some() || self.event.has(field::MESSAGE);
            if !wraps && self.is_object {
                self.event.push_value(name, value);
            }
            return;
        }
        if self.mapping.ecs {
            let own = matches!(text, "event.id" | "event.ingested" | "organization.id");
            match crate::model::ecs::type_of(text).filter(|_| !own) {
                Some(kind) if self.field(name, kind, value, self.mapping.line, found) => return,
                _ => {}
            }
        }
        self.keep(name, value);
    }

    fn keep(&mut self, name: FieldId, value: Value<'_>) {
        let namespace = &self.mapping.namespace;
        let kept = self.kept.entry((self.number, name)).or_insert_with(|| {
            let text = name.name();
            let inside =
                text.strip_prefix(namespace.as_str()).is_some_and(|rest| rest.starts_with('.'));
            if inside { Some(name) } else { FieldId::intern(&format!("{namespace}.{text}")) }
        });
        match *kept {
            Some(field) => self.event.push_value(field, value),
            None => self.event.fields_dropped += 1,
        }
    }

    fn then(&mut self, then: &Then, found: &mut Found) {
        if let Some(class) = then.class {
            self.event.class = class;
        }
        self.words(field::EVENT_CATEGORY, &then.category, then.line);
        self.words(field::EVENT_TYPE, &then.types, then.line);
        for (field, template) in
            [(field::EVENT_ACTION, &then.action), (field::EVENT_OUTCOME, &then.outcome)]
        {
            if let Some(text) = template.as_ref().and_then(|template| self.rendered(template)) {
                self.event.remove(field);
                self.field(field, Type::Keyword, Value::Str(&text), then.line, found);
            }
        }
        for (field, kind, templates) in &then.set {
            let values: Vec<String> =
                templates.iter().filter_map(|template| self.rendered(template)).collect();
            if !values.is_empty() {
                self.event.remove(*field);
            }
            for value in values {
                let clean: Cow<'_, str> = self.clean.text(&value, self.counts);
                self.field(*field, *kind, Value::Str(&clean), then.line, found);
            }
        }
    }

    /// What the head of the file composes of facts that came only from its patterns.
    fn late(&mut self, then: &Then, found: &mut Found) {
        for (field, template) in
            [(field::EVENT_ACTION, &then.action), (field::EVENT_OUTCOME, &then.outcome)]
        {
            let text = template.as_ref().filter(|_| !self.event.has(field));
            if let Some(text) = text.and_then(|template| self.rendered(template)) {
                self.field(field, Type::Keyword, Value::Str(&text), then.line, found);
            }
        }
    }

    /// Does the mapping say that the fact names an account?
    fn is_account(&self, name: FieldId) -> bool {
        let puts = self.mapping.fields.get(&name).map(Vec::as_slice).unwrap_or_default();
        let mut fields = puts.iter().filter_map(|to| to.field);
        fields.any(|field| field.name().starts_with("user."))
    }

    /// Is the fact part of the list whose elements are records of their own?
    fn is_exploded(&self, name: &str) -> bool {
        let list = self.mapping.explode.as_deref();
        let rest = list.and_then(|list| name.strip_prefix(list));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    }

    fn words(&mut self, field: FieldId, words: &[Box<str>], line: u32) {
        if words.is_empty() {
            return;
        }
        self.event.remove(field);
        for word in words {
            self.event.push_str(field, word);
        }
        if let Some(trace) = self.trace.as_deref_mut() {
            trace.push((field, line));
        }
    }

    /// `None`: a fact that it names is not there.
    fn rendered(&self, template: &Template) -> Option<String> {
        let mut out = String::new();
        for piece in &template.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Fact(name) => out.push_str(&self.value(*name)?.to_text()),
            }
        }
        Some(out)
    }

    fn time(&self, found: &mut Found) {
        for names in &self.mapping.time.from {
            if found.time.is_some() {
                return;
            }
            let parts: Option<Vec<String>> = names
                .iter()
                .map(|name| self.facts.get(*name).map(|value| value.to_text().into_owned()))
                .collect();
            found.time = parts.map(|parts| parts.join(" ")).filter(|text| !is_nothing(text));
        }
    }
}

/// A value after a lookup, a scale or lower case.
enum Changed<'v> {
    Same(Value<'v>),
    Text(String),
    Number(f64),
}

impl Changed<'_> {
    fn as_value(&self) -> Value<'_> {
        match self {
            Changed::Same(value) => *value,
            Changed::Text(text) => Value::Str(text),
            Changed::Number(number) => Value::Float(*number),
        }
    }
}

fn changed<'v>(to: &Put, value: Value<'v>) -> Changed<'v> {
    if let Some(scaled) = to.scale.and_then(|scale| number(value).map(|number| number * scale)) {
        return Changed::Number(scaled);
    }
    let text = value.to_text();
    if let Some(lookup) = &to.lookup {
        let known = lookup.table.get(text.to_ascii_lowercase().as_str());
        if let Some(word) = known.or(lookup.otherwise.as_ref()) {
            return Changed::Text(word.to_string());
        }
    }
    if to.lower {
        return Changed::Text(text.to_lowercase());
    }
    Changed::Same(value)
}
