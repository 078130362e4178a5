//! Records as a carrier splits them from a source: byte ranges in one shared buffer, with their origin.

use std::sync::Arc;

use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::ticket::Ticket;
use crate::stdx::time::Timestamp;

/// Where a run of records comes from: one file, one standard input, one connection.
#[derive(Clone, Debug)]
pub struct Stream {
    /// The same again after a restart, a rename or a rotation; part of event ids. Never from device or inode.
    pub id: Id128,
    /// What the sender repeats when it delivers the same records again, for a source whose stream has no places of its
    /// own: record offsets count within it, and events are named after it.
    pub delivery: Option<Id128>,
    /// The key of the shard whose state its records belong to: empty for what only this node reads, else one taking of
    /// a partition, which may move to another node with everything that is remembered of it.
    pub shard: Arc<str>,
    /// The configured source's name: a row in the ledger.
    pub source: Arc<str>,
    /// The path or address a person would know it by.
    pub path: Arc<str>,
    /// The tenant, `default` unless configured.
    pub tenant: Arc<str>,
    /// The host when records do not name one (configured, or from a part of the path).
    pub host: Option<Arc<str>>,
    /// `auto` or the name of a format to force.
    pub format: Arc<str>,
    /// Labels to add to every event (field name, value).
    pub labels: Arc<[(Arc<str>, Arc<str>)]>,
    /// When the file was last changed: the anchor for years missing in its lines.
    pub modified: Timestamp,
    /// Followed live (true) or read once to its end (false).
    pub live: bool,
    /// A first read of old logs: its alerts ring no bell.
    pub backfill: bool,
}

impl Stream {
    /// A stream of the default tenant, read once to its end, whose records name their hosts: files of evidence, tests of
    /// mappings, a rejected record tried again.
    pub fn of_path(source: &str, path: &str) -> Stream {
        Stream {
            id: IdHasher::new("stream").text(source).text(path).finish(),
            delivery: None,
            shard: "".into(),
            source: source.into(),
            path: path.into(),
            tenant: "default".into(),
            host: None,
            format: "auto".into(),
            labels: Arc::new([]),
            modified: Timestamp(0),
            live: false,
            backfill: true,
        }
    }
}

impl Stream {
    /// What the offsets of its records count in.
    pub fn place(&self) -> Id128 {
        self.delivery.unwrap_or(self.id)
    }
}

/// How the carrier ended a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// The record is complete.
    Whole,
    /// Over the size limit; only its head is in the buffer. It must be rejected.
    TooLong,
    /// The carrier could not read it (a damaged chunk); the buffer holds the reason as text. It must be rejected.
    Damaged,
}

/// The shape of the bytes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// A line of text, without its line end.
    Line,
    /// One JSON document.
    Json,
    /// One EVTX record, turned into JSON by the carrier (`{"Event": {"System": …, "EventData": …}}`).
    Evtx,
    /// One Windows event as XML, `<Event …>…</Event>`, as UTF-8.
    Xml,
    /// One entry of the systemd journal in its export format.
    JournalExport,
    /// One row of a table: the row of column names, a line end, the row.
    Csv,
    /// OpenTelemetry's telemetry of one resource, as a protobuf message.
    Otlp,
}

/// One record: a range of the batch's buffer.
#[derive(Clone, Copy, Debug)]
pub struct Record {
    /// First byte in [`Batch::data`].
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
    /// Where the record begins in the (decompressed) stream: bytes; for EVTX the record number.
    pub offset: u64,
    /// How it ended.
    pub framing: Framing,
    /// What its bytes are.
    pub shape: Shape,
}

/// A position to be saved by the commit, opaque to everybody but the source that wrote it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The configured source's name.
    pub source: Arc<str>,
    /// The row's key within the source.
    pub key: String,
    /// What the source wrote (JSON); `None` removes the row.
    pub value: Option<String>,
}

/// Records of one stream, handed down the path together and acknowledged together.
#[derive(Clone, Debug)]
pub struct Batch {
    /// Where they come from.
    pub stream: Arc<Stream>,
    /// The bytes of all records.
    pub data: Vec<u8>,
    /// The records, in order.
    pub records: Vec<Record>,
    /// The stream is finished (or idle and live): open assemblies of the decoder must be closed.
    pub flush: Flush,
    /// Saved in the same transaction as what becomes of the records.
    pub positions: Vec<Position>,
    /// How it was delivered.
    pub delivery: Delivery,
}

/// How a batch was delivered, and who waits for the end of it.
#[derive(Clone, Debug, Default)]
pub struct Delivery {
    /// A batch with a key that was committed before is counted as duplicate and not taken again. The same hash as
    /// [`Stream::delivery`] for sources whose senders repeat what was not acknowledged.
    pub key: Option<Id128>,
    /// The same of each record, in their order, where every record is a delivery of its own that may come again in another
    /// batch; its events are named after it. Empty: there is `key`, or nothing comes again.
    pub keys: Vec<Id128>,
    /// Answered when everything derived from the batch is durable.
    pub ticket: Option<Ticket>,
    /// Which numbers came with it, where the carrier numbers what it hands out one by one. `None`: offsets are places, not
    /// numbers.
    pub numbering: Option<Numbering>,
    /// It holds a canary: a record of our own that is sent to see whether the path works, and is no event.
    pub canary: bool,
    /// Records that were dropped before this batch by a named rule, where a protocol cannot wait.
    pub shed: u64,
    /// Records sent again before this batch that the source itself knows: they are counted, not handed on.
    pub repeated: u64,
}

/// Numbers of a carrier (offsets of a topic's partition) that were read up to the end of a batch. Holes between them are
/// shown as missing records.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Numbering {
    /// Whose numbers they are: `auth/3`.
    pub name: Arc<str>,
    /// Whose they are when something is missing; records of one partition may belong to several tenants.
    pub tenant: Arc<str>,
    /// The number that was to come first. What lies before it was read before, or by somebody else, and is not missing.
    pub from: u64,
    /// First and last of each run of numbers that came, ascending. Numbers that came without a record and those of which it
    /// is known that there never was one are among them.
    pub read: Vec<(u64, u64)>,
}

impl Numbering {
    /// The numbers from `first` to `last` came, or are accounted for.
    pub fn take(&mut self, first: u64, last: u64) {
        match self.read.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => self.read.push((first, last)),
        }
    }
}

/// What the end of a batch means for records that wait for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flush {
    /// More will come.
    No,
    /// A live stream has been quiet for a while: close assemblies that are old by the wall clock.
    Idle,
    /// The stream is over: close everything.
    End,
}

impl Delivery {
    /// Is there anything to count beside the records?
    pub fn counts(&self) -> bool {
        self.shed > 0 || self.repeated > 0
    }
}

impl Batch {
    /// A batch without records.
    pub fn new(stream: Arc<Stream>, flush: Flush) -> Batch {
        Batch {
            stream,
            data: Vec::new(),
            records: Vec::new(),
            flush,
            positions: Vec::new(),
            delivery: Delivery::default(),
        }
    }

    /// Add a whole record that begins at `offset` in the stream. `false`: the buffer has no room for it.
    pub fn push(&mut self, bytes: &[u8], offset: u64, shape: Shape) -> bool {
        let (Ok(start), Ok(len)) = (u32::try_from(self.data.len()), u32::try_from(bytes.len()))
        else {
            return false;
        };
        self.data.extend_from_slice(bytes);
        self.records.push(Record { start, len, offset, framing: Framing::Whole, shape });
        true
    }

    /// Add records that stand behind each other in the stream.
    pub fn extend<'b>(&mut self, records: impl IntoIterator<Item = (Shape, &'b [u8])>) {
        for (shape, bytes) in records {
            let offset = self.data.len() as u64;
            self.push(bytes, offset, shape);
        }
    }

    /// The stream of the record at `index`, where it is a delivery of its own.
    pub fn own_stream(&self, index: usize) -> Option<Stream> {
        let key = self.delivery.keys.get(index)?;
        Some(Stream { delivery: Some(*key), ..(*self.stream).clone() })
    }

    /// The same without the records at these places.
    #[must_use]
    pub fn without(&self, places: &[usize]) -> Batch {
        let mut rest = self.clone();
        rest.records.clear();
        rest.delivery.keys.clear();
        for (index, record) in self.records.iter().enumerate() {
            if !places.contains(&index) {
                rest.records.push(*record);
                rest.delivery.keys.extend(self.delivery.keys.get(index));
            }
        }
        rest
    }

    /// The bytes of a record.
    pub fn bytes(&self, record: &Record) -> &[u8] {
        let start = record.start as usize;
        self.data.get(start..start + record.len as usize).unwrap_or_default()
    }
}

/// A record that could not be read, kept with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Reject {
    /// Derived like an event id; equal again on redelivery.
    pub id: Id128,
    /// The configured source's name.
    pub source: Arc<str>,
    /// The path or address.
    pub path: Arc<str>,
    /// Where it begins in the stream.
    pub offset: u64,
    /// When we met it.
    pub at: Timestamp,
    /// A short stable word for counting: `too_long`, `not_json`, `bad_time`, `damaged`, `unknown_format`, …
    pub reason: &'static str,
    /// What exactly was wrong, for a person.
    pub detail: String,
    /// The head of the record, redacted, at most `limits::REJECT_HEAD_BYTES_MAX`.
    pub head: Vec<u8>,
}

/// A reject as it is read back from the store.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredReject {
    /// Running number in the store; newer ones are higher.
    pub sequence: u64,
    /// Derived like an event id.
    pub id: Id128,
    /// The configured source's name.
    pub source: String,
    /// The path or address.
    pub path: String,
    /// Where it begins in the stream.
    pub offset: u64,
    /// When we met it.
    pub at: Timestamp,
    /// The short stable word.
    pub reason: String,
    /// What exactly was wrong.
    pub detail: String,
    /// The head of the record, redacted. Untrusted bytes.
    pub head: Vec<u8>,
}
