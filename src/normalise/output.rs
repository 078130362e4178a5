//! What a decoder hands on: events, rejects and the counts that keep the ledger honest.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::event::Event;
use crate::model::field::FieldId;
use crate::model::record::Reject;
use crate::normalise::Context;
use crate::stdx::id::IdHasher;
use crate::stdx::limits::{REJECT_DETAIL_BYTES_MAX, REJECT_HEAD_BYTES_MAX};

/// The result of decoding one or more batches. `received` = `stored` + `rejected` + what the decoders that
/// wrote here still hold ([`crate::normalise::Decoder::open_records`]), counted in records.
#[derive(Debug, Default)]
pub struct Output {
    /// Events, in the order their records ended.
    pub events: Vec<Event>,
    /// Records that could not be read.
    pub rejects: Vec<Reject>,
    /// Records taken in.
    pub received: u64,
    /// Records that are part of an event.
    pub stored: u64,
    /// Records rejected.
    pub rejected: u64,
    /// Rejected records by reason.
    pub by_reason: BTreeMap<&'static str, u64>,
    /// Events whose time had to be replaced or guessed, by the word in `event.time_problem`.
    pub time_problems: BTreeMap<&'static str, u64>,
    /// Secrets replaced, by kind.
    pub redacted: BTreeMap<Arc<str>, u64>,
    /// Fields left out because of a limit.
    pub fields_dropped: u64,
    /// Note how every event came about, in `traces`.
    pub explain: bool,
    /// What is known of the record that is being decoded.
    pub trace: Trace,
    /// One an event, if `explain` is set.
    pub traces: Vec<Trace>,
}

/// How an event came about: `normalise --explain`.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// What split the bytes into records.
    pub carrier: Option<&'static str>,
    /// Wrappers that were taken off, outermost first.
    pub wrappers: Vec<Arc<str>>,
    /// The mapping, or nothing for a decoder in code.
    pub family: Option<Arc<str>>,
    /// The mapping's file.
    pub file: Option<Arc<str>>,
    /// Which line of it gave which field.
    pub lines: Vec<(FieldId, u32)>,
}

impl Output {
    /// Hand on an event; its `records` are accounted as stored.
    pub fn event(&mut self, event: Event) {
        self.stored += u64::from(event.records);
        self.extra_event(event);
    }

    /// Hand on a further event of records that are accounted already (an expanded repeat).
    pub fn extra_event(&mut self, event: Event) {
        self.fields_dropped += u64::from(event.fields_dropped);
        if self.explain {
            self.traces.push(self.trace.clone());
        }
        self.events.push(event);
    }

    /// Reject one record, or one part of a record that holds several, with a stable reason word and a sentence for a
    /// person. The head is redacted.
    pub fn reject(
        &mut self,
        context: &Context<'_>,
        reason: &'static str,
        detail: impl Into<String>,
    ) {
        let head = context.bytes.get(..REJECT_HEAD_BYTES_MAX).unwrap_or(context.bytes);
        // A cut inside a character is not the record's fault; the head is for reading.
        let text = String::from_utf8_lossy(head);
        let text = context.settings.redactor.text(&text, &mut self.redacted);
        let mut detail = detail.into();
        if let Some((at, _)) = detail.char_indices().find(|(at, _)| *at >= REJECT_DETAIL_BYTES_MAX)
        {
            detail.truncate(at);
        }
        let mut id = IdHasher::new("reject");
        id.text(&context.stream.tenant)
            .bytes(context.stream.place().as_bytes())
            .number(context.record.offset)
            .text(reason);
        if let Some(element) = context.envelope.and_then(|envelope| envelope.element) {
            id.number(element);
        }
        self.rejects.push(Reject {
            id: id.finish(),
            source: context.stream.source.clone(),
            path: context.stream.path.clone(),
            offset: context.record.offset,
            at: context.ingested,
            reason,
            detail,
            head: text.into_owned().into_bytes(),
        });
        self.rejected += 1;
        *self.by_reason.entry(reason).or_default() += 1;
    }

    /// Count an event whose time was replaced or guessed.
    pub fn time_problem(&mut self, problem: &'static str) {
        *self.time_problems.entry(problem).or_default() += 1;
    }
}
