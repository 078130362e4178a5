//! Records into events: what belongs together by node, time and serial, in a bounded table.
//!
//! An assembly closes when its EOE record comes, when the stream's time is more than two seconds past it, when the
//! stream ends, and by the wall clock only on a live stream that has gone quiet. PROCTITLE closes nothing: records of
//! several events are written in among each other. The table's content is part of the commit, so that a
//! restart in the middle of an event changes nothing.

use std::collections::{BTreeMap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::model::record::{Flush, Stream};
use crate::normalise::Context;
use crate::normalise::complete::Place;
use crate::normalise::envelope::Envelope;
use crate::normalise::kept::KeptFields;
use crate::normalise::linux::auditd::event::{Assembled, Builder};
use crate::normalise::linux::auditd::line;
use crate::normalise::linux::auditd::processes;
use crate::normalise::output::Output;
use crate::normalise::settings::Settings;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::mark;
use crate::stdx::time::{SECOND_US, Timestamp};

/// An assembly this much older than the newest record of its node is complete.
const COMPLETE_AFTER_US: i64 = 2 * SECOND_US;
/// Records of one event; the next one begins a further event.
const EVENT_RECORDS_MAX: u32 = 1_000;
/// Bytes of one event's records.
const EVENT_BYTES_MAX: usize = 1 << 20;
/// The queue of arrivals is tidied when it is so many times longer than what may be open.
const QUEUE_TIMES: usize = 4;
/// How many closed events are remembered, to know a record that comes too late for its event.
const CLOSED_MAX: usize = 256;

/// The audit decoder of one stream.
#[derive(Debug)]
pub struct Assembler {
    assemblies_max: usize,
    /// By node, then by (time in µs, serial).
    open: BTreeMap<String, BTreeMap<(i64, u64), Assembly>>,
    assemblies: usize,
    /// In the order of their arrival; some are closed already.
    queue: VecDeque<(u64, String, (i64, u64))>,
    records: u64,
    arrivals: u64,
    closed: VecDeque<u64>,
    closed_early: u64,
    builder: Builder,
}

/// Records of one event that is not complete yet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Assembly {
    /// Where the first record begins in the stream.
    offset: u64,
    /// When the last record was taken up, µs.
    arrived_us: i64,
    /// Order of arrival of the first record.
    order: u64,
    /// How many records.
    records: u32,
    /// Some of this event's records were closed into an event before.
    late: bool,
    /// The records as they came, one a line.
    text: String,
    /// What wrappers said of the first record.
    #[serde(default, skip_serializing_if = "KeptFields::is_empty")]
    wrapped: KeptFields,
}

/// [`Assembler`]'s state as the commit keeps it.
#[derive(Serialize, Deserialize)]
struct Saved {
    arrivals: u64,
    closed: VecDeque<u64>,
    open: Vec<(String, i64, u64, Assembly)>,
    #[serde(default)]
    processes: processes::Saved,
}

impl Assembler {
    /// A decoder without history; at most `assemblies_max` events are open at a time (at least one).
    pub fn new(assemblies_max: usize) -> Assembler {
        Assembler {
            assemblies_max: assemblies_max.max(1),
            open: BTreeMap::new(),
            assemblies: 0,
            queue: VecDeque::new(),
            records: 0,
            arrivals: 0,
            closed: VecDeque::new(),
            closed_early: 0,
            builder: Builder::new(),
        }
    }

    /// Records that wait in open assemblies.
    pub fn open_records(&self) -> u64 {
        self.records
    }

    /// Assemblies that were closed because the table or the event was full.
    pub fn closed_early(&self) -> u64 {
        self.closed_early
    }

    /// The open assemblies for the commit; `None` while there is nothing to keep.
    pub fn state(&self) -> Option<Vec<u8>> {
        if self.open.is_empty() && self.closed.is_empty() {
            return None;
        }
        let open = self.open.iter().flat_map(|(node, assemblies)| {
            assemblies
                .iter()
                .map(|((at, serial), assembly)| (node.clone(), *at, *serial, assembly.clone()))
        });
        let saved = Saved {
            arrivals: self.arrivals,
            closed: self.closed.clone(),
            open: open.collect(),
            processes: self.builder.processes.saved(),
        };
        serde_json::to_vec(&saved).ok()
    }

    /// Take up what [`Assembler::state`] gave. Unreadable state is an empty one.
    pub fn restore(&mut self, state: &[u8]) {
        let Ok(saved) = serde_json::from_slice::<Saved>(state) else { return };
        self.arrivals = saved.arrivals;
        self.closed = saved.closed;
        self.builder.processes.restore(saved.processes);
        self.open.clear();
        for (node, at, serial, assembly) in saved.open {
            self.open.entry(node).or_default().insert((at, serial), assembly);
        }
        self.assemblies = self.open.values().map(BTreeMap::len).sum();
        self.queue.clear();
        self.tidy_queue();
        self.records =
            self.open.values().flat_map(BTreeMap::values).map(|open| u64::from(open.records)).sum();
    }

    /// Take in one record; closes what its time or its type says.
    pub fn decode(&mut self, context: &Context<'_>, out: &mut Output) {
        let text = String::from_utf8_lossy(context.bytes);
        let text = text.trim_end_matches(['\r', '\n', '\0']);
        let line = match line::parse(text) {
            Ok(line) => line,
            Err(error) => return out.reject(context, "bad_auditd", error.to_string()),
        };
        if text.contains('\n') {
            return out.reject(context, "bad_auditd", "a record is one line");
        }
        // Records of many hosts may come wrapped in one stream; serials are counted by each host.
        let outer = context.envelope.and_then(|envelope| envelope.host.as_deref());
        let node = line.node.or(outer).unwrap_or("");
        let key = (line.at.0, line.serial);
        let place = Place::of(context);
        // A clock that runs ahead must not tear the events of the others apart.
        if line.at.micros_since(context.ingested) <= context.settings.future_us_max {
            self.close_before(node, line.at.plus_micros(-COMPLETE_AFTER_US), &place, out);
        }
        self.add(node, key, text, context, out);
        if self.builder.tables.record_type(line.kind) == "EOE" {
            self.close(node, key, &place, out);
        }
    }

    /// Close what the end of a batch says. `now` is the wall clock.
    pub fn flush(
        &mut self,
        flush: Flush,
        now: Timestamp,
        stream: &Stream,
        settings: &Settings,
        out: &mut Output,
    ) {
        let newest = match flush {
            Flush::No => return,
            Flush::Idle => now.plus_micros(-COMPLETE_AFTER_US).0,
            Flush::End => i64::MAX,
        };
        let place = Place { stream, settings, ingested: now, offset: 0, envelope: None };
        let mut ready: Vec<(u64, String, (i64, u64))> = Vec::new();
        for (node, assemblies) in &self.open {
            let old = assemblies.iter().filter(|(_, assembly)| assembly.arrived_us <= newest);
            ready.extend(old.map(|(key, assembly)| (assembly.order, node.clone(), *key)));
        }
        ready.sort_unstable();
        for (_, node, key) in ready {
            self.close(&node, key, &place, out);
        }
    }

    fn add(
        &mut self,
        node: &str,
        key: (i64, u64),
        text: &str,
        context: &Context<'_>,
        out: &mut Output,
    ) {
        let full = self.open.get(node).and_then(|open| open.get(&key)).is_some_and(|assembly| {
            assembly.records >= EVENT_RECORDS_MAX
                || assembly.text.len() + text.len() >= EVENT_BYTES_MAX
        });
        if full {
            self.closed_early += 1;
            self.close(node, key, &Place::of(context), out);
        }
        let known = self.open.get(node).is_some_and(|open| open.contains_key(&key));
        if !known {
            while self.assemblies >= self.assemblies_max {
                self.close_oldest(&Place::of(context), out);
            }
            let assembly = Assembly {
                offset: context.record.offset,
                arrived_us: 0,
                order: self.arrivals,
                records: 0,
                late: self.closed.contains(&mark_of(node, key)),
                text: String::with_capacity(text.len() + 512),
                wrapped: context.envelope.map_or_else(KeptFields::default, |envelope| {
                    KeptFields::of(&envelope.fields, |_| true)
                }),
            };
            self.queue.push_back((self.arrivals, node.to_owned(), key));
            self.arrivals += 1;
            self.assemblies += 1;
            if !self.open.contains_key(node) {
                self.open.insert(node.to_owned(), BTreeMap::new());
            }
            if let Some(open) = self.open.get_mut(node) {
                open.insert(key, assembly);
            }
            if self.queue.len() > QUEUE_TIMES * self.assemblies_max {
                self.tidy_queue();
            }
        }
        if let Some(assembly) = self.open.get_mut(node).and_then(|open| open.get_mut(&key)) {
            if assembly.records > 0 {
                assembly.text.push('\n');
            }
            assembly.text.push_str(text);
            assembly.records += 1;
            assembly.arrived_us = context.ingested.0;
            self.records += 1;
        }
    }

    /// Close every assembly of a node that is older than `limit`, oldest first.
    fn close_before(&mut self, node: &str, limit: Timestamp, place: &Place<'_>, out: &mut Output) {
        loop {
            let first = self.open.get(node).and_then(|open| open.keys().next().copied());
            match first {
                Some(key) if key.0 < limit.0 => self.close(node, key, place, out),
                _ => return,
            }
        }
    }

    fn close_oldest(&mut self, place: &Place<'_>, out: &mut Output) {
        while let Some((order, node, key)) = self.queue.pop_front() {
            let open = self.open.get(&node).and_then(|open| open.get(&key));
            if open.is_some_and(|assembly| assembly.order == order) {
                self.closed_early += 1;
                return self.close(&node, key, place, out);
            }
        }
        // Cannot be: the caller saw an open assembly. Counting again ends its loop.
        self.assemblies = 0;
    }

    /// Keep those of the queue that are open. One that stays open for long must not let it grow.
    fn tidy_queue(&mut self) {
        let rows = self.open.iter().flat_map(|(node, open)| {
            open.iter().map(|(key, assembly)| (assembly.order, node.clone(), *key))
        });
        self.queue = rows.collect();
        self.queue.make_contiguous().sort_unstable();
    }

    fn close(&mut self, node: &str, key: (i64, u64), place: &Place<'_>, out: &mut Output) {
        let Some(open) = self.open.get_mut(node) else { return };
        let Some(assembly) = open.remove(&key) else { return };
        if open.is_empty() {
            self.open.remove(node);
        }
        self.assemblies = self.assemblies.saturating_sub(1);
        self.records = self.records.saturating_sub(u64::from(assembly.records));
        if self.closed.len() >= CLOSED_MAX {
            self.closed.pop_front();
        }
        self.closed.push_back(mark_of(node, key));
        let mut envelope = Envelope::default();
        assembly.wrapped.fill(&mut envelope.fields);
        let envelope = (!assembly.wrapped.is_empty()).then_some(&envelope);
        let place = Place { offset: assembly.offset, envelope, ..*place };
        let assembled = Assembled {
            id: event_id(node, key, assembly.late.then_some(assembly.offset), place.stream),
            node,
            at: Timestamp(key.0),
            serial: key.1,
            records: assembly.records,
            text: &assembly.text,
        };
        self.builder.event(&assembled, &place, out);
    }
}

/// The id of an event: node, time and serial. An event without any host belongs to its stream alone. The
/// part that came after its event was closed gets its place besides, so that it does not replace it.
fn event_id(node: &str, key: (i64, u64), late_at: Option<u64>, stream: &Stream) -> Id128 {
    let mut hasher = IdHasher::new("event.auditd");
    hasher.text(&stream.tenant);
    match stream.host.as_deref().filter(|_| node.is_empty()) {
        Some(host) => hasher.text(host),
        None if node.is_empty() => hasher.bytes(stream.id.as_bytes()),
        None => hasher.text(node),
    };
    hasher.bytes(&key.0.to_le_bytes()).number(key.1);
    if let Some(offset) = late_at {
        hasher.bytes(
            stream.delivery.iter().flat_map(|key| *key.as_bytes()).collect::<Vec<u8>>().as_slice(),
        );
        hasher.number(offset);
    }
    hasher.finish()
}

/// A short mark of a key, for the memory of closed events.
fn mark_of(node: &str, key: (i64, u64)) -> u64 {
    mark::of(&[node.as_bytes(), &key.0.to_le_bytes(), &key.1.to_le_bytes()])
}

#[cfg(test)]
#[path = "assemble_tests/mod.rs"]
mod tests;
