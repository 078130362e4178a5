//! Records of further forms: journal entries, rows of tables, OpenTelemetry requests, and the two line forms that wrap a
//! line of something else (container runtimes, collectors with bars).

use crate::model::event::{Event, Value};
use crate::model::record::{Flush, Framing, Record, Shape, Stream};
use crate::normalise::complete::EventTime;
use crate::normalise::cri::{self, Joined};
use crate::normalise::decoder::Decoder;
use crate::normalise::document::Document;
use crate::normalise::envelope::Envelope;
use crate::normalise::names::Names;
use crate::normalise::otlp::{self, Form};
use crate::normalise::output::Output;
use crate::normalise::settings::Settings;
use crate::normalise::{Context, journal, pipe};
use crate::stdx::limits::UNREADABLE_OF_RECORD_MAX;
use crate::stdx::time::Timestamp;

impl Decoder {
    /// Decode a journal entry in the export format.
    pub(super) fn journal_export(&mut self, context: &Context<'_>, out: &mut Output) {
        let mut document = std::mem::take(&mut self.document);
        match journal::read(context.bytes, &mut document, &mut self.mapper.names) {
            Ok(()) => {
                let original = as_json(&document, &self.mapper.names);
                self.leaves(context, document, &original, None, out);
            }
            Err(error) => {
                self.document = document;
                out.reject(context, error.reason(), error.to_string());
            }
        }
    }

    /// Decode a row of a table with its header.
    pub(super) fn csv_row(&mut self, context: &Context<'_>, out: &mut Output) {
        let mut document = std::mem::take(&mut self.document);
        match self.csv.read(context.bytes, &mut document, &mut self.mapper.names) {
            Ok(()) => {
                let original = as_json(&document, &self.mapper.names);
                self.leaves(context, document, &original, None, out);
            }
            Err(error) => {
                self.document = document;
                out.reject(context, error.reason(), error.to_string());
            }
        }
    }

    /// Decode a request of OpenTelemetry: every log record and span is an event or a reject, the request one record.
    pub(super) fn otlp(&mut self, context: &Context<'_>, form: Form, out: &mut Output) {
        let mut document = std::mem::take(&mut self.document);
        let mut items: Vec<(otlp::Item, Document)> = Vec::new();
        let mut refused: Vec<otlp::Unreadable<'_>> = Vec::new();
        let mut left_out = 0_u64;
        let names = &mut self.mapper.names;
        let done =
            otlp::read(
                context.bytes,
                form,
                &mut document,
                names,
                &mut |item, leaves, _| match item {
                    Ok(item) => items.push((item, std::mem::take(leaves))),
                    Err(one) if refused.len() < UNREADABLE_OF_RECORD_MAX => refused.push(one),
                    Err(_) => left_out += 1,
                },
            );
        self.document = document;
        if let Err(error) = done {
            return out.reject(context, error.reason(), error.to_string());
        }
        let (stored, rejected) = (out.stored, out.rejected);
        for (item, leaves) in items {
            let mut envelope = Envelope::within(context.envelope);
            envelope.element = Some(item.index + 1);
            envelope.time = item.time.map(EventTime::At).or(envelope.time);
            let inner = Context { envelope: Some(&envelope), ..*context };
            let original = as_json(&leaves, &self.mapper.names);
            self.leaves(&inner, leaves, &original, None, out);
        }
        for otlp::Unreadable { index, bytes, error } in refused {
            let mut envelope = Envelope::within(context.envelope);
            envelope.element = Some(index + 1);
            let inner = Context { bytes, envelope: Some(&envelope), ..*context };
            out.reject(&inner, error.reason(), error.to_string());
        }
        if left_out > 0 {
            let why = format!("{left_out} further parts of the request cannot be read");
            out.reject(context, "too_many", why);
        }
        let any = out.stored > stored;
        out.stored = stored + u64::from(any);
        out.rejected = rejected + u64::from(!any);
    }

    /// A line of a container runtime or of a collector with bars: what is in it is decoded, or waits for its rest.
    /// `false`: it is of neither form.
    pub(super) fn wrapped_line(
        &mut self,
        context: &Context<'_>,
        line: &str,
        out: &mut Output,
    ) -> bool {
        if let Some(parsed) = cri::parse(line) {
            if let Some(joined) = self.cri.push(&parsed, context.record.offset) {
                self.container_line(context, &joined, out);
            }
            return true;
        }
        let Some(parsed) = pipe::parse(line) else { return false };
        if self.mapper.knows_line(line) {
            return false;
        }
        let mut fields = Event::default();
        fields.push_named("log.logger", Value::Str(parsed.source));
        let mut envelope = Envelope::within(context.envelope);
        envelope.add(&fields);
        envelope.host = Some(parsed.host.to_owned());
        envelope.time = Some(parsed.time);
        note(out, "pipe");
        self.nested(context, parsed.line, &envelope, out);
        true
    }

    fn container_line(&mut self, context: &Context<'_>, joined: &Joined, out: &mut Output) {
        let mut fields = Event::default();
        fields.push_named("cri.stream", Value::Str(joined.output.name()));
        fields.push_named("event.provider", Value::Str("cri"));
        fields.push_named("event.dataset", Value::Str("cri.container"));
        let mut envelope = Envelope::within(context.envelope);
        envelope.add(&fields);
        envelope.time = Some(EventTime::At(Timestamp(joined.time_us)));
        let record = Record { offset: joined.offset, ..*context.record };
        let inner = Context { record: &record, ..*context };
        note(out, "cri");
        let before = (out.stored, out.rejected, self.linux.open_records());
        self.nested(&inner, &joined.text, &envelope, out);
        // The parts are records of their own; they end where the whole line ended.
        let parts = u64::from(joined.records).saturating_sub(1);
        if out.rejected > before.1 {
            out.rejected += parts;
        } else {
            out.stored += parts;
        }
    }

    /// Parts of lines whose rest will not come.
    pub(super) fn flush_parts(
        &mut self,
        flush: Flush,
        now: Timestamp,
        stream: &Stream,
        settings: &Settings,
        out: &mut Output,
    ) {
        if flush != Flush::End {
            return;
        }
        for joined in self.cri.flush() {
            let record = Record {
                start: 0,
                len: 0,
                offset: joined.offset,
                framing: Framing::Whole,
                shape: Shape::Line,
            };
            let context = Context {
                stream,
                record: &record,
                bytes: joined.text.as_bytes(),
                settings,
                ingested: now,
                envelope: None,
            };
            self.container_line(&context, &joined, out);
        }
    }
}

/// For explanations: a wrapper that code took off.
fn note(out: &mut Output, name: &'static str) {
    if out.explain {
        out.trace.family = Some(name.into());
    }
}

/// The leaves of a record that is no text, as one flat JSON object: what is kept as its original.
fn as_json(document: &Document, names: &Names) -> String {
    let mut map = serde_json::Map::new();
    for leaf in document.leaves().iter().copied() {
        let value = match document.value(leaf) {
            Value::Str(text) => text.into(),
            Value::Int(number) => number.into(),
            Value::Float(number) => number.into(),
            Value::Bool(truth) => truth.into(),
            Value::Null => serde_json::Value::Null,
        };
        let path = names.path(leaf.node).join(".");
        match map.get_mut(&path) {
            Some(serde_json::Value::Array(list)) => list.push(value),
            Some(first) => *first = serde_json::Value::Array(vec![first.take(), value]),
            None => {
                map.insert(path, value);
            }
        }
    }
    serde_json::Value::Object(map).to_string()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crate::normalise::linux::scrub::tests::plain_settings;
    use crate::normalise::mapping::check;

    fn holds(test: &str) {
        let tested = check::run(test, &Arc::new(plain_settings()));
        assert_eq!(tested.failures, Vec::<String>::new());
    }

    #[test]
    fn a_line_of_a_container_is_what_is_in_it() {
        holds(
            "== record\n2025-03-04T05:06:09.123456789Z stderr F Failed words of nobody\n== gives\nmessage = Failed words of nobody\ncri.stream = stderr\nevent.dataset = cri.container\n@timestamp = 2025-03-04T05:06:09.123456Z\n\
             == record\n2025-03-04T05:06:07.5+01:00 stdout F {\"a\":1,\"b\":\"x\"}\n== gives\na = 1\ncri.stream = stdout\n@timestamp = 2025-03-04T04:06:07.500000Z\n",
        );
    }

    #[test]
    fn parts_of_a_long_line_are_one_event_and_all_their_records_are_booked() {
        let lines = ["P one ", "P two ", "F three"]
            .map(|part| format!("2025-03-04T05:06:07Z stdout {part}"));
        let out = check::decode(&lines, "auto", &Arc::new(plain_settings()));
        assert_eq!((out.received, out.stored, out.events.len()), (3, 3, 1));
        let message = out.events[0].str(crate::model::field::MESSAGE);
        assert_eq!(message, Some("one two three"));
        // A line without its end at the end of the stream.
        let out = check::decode(&lines[..2], "auto", &Arc::new(plain_settings()));
        assert_eq!((out.received, out.stored, out.events.len()), (2, 2, 1));
    }

    #[test]
    fn bars_before_a_line_name_its_host_and_log() {
        holds(
            "== record\n2025-03-04T05:06:07Z|vm7|auth.log|Mar  4 05:06:06 other sshd[9]: Failed password for bob from 192.0.2.7 port 22 ssh2\n== gives\nclass = logon_failure\nhost.name = other\nlog.logger = auth.log\nuser.name = bob\n@timestamp = 2025-03-04T05:06:06Z\n\
             == record\n2025-03-04T05:06:07Z|vm7|app|plain words | with a bar\n== gives\nmessage = plain words | with a bar\nhost.name = vm7\nlog.logger = app\n",
        );
    }

    #[test]
    fn a_request_of_several_log_records_is_one_record_and_several_events() {
        let request = r#"{"resourceLogs":[{"resource":{"attributes":[{"key":"host.name","value":{"stringValue":"web7"}}]},"scopeLogs":[{"logRecords":[{"timeUnixNano":"1741064767000000000","body":{"stringValue":"one"}},{"timeUnixNano":"1741064768000000000","body":{"stringValue":"two"}}]}]}]}"#;
        let out = check::decode(&[request.to_owned()], "auto", &Arc::new(plain_settings()));
        assert_eq!((out.received, out.stored, out.events.len()), (1, 1, 2));
        assert_ne!(out.events[0].id, out.events[1].id);
        assert_eq!(out.events[1].str(crate::model::field::MESSAGE), Some("two"));
        assert_eq!(out.events[1].timestamp.seconds(), 1_741_064_768);
    }

    #[test]
    fn log_records_that_cannot_be_read_are_rejects_of_their_own_and_take_no_other_away() {
        let bad = [
            r#"{"timeUnixNano":"99999999999999999999999"}"#,
            r#"{"severityNumber":"high"}"#,
            r#"{"body":{"intValue":"x"}}"#,
            r#"{"traceId":"zz"}"#,
            "7",
        ];
        let good = r#"{"timeUnixNano":"1741064767000000000","body":{"stringValue":"one"}}"#;
        let list = [&[good][..], &bad, &[good]].concat().join(",");
        let request = format!(
            r#"{{"resourceLogs":[{{"resource":{{"attributes":[{{"key":"host.name","value":{{"stringValue":"web7"}}}}]}},"scopeLogs":[{{"logRecords":[{list}]}}]}},{{"resource":5}}]}}"#
        );
        let out = check::decode(&[request], "auto", &Arc::new(plain_settings()));
        assert_eq!((out.received, out.stored, out.rejected, out.events.len()), (1, 1, 0, 2));
        let heads: Vec<_> =
            out.rejects.iter().map(|it| String::from_utf8_lossy(&it.head).into_owned()).collect();
        assert_eq!(heads[..5], bad);
        assert_eq!(heads[5], r#"{"resource":5}"#);
        assert!(out.rejects.iter().all(|it| it.reason == "not_otlp_json"));
        let ids: std::collections::BTreeSet<_> = out.rejects.iter().map(|it| it.id).collect();
        assert_eq!(ids.len(), 6, "each is kept");

        let none = format!(r#"{{"resourceSpans":[{{"scopeSpans":[{{"spans":[{}]}}]}}]}}"#, bad[4]);
        let out = check::decode(&[none], "auto", &Arc::new(plain_settings()));
        assert_eq!((out.received, out.stored, out.rejected, out.rejects.len()), (1, 0, 1, 1));
    }

    #[test]
    fn of_very_many_unreadable_log_records_the_first_are_kept_and_the_others_counted() {
        let list = vec!["7"; 1_500].join(",");
        let request =
            format!(r#"{{"resourceLogs":[{{"scopeLogs":[{{"logRecords":[{list}]}}]}}]}}"#);
        let out = check::decode(&[request], "auto", &Arc::new(plain_settings()));
        assert_eq!((out.received, out.rejected, out.rejects.len()), (1, 1, 1_001));
        let last = out.rejects.last().unwrap();
        assert_eq!(last.detail, "500 further parts of the request cannot be read");
        assert_eq!(last.reason, "too_many");
    }

    #[test]
    fn wrapped_audit_records_of_several_hosts_stay_apart_and_keep_what_was_said_of_them() {
        let record = |host: &str, kind: &str| {
            let text = format!(
                "type={kind} msg=audit(1741064767.250:9): arch=c000003e syscall=59 success=yes exit=0 ppid=1 pid=2 auid=1000 uid=0 comm=\\\"id\\\" exe=\\\"/usr/bin/id\\\""
            );
            format!(
                r#"{{"@timestamp":"2025-03-04T05:06:08Z","agent":{{"type":"filebeat","version":"8.1"}},"host":{{"name":"{host}"}},"labels":{{"site":"{host}-site"}},"message":"{text}"}}"#
            )
        };
        let records = [record("one", "SYSCALL"), record("two", "SYSCALL")];
        let out = check::decode(&records, "auto", &Arc::new(plain_settings()));
        assert_eq!((out.received, out.stored, out.rejected), (2, 2, 0));
        let hosts: Vec<&str> = out.events.iter().map(|event| event.host()).collect();
        assert_eq!(hosts, ["one", "two"]);
        let site = crate::model::field::FieldId::lookup("labels.site").unwrap();
        let sites: Vec<_> = out.events.iter().map(|event| event.str(site)).collect();
        assert_eq!(sites, [Some("one-site"), Some("two-site")]);
        assert_ne!(out.events[0].id, out.events[1].id);
    }
}
