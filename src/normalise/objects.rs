//! Records of named values, JSON and others: Windows events, objects that a mapping knows, wrappers around further records, lists of records, and
//! any other object.

use std::sync::Arc;

use sonic_rs::JsonValueTrait;

use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::normalise::complete::{self, EventTime, Place};
use crate::normalise::decoder::Decoder;
use crate::normalise::document::{Document, DocumentError, is_too_deep};
use crate::normalise::envelope::Envelope;
use crate::normalise::mapping::apply::Found;
use crate::normalise::mapping::rules::{Inner, Mapping};
use crate::normalise::otlp::{self, Form};
use crate::normalise::output::Output;
use crate::normalise::redact::Redaction;
use crate::normalise::sniff::without_mark;
use crate::normalise::{Context, journal, json, windows};
use crate::stdx::limits::{ELEMENTS_MAX, UNREADABLE_OF_RECORD_MAX, WRAPPERS_MAX};

impl Decoder {
    /// Decode a JSON object; `forced`: the mapping to use.
    pub(super) fn json(&mut self, context: &Context<'_>, forced: Option<usize>, out: &mut Output) {
        let bytes = without_mark(context.bytes);
        if bytes.trim_ascii_start().starts_with(b"[") {
            return match std::str::from_utf8(bytes) {
                Ok(text) => {
                    self.elements(context, text, &[], &Envelope::within(context.envelope), out)
                }
                Err(_) => out.reject(context, "not_utf8", "the list is no UTF-8"),
            };
        }
        let text = std::str::from_utf8(bytes).unwrap_or("");
        if otlp::is_request(text) {
            return self.otlp(&Context { bytes, ..*context }, Form::Json, out);
        }
        // The journal writes texts that are no UTF-8 or hold line ends as lists of bytes.
        let repaired =
            if journal::is_entry(text) { journal::with_texts(text) } else { text.into() };
        let bytes = if repaired.is_empty() { bytes } else { repaired.as_bytes() };
        let mut document = std::mem::take(&mut self.document);
        match document.read(bytes, &mut self.mapper.names) {
            Ok(original) => self.leaves(context, document, original, forced, out),
            Err(error) => {
                self.document = document;
                out.reject(context, error.reason(), error.to_string());
            }
        }
    }

    /// Decode a Windows event as XML.
    pub(super) fn xml(&mut self, context: &Context<'_>, out: &mut Output) {
        let text = String::from_utf8_lossy(without_mark(context.bytes));
        let mut document = std::mem::take(&mut self.document);
        match windows::xml::read(&text, &mut document, &mut self.mapper.names) {
            Ok(()) => self.leaves(context, document, &text, None, out),
            Err(error) => {
                self.document = document;
                out.reject(context, error.reason(), error.to_string());
            }
        }
    }

    /// Decode a record whose leaves were read, whatever form they had.
    pub(super) fn leaves(
        &mut self,
        context: &Context<'_>,
        mut document: Document,
        original: &str,
        forced: Option<usize>,
        out: &mut Output,
    ) {
        let first = out.events.len();
        if forced.is_none()
            && windows::decode(context, &mut document, &mut self.mapper.names, original, out)
        {
            self.scripts.join(first, context.settings, out);
            self.document = document;
            return;
        }
        if let Some(event) = windows::wazuh::as_event(&document, &self.mapper.names)
            && document.read(event.as_bytes(), &mut self.mapper.names).is_ok()
        {
            return self.leaves(context, document, original, None, out);
        }
        let chosen = self.mapper().choose(document);
        match forced.or(chosen) {
            Some(number) => self.object(context, number, original, out),
            None => {
                self.document = self.mapper.give_back();
                json::decode(context, &self.document, &mut self.mapper.names, original, out);
            }
        }
    }

    /// Decode a JSON object as one of no known shape.
    pub(super) fn any_json(&mut self, context: &Context<'_>, out: &mut Output) {
        let Decoder { document, mapper, .. } = self;
        match document.read(without_mark(context.bytes), &mut mapper.names) {
            Ok(original) => json::decode(context, document, &mut mapper.names, original, out),
            Err(error) => out.reject(context, error.reason(), error.to_string()),
        }
    }

    /// Decode the object that the mapper holds by a mapping.
    fn object(&mut self, context: &Context<'_>, number: usize, original: &str, out: &mut Output) {
        let depth = context.envelope.map_or(0, |envelope| envelope.depth);
        let mapping = self.mapper.mapping(number);
        let explode: Option<Box<str>> = mapping.and_then(|mapping| mapping.explode.clone());
        let redaction = Redaction::new(&context.settings.redactor, original.as_bytes());
        let facts = self.mapper.facts();
        let mut event = Event::with_capacity(
            facts.len() + 24,
            facts.text_bytes() + context.room_for_original(original) + 256,
        );
        event.id = context.place_id();
        let Some(mapped) = self.mapper.object(number, &redaction, &mut event, out) else {
            self.document = self.mapper.give_back();
            return;
        };
        let inner = self.inner(number, original);
        let time = self.time(context, number, &mapped.found);
        self.mapper.join(number, time, &mut event);
        self.document = self.mapper.give_back();
        let mut found = mapped.found;
        if let Some(list) = explode.filter(|_| depth < WRAPPERS_MAX) {
            let path: Vec<&str> = list.split('.').collect();
            let outer = outer(context, &event, found.host.take(), time);
            return self.elements(context, original, &path, &outer, out);
        }
        if let Some(inner) = inner.filter(|_| depth < WRAPPERS_MAX) {
            let mut envelope = outer(context, &event, found.host.take(), time);
            (envelope.program, envelope.pid) = (inner.program, inner.pid);
            return self.nested(context, &inner.text, &envelope, out);
        }
        let place = Place::of(context);
        complete::finish(&mut event, time, found.host.as_deref(), None, &place, out);
        if context.settings.keep_original && !event.has(field::EVENT_ORIGINAL) {
            event.push_str(field::EVENT_ORIGINAL, &redaction.json(original));
        }
        out.event(event);
    }

    /// Decode each element of a list of records; the record as a whole is one in the ledger.
    fn elements(
        &mut self,
        context: &Context<'_>,
        text: &str,
        path: &[&str],
        outer: &Envelope,
        out: &mut Output,
    ) {
        let depth = context.envelope.map_or(0, |envelope| envelope.depth);
        if depth >= WRAPPERS_MAX {
            return out.reject(context, "too_deep", "wrapped in more records than are unwrapped");
        }
        if is_too_deep(text) {
            return out.reject(context, "too_deep", DocumentError::TooDeep.to_string());
        }
        let list = match sonic_rs::get(text, path) {
            Ok(list) => list,
            Err(error) => {
                let first = error.to_string();
                let line = first.lines().next().unwrap_or("unreadable").to_owned();
                return out.reject(context, "not_json", line);
            }
        };
        let (stored, rejected) = (out.stored, out.rejected);
        let (mut count, mut strange) = (0_u64, 0_usize);
        for element in list.into_array_iter().into_iter().flatten() {
            let Ok(element) = element else {
                out.reject(context, "not_json", "the list is broken");
                break;
            };
            count += 1;
            if count > ELEMENTS_MAX {
                out.reject(context, "too_many", "a list of more records than limits allow");
                break;
            }
            let mut envelope = outer.clone();
            envelope.element = Some(count);
            match element.as_str() {
                Some(text) => self.nested(context, text, &envelope, out),
                None if element.is_object() => {
                    self.nested(context, element.as_raw_str(), &envelope, out);
                }
                None => {
                    strange += 1;
                    if strange <= UNREADABLE_OF_RECORD_MAX {
                        let inner = Context { envelope: Some(&envelope), ..*context };
                        out.reject(&inner, "not_object", "an element of the list is no object");
                    }
                }
            }
        }
        let more = strange.saturating_sub(UNREADABLE_OF_RECORD_MAX);
        if more > 0 {
            out.reject(context, "too_many", format!("{more} more elements are no objects"));
        }
        if count == 0 {
            return out.reject(context, "empty_list", "a list without records");
        }
        let any = out.stored > stored;
        out.stored = stored + u64::from(any);
        out.rejected = rejected + u64::from(!any);
    }

    /// Decode a record within a record.
    pub(super) fn nested(
        &mut self,
        context: &Context<'_>,
        text: &str,
        envelope: &Envelope,
        out: &mut Output,
    ) {
        let text = text.trim_end_matches(['\n', '\r']);
        let inner = Context { bytes: text.as_bytes(), envelope: Some(envelope), ..*context };
        if out.explain
            && let Some(family) = out.trace.family.take()
        {
            out.trace.wrappers.push(family);
        }
        self.find_out(&inner, out);
    }

    /// Decode a record by the mapping that the stream names.
    pub(super) fn by_mapping(&mut self, name: &Arc<str>, context: &Context<'_>, out: &mut Output) {
        let Some(number) = self.mapper().named(name) else {
            return out.reject(context, "unknown_format", format!("there is no mapping {name}"));
        };
        if without_mark(context.bytes).trim_ascii_start().starts_with(b"{") {
            self.json(context, Some(number), out);
        } else {
            self.line_by_mapping(number, context, out);
        }
    }

    /// The time that a mapping found.
    pub(super) fn time(
        &mut self,
        context: &Context<'_>,
        number: usize,
        found: &Found,
    ) -> EventTime {
        let Some(text) = found.time.as_deref() else { return EventTime::None("missing_time") };
        let Some(mapping) = self.mapper.mapping(number) else {
            return EventTime::None("missing_time");
        };
        self.linux.read_time(context, text, &mapping.time)
    }

    /// The inner record of the object that the mapper holds.
    fn inner(&self, number: usize, original: &str) -> Option<InnerRecord> {
        let mapping: &Mapping = self.mapper.mapping(number)?;
        let inner: &Inner = mapping.inner.as_ref()?;
        let facts = self.mapper.facts();
        let text = |names: &[FieldId]| {
            let found = names.iter().find_map(|name| facts.get(*name))?;
            let text = found.to_text();
            (!text.trim().is_empty()).then(|| text.into_owned())
        };
        let body = inner.from.iter().find_map(|name| match facts.get(*name) {
            Some(Value::Str(text)) if !text.trim().is_empty() => Some(text.to_owned()),
            Some(_) => None,
            None => {
                let path: Vec<&str> = name.name().split('.').collect();
                let object = sonic_rs::get(original, &path).ok()?;
                object.is_object().then(|| object.as_raw_str().to_owned())
            }
        })?;
        let (program, pid) = (text(&inner.program), text(&inner.pid));
        Some(InnerRecord { text: body, program, pid })
    }
}

/// The envelope that a mapped wrapper makes for the records in it.
fn outer(context: &Context<'_>, fields: &Event, host: Option<String>, time: EventTime) -> Envelope {
    let mut envelope = Envelope::within(context.envelope);
    envelope.add(fields);
    envelope.host = host.or(envelope.host);
    if let EventTime::At(_) | EventTime::Guessed(..) = time {
        envelope.time = Some(time);
    }
    envelope
}

struct InnerRecord {
    text: String,
    program: Option<String>,
    pid: Option<String>,
}
