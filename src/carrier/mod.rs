//! Layer 2: bytes to records. A carrier knows where a record begins and ends and nothing of what it
//! means: [`lines`], [`json_documents`], [`xml_events`] and [`evtx`]. Sources choose one by the first bytes, or by the
//! name of a format that is forced. All but lines and event logs are fed through a [`splitter::Splitter`].

pub mod csv_rows;
pub mod evtx;
pub mod fluent_forward;
pub mod gather;
pub mod journal_export;
pub mod json_documents;
pub mod lines;
pub mod msgpack;
pub mod otlp_messages;
pub mod protobuf;
pub mod splitter;
pub mod syslog_frames;
pub mod utf16;
pub mod xml_events;

use crate::model::record::{Framing, Record, Shape};
use crate::stdx::limits;

/// The bounds of what a carrier holds at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// A record with more bytes than this is cut and marked [`Framing::TooLong`].
    pub record_bytes_max: usize,
    /// A chunk is handed on at this many records or…
    pub chunk_records_max: usize,
    /// …at about this many bytes (one record and one read may go over it).
    pub chunk_bytes_max: usize,
}

impl Default for Bounds {
    fn default() -> Bounds {
        Bounds {
            record_bytes_max: limits::RECORD_BYTES_MAX,
            chunk_records_max: limits::BATCH_RECORDS_MAX,
            chunk_bytes_max: limits::BATCH_BYTES_MAX,
        }
    }
}

/// Records that belong together: one buffer and the ranges in it.
#[derive(Clone, Debug, Default)]
pub struct Chunk {
    /// The bytes of all records.
    pub data: Vec<u8>,
    /// The records, in the order of the stream.
    pub records: Vec<Record>,
}

impl Chunk {
    /// The bytes of a record.
    pub fn bytes(&self, record: &Record) -> &[u8] {
        let start = record.start as usize;
        self.data.get(start..start + record.len as usize).unwrap_or_default()
    }

    /// Add a record by copying its bytes.
    pub fn push(&mut self, bytes: &[u8], offset: u64, framing: Framing, shape: Shape) {
        let start = narrow(self.data.len());
        self.data.extend_from_slice(bytes);
        self.records.push(Record { start, len: narrow(bytes.len()), offset, framing, shape });
    }

    /// Must it be handed on before more is added?
    pub fn is_full(&self, bounds: &Bounds) -> bool {
        self.records.len() >= bounds.chunk_records_max
            || (!self.records.is_empty() && self.data.len() >= bounds.chunk_bytes_max)
    }
}

/// Takes the chunks a carrier completes; `Break` asks it to stop.
pub type Sink<'a> = dyn FnMut(Chunk) -> std::ops::ControlFlow<()> + 'a;

/// What is kept of a record that is too long.
fn head_len(len: usize) -> usize {
    len.min(limits::REJECT_HEAD_BYTES_MAX)
}

/// A length inside one chunk, which never reaches 4 GiB.
fn narrow(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
