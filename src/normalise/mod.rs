//! Layer 3, the second stage: records in, ECS events and rejects out. Every record ends in exactly one
//! column of the ledger: stored in an event, rejected with a reason, or in flight (waiting in an assembly).
//!
//! A [`Decoder`] serves one stream. It sniffs the format of every record (a stream may mix them), unless the
//! stream forces one. Its entries are [`texts`] and [`objects`]; records within records are unwrapped with what their
//! wrappers said in an [`envelope`]. It does no I/O and knows neither rules nor the store.

pub mod complete;
pub mod cri;
pub mod csv_row;
pub mod decoder;
pub mod derive;
pub mod document;
pub mod envelope;
pub mod forms;
pub mod journal;
pub mod json;
pub mod kept;
pub mod linux;
pub mod mapping;
pub mod names;
pub mod objects;
pub mod otlp;
pub mod output;
pub mod pipe;
pub mod redact;
pub mod settings;
pub mod sniff;
pub mod state;
pub mod texts;
pub mod time;
pub mod windows;

use crate::model::record::{Record, Stream};
use crate::normalise::envelope::Envelope;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;

pub use crate::normalise::decoder::Decoder;
pub use crate::normalise::output::Output;
pub use crate::normalise::settings::Settings;
pub use crate::normalise::sniff::{Format, formats};

/// What a decoder of one format gets to read: one record and where it comes from.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The stream of the record.
    pub stream: &'a Stream,
    /// Offset, framing and shape.
    pub record: &'a Record,
    /// The record's bytes, without line end.
    pub bytes: &'a [u8],
    /// What is the same for all records.
    pub settings: &'a Settings,
    /// When this batch was taken up: `event.ingested`.
    pub ingested: Timestamp,
    /// What wrappers around this record said.
    pub envelope: Option<&'a Envelope>,
}

impl Context<'_> {
    /// The id of an event whose record has no coordinates but its place: stream and offset.
    pub fn place_id(&self) -> Id128 {
        self.nth_place_id(0)
    }

    /// The same for the n-th event made of one record (a repeated message that is expanded), from 0.
    pub fn nth_place_id(&self, index: u64) -> Id128 {
        let element = self.envelope.and_then(|envelope| envelope.element).unwrap_or(0);
        place_id(self.stream, self.record.offset, (element << 32) | index)
    }

    /// Bytes that an event needs for its record, if it keeps it.
    pub fn room_for_original(&self, original: &str) -> usize {
        if self.settings.keep_original { original.len() } else { 0 }
    }
}

/// The id of the `index`-th event of the record at `offset` of a stream; equal again on redelivery.
pub fn place_id(stream: &Stream, offset: u64, index: u64) -> Id128 {
    let mut hasher = IdHasher::new("event.place");
    hasher.text(&stream.tenant).bytes(stream.place().as_bytes()).number(offset);
    if index > 0 {
        hasher.number(index);
    }
    hasher.finish()
}
