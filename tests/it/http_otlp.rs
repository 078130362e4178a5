//! OpenTelemetry's dialect of the source of type `http`: one log record or span that cannot be read costs no other one.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use prost::Message;
use watchfloor::normalise::otlp::messages::{
    AnyValue, Kind, LogRecord, Request, ResourceLogs, ResourceSpans, ScopeLogs, ScopeSpans, Span,
    TraceRequest,
};

use crate::support::daemon::{run_ndjson, run_text};
use crate::support::free_port;
use crate::support::http::Site;

/// Log records of one resource with these bodies.
fn logs(bodies: impl Iterator<Item = String>) -> Vec<u8> {
    let record = |body| LogRecord {
        time_unix_nano: 1_795_334_400_000_000_000,
        body: Some(AnyValue { value: Some(Kind::Text(body)) }),
        ..LogRecord::default()
    };
    let scope_logs = vec![ScopeLogs { scope: None, log_records: bodies.map(record).collect() }];
    Request { resource_logs: vec![ResourceLogs { resource: None, scope_logs }] }.encode_to_vec()
}

fn spans(names: impl Iterator<Item = String>) -> Vec<u8> {
    let span = |name| Span {
        trace_id: vec![7; 16],
        start_time_unix_nano: 1_795_334_400_000_000_000,
        name,
        ..Span::default()
    };
    let scope_spans = vec![ScopeSpans { scope: None, spans: names.map(span).collect() }];
    TraceRequest { resource_spans: vec![ResourceSpans { resource: None, scope_spans }] }
        .encode_to_vec()
}

/// The text that a test looks for, no longer UTF-8.
fn damaged(mut message: Vec<u8>) -> Vec<u8> {
    let place = message.windows(5).position(|it| it == b"dama-").unwrap();
    message[place + 4] = 0xff;
    message
}

/// A call of gRPC over a plain connection, for which a client of HTTP/2 is not needed. Returns what came back.
fn grpc(port: u16, path: &str, message: &[u8]) -> Vec<u8> {
    let frame = |kind: u8, flags: u8, stream: u8, content: &[u8]| {
        let mut out = (content.len() as u32).to_be_bytes()[1..].to_vec();
        out.extend([kind, flags, 0, 0, 0, stream]);
        out.extend_from_slice(content);
        out
    };
    let mut head = Vec::new();
    for (name, value) in [
        (":method", "POST"),
        (":scheme", "http"),
        (":path", path),
        (":authority", "localhost"),
        ("te", "trailers"),
        ("content-type", "application/grpc"),
    ] {
        for text in [name, value] {
            if text == name {
                head.push(0);
            }
            head.push(text.len() as u8);
            head.extend_from_slice(text.as_bytes());
        }
    }
    let mut data = vec![0];
    data.extend((message.len() as u32).to_be_bytes());
    data.extend_from_slice(message);
    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").unwrap();
    stream.write_all(&frame(4, 0, 0, b"")).unwrap();
    stream.write_all(&frame(1, 4, 1, &head)).unwrap();
    stream.write_all(&frame(0, 1, 1, &data)).unwrap();
    let mut came = Vec::new();
    // The answer ends with a head (1) that ends the stream (flag 1).
    loop {
        let mut head = [0; 9];
        stream.read_exact(&mut head).unwrap();
        let len = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        let mut content = vec![0; len];
        stream.read_exact(&mut content).unwrap();
        came.extend(content);
        if head[3] == 1 && head[4] & 1 == 1 {
            return came;
        }
        assert_ne!(head[3], 7, "the connection is given up: {came:?}");
    }
}

#[test]
fn one_unreadable_log_record_or_span_costs_no_other() {
    let port = free_port();
    let plain = format!(
        "[[sources]]\nname = \"plain\"\ntype = \"http\"\nauth = \"none\"\nlisten = \"127.0.0.1:{port}\"\n"
    );
    let site = Site::start("", &plain);
    let bad = [
        r#"{"timeUnixNano":"99999999999999999999999"}"#,
        r#"{"severityNumber":"high"}"#,
        r#"{"body":{"intValue":"x"}}"#,
        r#"{"traceId":"zz"}"#,
    ];
    let list: Vec<String> = (0..500)
        .map(|n| match bad.get(n / 100).filter(|_| n % 100 == 50) {
            Some(bad) => (*bad).to_owned(),
            None => format!(
                r#"{{"timeUnixNano":"1795334400000000000","body":{{"stringValue":"json {n}"}}}}"#
            ),
        })
        .collect();
    let json =
        format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{}]}}]}}]}}"#, list.join(","));
    let answer = site.post("/v1/logs", &[("content-type", "application/json")], json);
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (200, "{}"));

    let some = |word: &'static str| {
        (0..100).map(move |n| if n == 40 { format!("{word} dama-") } else { format!("{word} {n}") })
    };
    let kind = [("content-type", "application/x-protobuf")];
    assert_eq!(site.post("/v1/logs", &kind, damaged(logs(some("proto")))).status, 200);
    assert_eq!(site.post("/v1/traces", &kind, damaged(spans(some("trace")))).status, 200);
    let services = "/opentelemetry.proto.collector";
    for (path, message) in [
        (format!("{services}.logs.v1.LogsService/Export"), logs(some("called"))),
        (format!("{services}.trace.v1.TraceService/Export"), spans(some("walked"))),
    ] {
        let said = grpc(port, &path, &damaged(message));
        assert!(!String::from_utf8_lossy(&said).contains("grpc-message"), "{said:?}");
    }

    let found = run_ndjson(&site.config, &["events", "search", "", "--limit", "100000"]);
    assert_eq!(found.len(), 496 + 4 * 99);
    let rejects = run_ndjson(&site.config, &["rejects", "list", "--format", "ndjson"]);
    let mut reasons: BTreeMap<&str, u64> = BTreeMap::new();
    for reject in &rejects {
        *reasons.entry(reject["reason"].as_str().unwrap()).or_default() += 1;
    }
    assert_eq!(reasons, BTreeMap::from([("not_otlp", 4), ("not_otlp_json", 4)]), "{rejects:#?}");
    for bad in bad {
        let kept = rejects.iter().any(|reject| {
            run_text(&site.config, &["rejects", "show", &reject["sequence"].to_string()])
                .contains(bad)
        });
        assert!(kept, "{bad}");
    }
    let books = site.books();
    // One request of one resource is one record.
    assert_eq!((&books["received"], &books["stored"]), (&3.into(), &3.into()), "{books}");
    assert_eq!(
        (&books["balances"], &books["events"]),
        (&true.into(), &(496 + 198).into()),
        "{books}"
    );
}
