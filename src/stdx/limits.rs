//! Every limit of the data path by name. Configuration may change the ones in `config::limits`.

/// A record longer than this is rejected with its head kept.
pub const RECORD_BYTES_MAX: usize = 1 << 20;
/// What is kept of a rejected record.
pub const REJECT_HEAD_BYTES_MAX: usize = 4 << 10;
/// A batch ends at this many records or…
pub const BATCH_RECORDS_MAX: usize = 5_000;
/// …at this many bytes.
pub const BATCH_BYTES_MAX: usize = 4 << 20;
/// How many batches a source may read ahead of the commit.
pub const READ_AHEAD_BATCHES_MAX: usize = 2;
/// Fields of one event; what is over is counted and left out.
pub const EVENT_FIELDS_MAX: usize = 1_000;
/// Depth of a JSON document that a decoder follows.
pub const JSON_DEPTH_MAX: usize = 64;
/// What is kept of the sentence that says why a record was rejected.
pub const REJECT_DETAIL_BYTES_MAX: usize = 1 << 10;
/// An event further in the future than this has no believable time: 24 h, in microseconds.
pub const EVENT_FUTURE_US_MAX: i64 = 24 * 3_600 * 1_000_000;
/// Wrappers around a record that are taken off.
pub const WRAPPERS_MAX: usize = 6;
/// Records in one list within a record.
pub const ELEMENTS_MAX: u64 = 100_000;
/// Parts of one record that cannot be read and are kept as rejects of their own; the others are one reject that counts them.
pub const UNREADABLE_OF_RECORD_MAX: usize = 1_000;
/// Leaves of a JSON document that are looked at; an event holds fewer.
pub const DOCUMENT_LEAVES_MAX: usize = 4 * EVENT_FIELDS_MAX;
/// Paths of keys that the decoder of one stream remembers.
pub const NAMES_OF_STREAM_MAX: usize = 20_000;
/// Keys of deliveries that are remembered for each source, so that a sender's repeat is known.
pub const DELIVERIES_KEPT_MAX: usize = 1_000_000;
/// A key older than this is forgotten: 24 h, in microseconds.
pub const DELIVERY_AGE_US_MAX: i64 = 24 * 3_600 * 1_000_000;
