//! What a collector says of a record beside its bytes, as headers of its message: where the record comes from (the same for
//! all records of a delivery), and which one it is there.

use serde::{Deserialize, Serialize};

use crate::model::record::{Framing, Record, Shape, Stream};
use crate::stdx::id::Id128;
use crate::stdx::time::Timestamp;

/// Says that a collector wrote the message, and in which form.
pub const VERSION_HEADER: &str = "watchfloor.version";
/// The form described here.
pub const VERSION: &str = "1";
/// Where the record comes from, as JSON.
pub const STREAM_HEADER: &str = "watchfloor.stream";
/// Which record it is: `OFFSET FRAMING SHAPE`, and `KEY INDEX COUNT` behind that for one of a delivery with a key.
pub const RECORD_HEADER: &str = "watchfloor.record";

/// Of a delivery that its sender repeats: its key, and the record's place among those that stand under one message key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Part {
    /// The key of the delivery.
    pub key: Id128,
    /// From 0.
    pub index: u32,
    /// How many there are.
    pub count: u32,
}

/// A stream as it stands in the header.
#[derive(Serialize, Deserialize)]
struct StreamV1 {
    id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    place: Option<String>,
    source: String,
    path: String,
    tenant: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    host: Option<String>,
    format: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    labels: Vec<(String, String)>,
    modified: i64,
    live: bool,
    backfill: bool,
}

/// The header of a stream.
pub fn write_stream(stream: &Stream) -> String {
    let labels = stream.labels.iter();
    let form = StreamV1 {
        id: stream.id.to_string(),
        place: stream.delivery.map(|place| place.to_string()),
        source: stream.source.to_string(),
        path: stream.path.to_string(),
        tenant: stream.tenant.to_string(),
        host: stream.host.as_deref().map(str::to_owned),
        format: stream.format.to_string(),
        labels: labels.map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        modified: stream.modified.0,
        live: stream.live,
        backfill: stream.backfill,
    };
    // Texts and numbers always have a form.
    serde_json::to_string(&form).unwrap_or_default()
}

/// The stream of a header; `None`: no collector wrote it.
pub fn read_stream(header: &[u8]) -> Option<Stream> {
    let form: StreamV1 = serde_json::from_slice(header).ok()?;
    let delivery = match &form.place {
        Some(place) => Some(Id128::parse(place)?),
        None => None,
    };
    let labels =
        form.labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into()));
    Some(Stream {
        id: Id128::parse(&form.id)?,
        delivery,
        // Who reads it says which of his it belongs to.
        shard: Default::default(),
        source: form.source.into(),
        path: form.path.into(),
        tenant: form.tenant.into(),
        host: form.host.map(Into::into),
        format: form.format.into(),
        labels: labels.collect(),
        modified: Timestamp(form.modified),
        live: form.live,
        backfill: form.backfill,
    })
}

const FRAMINGS: [(&str, Framing); 3] =
    [("whole", Framing::Whole), ("too_long", Framing::TooLong), ("damaged", Framing::Damaged)];
const SHAPES: [(&str, Shape); 7] = [
    ("line", Shape::Line),
    ("json", Shape::Json),
    ("evtx", Shape::Evtx),
    ("xml", Shape::Xml),
    ("journal_export", Shape::JournalExport),
    ("csv", Shape::Csv),
    ("otlp", Shape::Otlp),
];

fn name_of<T: PartialEq>(names: &[(&'static str, T)], value: &T) -> &'static str {
    names.iter().find(|(_, known)| known == value).map_or("", |(name, _)| *name)
}

fn named<T: Copy>(names: &[(&'static str, T)], name: &str) -> Option<T> {
    names.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
}

/// The header of a record.
pub fn write_record(record: &Record, part: Option<Part>) -> String {
    let (framing, shape) = (name_of(&FRAMINGS, &record.framing), name_of(&SHAPES, &record.shape));
    let own = format!("{} {framing} {shape}", record.offset);
    match part {
        None => own,
        Some(Part { key, index, count }) => format!("{own} {key} {index} {count}"),
    }
}

/// Offset, framing, shape and part of a header; `None`: no collector wrote it.
pub fn read_record(header: &[u8]) -> Option<(u64, Framing, Shape, Option<Part>)> {
    let mut words = std::str::from_utf8(header).ok()?.split(' ');
    let offset = words.next()?.parse().ok()?;
    let framing = named(&FRAMINGS, words.next()?)?;
    let shape = named(&SHAPES, words.next()?)?;
    let part = match words.next() {
        None => None,
        Some(key) => Some(Part {
            key: Id128::parse(key)?,
            index: words.next()?.parse().ok()?,
            count: words.next()?.parse().ok()?,
        }),
    };
    Some((offset, framing, shape, part))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_back(
            texts in proptest::collection::vec(".{0,20}", 6), labels in proptest::collection::vec((".{1,9}", ".{0,9}"), 0..4),
            ids in any::<([u8; 16], Option<[u8; 16]>)>(), modified in any::<i64>(), flags in any::<(bool, bool, bool)>(),
            offset in any::<u64>(), kinds in (0_usize..3, 0_usize..7), part in any::<Option<([u8; 16], u32, u32)>>(),
        ) {
            let text = |at: usize| -> std::sync::Arc<str> { texts[at].as_str().into() };
            let stream = Stream {
                id: Id128(ids.0),
                delivery: ids.1.map(Id128),
                shard: Default::default(),
                source: text(0),
                path: text(1),
                tenant: text(2),
                host: flags.0.then(|| text(3)),
                format: text(4),
                labels: labels.iter().map(|(name, value)| (name.as_str().into(), value.as_str().into())).collect(),
                modified: Timestamp(modified),
                live: flags.1,
                backfill: flags.2,
            };
            let read = read_stream(write_stream(&stream).as_bytes()).unwrap();
            prop_assert_eq!(format!("{read:?}"), format!("{stream:?}"));
            let record = Record { start: 0, len: 0, offset, framing: FRAMINGS[kinds.0].1, shape: SHAPES[kinds.1].1 };
            let part = part.map(|(key, index, count)| Part { key: Id128(key), index, count });
            let read = read_record(write_record(&record, part).as_bytes());
            prop_assert_eq!(read, Some((offset, record.framing, record.shape, part)));
        }

        #[test]
        fn any_header_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            read_stream(&bytes);
            read_record(&bytes);
        }
    }
}
