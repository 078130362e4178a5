//! Every form of the protocol, and what can be wrong with it.

use std::io::Write;

use proptest::prelude::*;
use rmpv::Value;

use super::*;

type Seen = Vec<(String, u64, Framing)>;

fn split_by(bytes: &[u8], piece: usize, bounds: Bounds) -> Seen {
    let mut chunks = Vec::new();
    let mut splitter = FluentForward::new(bounds);
    let mut sink = |chunk| {
        chunks.push(chunk);
        ControlFlow::Continue(())
    };
    for piece in bytes.chunks(piece) {
        let _ = splitter.feed(piece, &mut sink);
    }
    let _ = splitter.finish(&mut sink);
    assert_eq!(splitter.offset(), bytes.len() as u64);
    let one = |chunk: &Chunk| -> Seen {
        let record = |record: &crate::model::record::Record| {
            let text = String::from_utf8_lossy(chunk.bytes(record)).into_owned();
            (text, record.offset, record.framing)
        };
        chunk.records.iter().map(record).collect()
    };
    chunks.iter().flat_map(one).collect()
}

fn texts(bytes: &[u8]) -> Vec<String> {
    split_by(bytes, 5, Bounds::default()).into_iter().map(|(text, ..)| text).collect()
}

fn pack(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

fn map(members: &[(&str, Value)]) -> Value {
    Value::Map(members.iter().map(|(key, value)| (Value::from(*key), value.clone())).collect())
}

fn event_time() -> Value {
    let mut bytes = 1_795_334_400_u32.to_be_bytes().to_vec();
    bytes.extend(123_456_789_u32.to_be_bytes());
    Value::Ext(0, bytes)
}

fn entry(text: &str) -> Value {
    Value::Array(vec![Value::from(1_795_334_400), map(&[("log", Value::from(text))])])
}

fn json(tag: &str, text: &str) -> String {
    format!(
        "{{\"tag\":\"{tag}\",\"time\":\"2026-11-22T08:00:00.000000Z\",\"record\":{{\"log\":\"{text}\"}}}}"
    )
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn stream() -> Vec<u8> {
    let tag = Value::from("app");
    let both: Vec<u8> = [pack(&entry("c")), pack(&entry("d"))].concat();
    let compressed = |how: &str| map(&[("compressed", Value::from(how)), ("size", Value::from(2))]);
    let frames = [
        Value::Array(vec![Value::from("PING"), Value::from(1), Value::from(2), Value::from(3)]),
        Value::Array(vec![
            tag.clone(),
            Value::from(1_795_334_400),
            map(&[("log", Value::from("a"))]),
        ]),
        Value::Array(vec![tag.clone(), Value::Array(vec![entry("b"), entry("b2")])]),
        Value::Array(vec![tag.clone(), Value::from(both.clone())]),
        Value::Array(vec![tag.clone(), Value::from(gzip(&both)), compressed("gzip")]),
        Value::Array(vec![
            tag,
            Value::from(zstd::encode_all(&both[..], 1).unwrap()),
            compressed("zstd"),
        ]),
    ];
    frames.iter().flat_map(pack).collect()
}

#[test]
fn every_mode_gives_the_same_documents() {
    for piece in [1, 3, 7, 10_000] {
        let seen = split_by(&stream(), piece, Bounds::default());
        let all: Vec<&str> = seen.iter().map(|it| it.0.as_str()).collect();
        let expected = ["a", "b", "b2", "c", "d", "c", "d", "c", "d"].map(|text| json("app", text));
        assert_eq!(all, expected, "{piece}");
        assert!(seen.is_sorted_by(|one, two| one.1 < two.1), "no two share a place");
        assert!(seen.iter().all(|it| it.2 == Framing::Whole));
    }
}

#[test]
fn bare_entries_times_and_values_of_every_kind() {
    let metadata = Value::Array(vec![event_time(), map(&[("x", Value::from(1))])]);
    let record = map(&[
        ("n", Value::Nil),
        ("f", Value::from(0.5)),
        ("inf", Value::from(f64::INFINITY)),
        ("big", Value::from(u64::MAX)),
        ("bin", Value::from(&b"\xffa\""[..])),
        ("list", Value::Array(vec![Value::from(false), Value::from(-3)])),
    ]);
    let odd = Value::Map(vec![(Value::from(5), Value::from("x"))]);
    let bytes = [
        pack(&Value::Array(vec![event_time(), record.clone()])),
        pack(&Value::Array(vec![metadata, odd])),
        pack(&map(&[("log", Value::from("x"))])),
    ]
    .concat();
    let seen = texts(&bytes);
    assert_eq!(
        seen[0],
        "{\"time\":\"2026-11-22T08:00:00.123456Z\",\"record\":{\"n\":null,\"f\":0.5,\"inf\":\"inf\",\"big\":18446744073709551615,\"bin\":\"\u{fffd}a\\\"\",\"list\":[false,-3]}}"
    );
    assert_eq!(
        seen[1],
        "{\"time\":\"2026-11-22T08:00:00.123456Z\",\"metadata\":{\"x\":1},\"record\":{\"5\":\"x\"}}"
    );
    assert_eq!(seen[2], "{\"record\":{\"log\":\"x\"}}");
}

#[test]
fn what_is_damaged_or_too_long_is_said() {
    use Framing::{Damaged, TooLong, Whole};
    let framings = |bytes: &[u8], bounds: Bounds| {
        split_by(bytes, 100, bounds).iter().map(|it| it.2).collect::<Vec<_>>()
    };
    let good = pack(&Value::Array(vec![Value::from("t"), Value::Array(vec![entry("a")])]));
    let bad = pack(&Value::Array(vec![
        Value::from("t"),
        Value::from("not packed"),
        map(&[("compressed", Value::from("gzip"))]),
    ]));
    let none = pack(&Value::from(7));
    let stream = [&good[..], &bad, &none, &good, b"\xc1", &good].concat();
    assert_eq!(framings(&stream, Bounds::default()), [Whole, Damaged, Damaged, Whole, Damaged]);
    assert_eq!(framings(&good[..good.len() - 1], Bounds::default()), [Damaged]);
    let bounds = Bounds { record_bytes_max: 40, ..Bounds::default() };
    let long = pack(&Value::Array(vec![
        Value::from("t"),
        Value::Array(vec![entry(&"x".repeat(100)), entry("")]),
    ]));
    assert_eq!(framings(&long, bounds), [TooLong, TooLong]);
    // More than is held at once.
    let mut huge = b"\x92\xa1t\xc6".to_vec();
    huge.extend((20_u32 << 20).to_be_bytes());
    huge.extend(std::iter::repeat_n(0, 20 << 20));
    huge.extend(&good);
    let seen = split_by(&huge, 64 << 10, Bounds::default());
    assert_eq!(seen.iter().map(|it| it.2).collect::<Vec<_>>(), [TooLong, Whole]);
    assert_eq!(seen[0].0.chars().count(), 4096);
}

proptest! {
    #[test]
    fn any_chunking_gives_the_same_records(
        parts in proptest::collection::vec(prop_oneof![
            4 => Just(stream()), 2 => Just(pack(&entry("e"))), 1 => Just(vec![0xc1]), 1 => Just(vec![0x92, 1]), 1 => Just(vec![7]),
        ], 0..5),
        piece in 1_usize..50, limit in 10_usize..100,
    ) {
        let bytes = parts.concat();
        let bounds = Bounds { record_bytes_max: limit, chunk_records_max: 2, ..Bounds::default() };
        prop_assert_eq!(split_by(&bytes, piece, bounds), split_by(&bytes, 10_000, bounds));
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..500), at in 0_usize..400, byte: u8) {
        let _ = split_by(&bytes, 100, Bounds::default());
        let mut damaged = stream();
        if let Some(place) = damaged.get_mut(at) {
            *place = byte;
        }
        let _ = split_by(&damaged, 100, Bounds::default());
    }
}
