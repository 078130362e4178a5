//! One request in both forms, and what each form alone can get wrong.

use proptest::prelude::*;

use prost::Message;

use super::messages::{
    Members, Request, ResourceLogs, ResourceSpans, ScopeLogs, ScopeSpans, TraceRequest, Values,
};
use super::*;

type Seen = Vec<(Signal, Option<Timestamp>, Vec<(String, String)>)>;

fn seen(bytes: &[u8], form: Form) -> Result<Seen, OtlpError> {
    let (seen, unreadable) = both(bytes, form)?;
    assert_eq!(unreadable, []);
    Ok(seen)
}

fn both(bytes: &[u8], form: Form) -> Result<(Seen, Vec<Unreadable<'_>>), OtlpError> {
    let (mut document, mut names) = (Document::default(), Names::default());
    let (mut seen, mut unreadable) = (Seen::new(), Vec::new());
    let count = read(bytes, form, &mut document, &mut names, &mut |item, document, names| {
        let number = (seen.len() + unreadable.len()) as u64;
        let item = match item {
            Ok(item) => item,
            Err(one) => {
                assert_eq!(one.index, number);
                return unreadable.push(one);
            }
        };
        assert_eq!(item.index, number);
        let mut leaves = Vec::new();
        for leaf in document.leaves().iter().copied() {
            let name = names.plain_field(leaf.node).unwrap().name().to_owned();
            leaves.push((name, document.value(leaf).to_text().into_owned()));
        }
        seen.push((item.signal, item.time, leaves));
    })?;
    assert_eq!(count, (seen.len() + unreadable.len()) as u64);
    Ok((seen, unreadable))
}

const LOGS: &str = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"shop"}},{"key":"host.name","value":{"stringValue":"web01"}}]},"scopeLogs":[{"scope":{"name":"app.login","version":"1.2"},"logRecords":[{"timeUnixNano":"1795334400123456789","observedTimeUnixNano":1795334401000000000,"severityNumber":17,"severityText":"ERROR","body":{"stringValue":"login failed"},"attributes":[{"key":"user.name","value":{"stringValue":"bob"}},{"key":"tries","value":{"intValue":"3"}},{"key":"ok","value":{"boolValue":false}},{"key":"ratio","value":{"doubleValue":0.5}},{"key":"ids","value":{"arrayValue":{"values":[{"intValue":"1"},{"stringValue":"b"}]}}},{"key":"deep","value":{"kvlistValue":{"values":[{"key":"in","value":{"bytesValue":"AQI="}}]}}},{"key":"none","value":{}}],"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174"},{"observedTimeUnixNano":"1795334402000000000","body":{"kvlistValue":{"values":[{"key":"event","value":{"stringValue":"x"}}]}},"traceId":"00000000000000000000000000000000"}]}]}]}"#;

fn text(text: &str) -> Option<AnyValue> {
    Some(AnyValue { value: Some(Kind::Text(text.to_owned())) })
}

fn attribute(key: &str, value: Kind) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }) }
}

fn logs() -> Request {
    let resource = Resource {
        attributes: vec![
            KeyValue { key: "service.name".into(), value: text("shop") },
            KeyValue { key: "host.name".into(), value: text("web01") },
        ],
    };
    let scope = Scope { name: "app.login".into(), version: "1.2".into(), attributes: Vec::new() };
    let list = Values {
        values: vec![AnyValue { value: Some(Kind::Whole(1)) }, text("b").unwrap_or_default()],
    };
    let deep = Members { values: vec![attribute("in", Kind::Bytes(vec![1, 2]))] };
    let first = LogRecord {
        time_unix_nano: 1_795_334_400_123_456_789,
        observed_time_unix_nano: 1_795_334_401_000_000_000,
        severity_number: 17,
        severity_text: "ERROR".into(),
        body: text("login failed"),
        attributes: vec![
            attribute("user.name", Kind::Text("bob".into())),
            attribute("tries", Kind::Whole(3)),
            attribute("ok", Kind::Truth(false)),
            attribute("ratio", Kind::Float(0.5)),
            attribute("ids", Kind::List(list)),
            attribute("deep", Kind::Object(deep)),
            KeyValue { key: "none".into(), value: Some(AnyValue { value: None }) },
        ],
        trace_id: vec![
            0x5b, 0x8e, 0xff, 0xf7, 0x98, 3, 0x81, 3, 0xd2, 0x69, 0xb6, 0x33, 0x81, 0x3f, 0xc6,
            0x0c,
        ],
        span_id: vec![0xee, 0xe1, 0x9b, 0x7e, 0xc3, 0xc1, 0xb1, 0x74],
        event_name: String::new(),
    };
    let body = Members { values: vec![KeyValue { key: "event".into(), value: text("x") }] };
    let second = LogRecord {
        observed_time_unix_nano: 1_795_334_402_000_000_000,
        body: Some(AnyValue { value: Some(Kind::Object(body)) }),
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { scope: Some(scope), log_records: vec![first, second] }];
    Request { resource_logs: vec![ResourceLogs { resource: Some(resource), scope_logs }] }
}

#[test]
fn both_forms_give_the_same_leaves() {
    let json = seen(LOGS.as_bytes(), Form::Json).unwrap();
    assert_eq!(seen(&logs().encode_to_vec(), Form::Protobuf).unwrap(), json);
    let leaves: Vec<(&str, &str)> =
        json[0].2.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    let expected = [
        ("signal", "log"),
        ("resource.service.name", "shop"),
        ("resource.host.name", "web01"),
        ("scope.name", "app.login"),
        ("scope.version", "1.2"),
        ("time", "2026-11-22T08:00:00.123456Z"),
        ("observed_time", "2026-11-22T08:00:01.000000Z"),
        ("severity_number", "17"),
        ("severity_text", "ERROR"),
        ("trace_id", "5b8efff798038103d269b633813fc60c"),
        ("span_id", "eee19b7ec3c1b174"),
        ("message", "login failed"),
        ("attributes.user.name", "bob"),
        ("attributes.tries", "3"),
        ("attributes.ok", "false"),
        ("attributes.ratio", "0.5"),
        ("attributes.ids", "1"),
        ("attributes.ids", "b"),
        ("attributes.deep.in", "AQI="),
    ];
    assert_eq!(leaves, expected);
    assert_eq!(json[1].1, Some(Timestamp(1_795_334_402_000_000)));
    assert!(json[1].2.contains(&("body.event".into(), "x".into())));
    assert!(json[1].2.iter().all(|(name, _)| name != "trace_id"));
    assert!(is_request(LOGS));
}

#[test]
fn spans_are_told_from_logs() {
    let span = Span {
        trace_id: vec![1; 16],
        span_id: vec![2; 8],
        parent_span_id: vec![3; 8],
        name: "chat gpt".into(),
        kind: 3,
        start_time_unix_nano: 1_795_334_400_000_000_000,
        end_time_unix_nano: 1_795_334_400_500_000_000,
        attributes: vec![attribute("gen_ai.system", Kind::Text("x".into()))],
        events: vec![messages::SpanEvent { name: "prompt".into(), ..Default::default() }],
        status: Some(messages::Status { message: "no".into(), code: 2 }),
    };
    let scope_spans = vec![ScopeSpans { scope: None, spans: vec![span] }];
    let request =
        TraceRequest { resource_spans: vec![ResourceSpans { resource: None, scope_spans }] };
    let protobuf = seen(&request.encode_to_vec(), Form::Protobuf).unwrap();
    let json = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"01010101010101010101010101010101","spanId":"0202020202020202","parentSpanId":"0303030303030303","name":"chat gpt","kind":3,"startTimeUnixNano":"1795334400000000000","endTimeUnixNano":"1795334400500000000","attributes":[{"key":"gen_ai.system","value":{"stringValue":"x"}}],"events":[{"name":"prompt"}],"status":{"message":"no","code":2}}]}]}]}"#;
    assert_eq!(protobuf, seen(json.as_bytes(), Form::Json).unwrap());
    let leaves: Vec<(&str, &str)> =
        protobuf[0].2.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    for expected in [
        ("signal", "span"),
        ("duration", "500000000"),
        ("kind", "client"),
        ("status", "error"),
        ("attributes.gen_ai.system", "x"),
        ("events.name", "prompt"),
    ] {
        assert!(leaves.contains(&expected), "{expected:?} {leaves:?}");
    }
    assert_eq!(protobuf[0].0, Signal::Span);
}

#[test]
fn what_is_no_request_says_why() {
    let reason = |bytes: &[u8], form| seen(bytes, form).unwrap_err().reason();
    assert_eq!(reason(b"{\"resourceLogs\":5}", Form::Json), "not_otlp_json");
    assert_eq!(reason(b"{}", Form::Json), "empty_list");
    assert_eq!(reason(b"", Form::Protobuf), "empty_list");
    assert_eq!(reason(b"\x0a\x05x", Form::Protobuf), "not_otlp");
    let deep = format!(
        "{{\"resourceLogs\":[{{\"scopeLogs\":[{{\"logRecords\":[{{\"body\":{}",
        "{\"arrayValue\":{\"values\":[".repeat(5_000)
    );
    assert_eq!(reason(deep.as_bytes(), Form::Json), "not_otlp_json");
}

/// A field that has a length.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    crate::carrier::protobuf::push_varint(&mut out, content.len() as u64);
    out.extend_from_slice(content);
    out
}

#[test]
fn what_cannot_be_read_takes_nothing_else_away() {
    let good = field(5, &field(1, b"fine"));
    let bad = field(5, &field(1, b"\xff\xfe"));
    // A damaged one that looks like a span says nothing of the others.
    let other = [field(1, b"\x01"), vec![0x0b]].concat();
    let records: Vec<u8> =
        [&other, &good, &bad, &good].iter().flat_map(|it| field(2, it)).collect();
    let scope =
        |name: &[u8], records: &[u8]| [field(1, &field(1, name)), records.to_vec()].concat();
    let scopes =
        [field(2, &scope(b"s", &records)), field(2, &scope(b"\xff", &field(2, &good)))].concat();
    let nobody = [field(2, &scope(b"s", &field(2, &good))), vec![0x0a]].concat();
    let with_time = field(2, &field(2, b"\x09\x01\x00\x00\x00\x00\x00\x00\x00"));
    let request = [field(1, &scopes), field(1, &nobody), field(1, &with_time)].concat();
    let (seen, unreadable) = both(&request, Form::Protobuf).unwrap();
    assert_eq!(
        seen.iter().filter(|it| it.2.contains(&("message".into(), "fine".into()))).count(),
        2
    );
    assert_eq!((seen.len(), seen[0].0), (3, Signal::Log));
    let bytes: Vec<&[u8]> = unreadable.iter().map(|it| it.bytes).collect();
    assert_eq!(bytes, [&other[..], &bad, &scope(b"\xff", &field(2, &good)), &nobody]);
    assert!(unreadable.iter().all(|it| it.error.reason() == "not_otlp"));

    let spans = r#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"spanId":"zz"},{"name":"b"}]},{"spans":5}]}]}"#;
    let (seen, unreadable) = both(spans.as_bytes(), Form::Json).unwrap();
    assert_eq!((seen.len(), unreadable.len()), (1, 2));
    assert_eq!(unreadable[0].bytes, b"{\"spanId\":\"zz\"}");
    assert_eq!(unreadable[1].bytes, b"{\"spans\":5}");
}

proptest! {
    #[test]
    fn one_damaged_log_record_leaves_the_others(count in 1_usize..20, at in 0_usize..20) {
        let mut request = logs();
        let records = &mut request.resource_logs[0].scope_logs[0].log_records;
        let good = records[0].clone();
        *records = vec![good; count];
        let whole = seen(&request.encode_to_vec(), Form::Protobuf).unwrap();
        let records = &mut request.resource_logs[0].scope_logs[0].log_records;
        let at = at % count;
        records[at].severity_text = "ERR@R".into();
        let mut bytes = request.encode_to_vec();
        let place = bytes.windows(5).position(|it| it == b"ERR@R").unwrap() + 3;
        bytes[place] = 0xff;
        let (mut left, unreadable) = both(&bytes, Form::Protobuf).unwrap();
        prop_assert_eq!(unreadable.len(), 1);
        left.insert(at, whole[0].clone());
        prop_assert_eq!(left, whole);
    }

    #[test]
    fn any_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300), at in 0_usize..500, byte: u8) {
        let _ = both(&bytes, Form::Protobuf);
        let _ = both(&bytes, Form::Json);
        let mut damaged = logs().encode_to_vec();
        if let Some(place) = damaged.get_mut(at) {
            *place = byte;
        }
        let _ = both(&damaged, Form::Protobuf);
        let mut damaged = LOGS.as_bytes().to_vec();
        if let Some(place) = damaged.get_mut(at) {
            *place = byte;
        }
        let _ = both(&damaged, Form::Json);
    }
}
