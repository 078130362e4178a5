//! One event in every shape, and what each shape alone can get wrong.

use std::sync::Arc;

use super::*;
use crate::config::Config;
use crate::model::class::Class;
use crate::model::record::{Batch, Flush, Framing, Record, Shape, Stream};
use crate::normalise::{Decoder, Output, Settings};
use crate::stdx::time::Timestamp;

fn stream(format: &str) -> Arc<Stream> {
    Arc::new(Stream {
        id: Id128([7; 16]),
        source: "test".into(),
        path: "x.json".into(),
        tenant: "default".into(),
        host: None,
        format: format.into(),
        labels: Arc::new([]),
        modified: Timestamp(0),
        live: false,
        backfill: false,
    })
}

fn decode_as(format: &str, shape: Shape, records: &[&str]) -> Output {
    let stream = stream(format);
    let mut batch = Batch {
        stream: Arc::clone(&stream),
        data: Vec::new(),
        records: Vec::new(),
        flush: Flush::End,
        positions: Vec::new(),
    };
    for record in records {
        let start = batch.data.len() as u32;
        batch.data.extend_from_slice(record.as_bytes());
        batch.records.push(Record {
            start,
            len: record.len() as u32,
            offset: u64::from(start),
            framing: Framing::Whole,
            shape,
        });
    }
    let settings = Arc::new(Settings::new(&Config::default()).unwrap());
    let mut out = Output::default();
    Decoder::new(stream, settings).decode(&batch, &mut out);
    assert_eq!(out.received, out.stored + out.rejected);
    out
}

fn one(record: &str) -> Event {
    let mut out = decode_as("auto", Shape::Line, &[record]);
    assert!(out.rejects.is_empty(), "{:?}", out.rejects);
    out.events.remove(0)
}

const BEATS6: &str = r#"{"@timestamp":"2020-05-01T10:00:00.123Z","@metadata":{"beat":"winlogbeat"},"host":{"name":"COLLECTOR"},"beat":{"hostname":"COLLECTOR","name":"c","version":"6.5.4"},"type":"wineventlog","log_name":"Microsoft-Windows-Sysmon/Operational","source_name":"Microsoft-Windows-Sysmon","provider_guid":"{1}","computer_name":"WS1.Example.ORG","record_number":"77","event_id":1,"level":"Information","opcode":"Info","task":"Process Create","process_id":10,"thread_id":11,"version":5,"user":{"identifier":"S-1-5-18","name":"SYSTEM"},"message":"Process Create","event_data":{"UtcTime":"2020-05-01 10:00:00.120","Image":"C:\\Windows\\System32\\cmd.exe","CommandLine":"cmd /c net user bob Hunter2! /add","ProcessGuid":"{AA000000-0000-0000-0000-000000000001}","ProcessId":"4711","ParentImage":"C:\\Windows\\explorer.exe","User":"EXAMPLE\\alice","Hashes":"SHA1=AB,IMPHASH=CD","IntegrityLevel":"High"}}"#;
const BEATS7: &str = r#"{"@timestamp":"2020-05-01T10:00:00.123Z","agent":{"hostname":"COLLECTOR","type":"winlogbeat"},"host":{"name":"COLLECTOR"},"log":{"level":"information"},"message":"Process Create","event":{"code":1,"kind":"event","action":"Process Create","created":"2020-05-01T10:00:02Z"},"winlog":{"channel":"Microsoft-Windows-Sysmon/Operational","provider_name":"Microsoft-Windows-Sysmon","computer_name":"WS1.Example.ORG","record_id":77,"event_id":1,"task":"Process Create","process":{"pid":10,"thread":{"id":11}},"event_data":{"UtcTime":"2020-05-01 10:00:00.120","Image":"C:\\Windows\\System32\\cmd.exe","CommandLine":"cmd /c net user bob Hunter2! /add","ProcessGuid":"{AA000000-0000-0000-0000-000000000001}","ProcessId":"4711","ParentImage":"C:\\Windows\\explorer.exe","User":"EXAMPLE\\alice","Hashes":"SHA1=AB,IMPHASH=CD","IntegrityLevel":"High"}},"process":{"executable":"C:\\Windows\\System32\\cmd.exe","start":"x"}}"#;
const NXLOG: &str = r#"{"EventTime":"2020-05-01 06:00:00","EventReceivedTime":"2020-05-01 06:00:01","@timestamp":"2020-05-01T10:00:01.500Z","@version":"1","host":"collector","port":5,"Hostname":"WS1.Example.ORG","Channel":"Microsoft-Windows-Sysmon/Operational","SourceName":"Microsoft-Windows-Sysmon","SourceModuleName":"e","EventID":1,"RecordNumber":77,"EventType":"INFO","Severity":"INFO","SeverityValue":2,"Keywords":-9223372036854775808,"ExecutionProcessID":10,"ThreadID":11,"AccountName":"SYSTEM","Domain":"NT AUTHORITY","AccountType":"User","UserID":"S-1-5-18","Message":"Process Create","UtcTime":"2020-05-01 10:00:00.120","Image":"C:\\Windows\\System32\\cmd.exe","CommandLine":"cmd /c net user bob Hunter2! /add","ProcessGuid":"{AA000000-0000-0000-0000-000000000001}","ProcessId":"4711","ParentImage":"C:\\Windows\\explorer.exe","User":"EXAMPLE\\alice","Hashes":"SHA1=AB,IMPHASH=CD","IntegrityLevel":"High"}"#;
const EXPORT: &str = r#"{"Provider":"Microsoft-Windows-Sysmon","EventSourceName":"Microsoft-Windows-Sysmon","Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"WS1.Example.ORG","TimeCreated":"2020-05-01T10:00:00.123Z","EventRecordID":"77","EventID":1,"Level":"4","Keywords":"0x8000000000000000","Message":"Process Create","EventData":"<EventData><Data Name=\"Image\">C:\\Windows\\System32\\cmd.exe</Data><Data Name=\"CommandLine\">cmd /c net user bob Hunter2! /add</Data><Data Name=\"ProcessGuid\">{AA000000-0000-0000-0000-000000000001}</Data><Data Name=\"ProcessId\">4711</Data><Data Name=\"ParentImage\">C:\\Windows\\explorer.exe</Data><Data Name=\"User\">EXAMPLE\\alice</Data><Data Name=\"Hashes\">SHA1=AB,IMPHASH=CD</Data><Data Name=\"IntegrityLevel\">High</Data></EventData>"}"#;
const EVTX: &str = r##"{"Event":{"#attributes":{"xmlns":"x"},"System":{"Provider":{"#attributes":{"Name":"Microsoft-Windows-Sysmon","Guid":"1"}},"EventID":1,"Version":5,"Level":4,"Task":1,"Opcode":0,"Keywords":"0x8000000000000000","TimeCreated":{"#attributes":{"SystemTime":"2020-05-01T10:00:00.123000Z"}},"EventRecordID":77,"Correlation":null,"Execution":{"#attributes":{"ProcessID":10,"ThreadID":11}},"Channel":"Microsoft-Windows-Sysmon/Operational","Computer":"WS1.Example.ORG","Security":{"#attributes":{"UserID":"S-1-5-18"}}},"EventData":{"UtcTime":"2020-05-01 10:00:00.120","Image":"C:\\Windows\\System32\\cmd.exe","CommandLine":"cmd /c net user bob Hunter2! /add","ProcessGuid":"AA000000-0000-0000-0000-000000000001","ProcessId":4711,"ParentImage":"C:\\Windows\\explorer.exe","User":"EXAMPLE\\alice","Hashes":"SHA1=AB,IMPHASH=CD","IntegrityLevel":"High"}}}"##;

#[test]
fn every_shape_gives_the_same_event() {
    for record in [BEATS6, BEATS7, NXLOG, EXPORT, EVTX] {
        let event = one(record);
        let text = |field| event.get(field).map(|value| value.to_text().into_owned());
        let shape = &record[..30];
        assert_eq!(event.class, Class::ProcessStart, "{shape}");
        assert_eq!(event.host(), "ws1.example.org", "{shape}");
        assert_eq!(event.timestamp.to_string()[..19], *"2020-05-01T10:00:00", "{shape}");
        for (field, expected) in [
            (field::EVENT_CODE, "1"),
            (field::EVENT_ACTION, "process-started"),
            (field::EVENT_PROVIDER, "Microsoft-Windows-Sysmon"),
            (field::WINLOG_CHANNEL, "Microsoft-Windows-Sysmon/Operational"),
            (field::WINLOG_RECORD_ID, "77"),
            (field::LOG_LEVEL, "information"),
            (field::PROCESS_EXECUTABLE, r"C:\Windows\System32\cmd.exe"),
            (field::PROCESS_NAME, "cmd.exe"),
            (field::PROCESS_PID, "4711"),
            (field::PROCESS_ENTITY_ID, "aa000000-0000-0000-0000-000000000001"),
            (field::PROCESS_COMMAND_LINE, "cmd /c net user bob <redacted:password> /add"),
            (field::PROCESS_PARENT_NAME, "explorer.exe"),
            (field::PROCESS_HASH_SHA1, "ab"),
            (field::PROCESS_PE_IMPHASH, "cd"),
            (field::USER_NAME, "alice"),
            (field::USER_DOMAIN, "EXAMPLE"),
            (field::PROCESS_INTEGRITY, "High"),
        ] {
            assert_eq!(text(field).as_deref(), Some(expected), "{} in {shape}", field.name());
        }
        let data = |name: &str| FieldId::lookup(&format!("winlog.event_data.{name}"));
        assert!(!event.has(data("Image").unwrap()), "a moved field is not kept twice: {shape}");
        assert_eq!(event.str(data("User").unwrap()), Some(r"EXAMPLE\alice"), "{shape}");
        assert!(event.has(data("Hashes").unwrap()), "{shape}");
        assert!(!event.str(field::EVENT_ORIGINAL).unwrap().contains("Hunter2"), "{shape}");
        assert_eq!(event.all(field::PROCESS_EXECUTABLE).count(), 1, "{shape}");
    }
}

#[test]
fn the_collector_is_not_the_host() {
    let event = one(BEATS6);
    let observer = FieldId::lookup("observer.name").unwrap();
    assert_eq!(event.str(observer), Some("COLLECTOR"));
    assert_eq!(one(NXLOG).str(observer), Some("collector"));
    let user = FieldId::lookup("winlog.user.identifier").unwrap();
    for record in [BEATS6, NXLOG, EVTX] {
        assert_eq!(one(record).str(user), Some("S-1-5-18"));
    }
}

#[test]
fn honest_repeats_have_their_own_ids_and_copies_of_a_log_the_same() {
    let lines = decode_as("auto", Shape::Line, &[BEATS6, BEATS6]).events;
    assert_ne!(lines[0].id, lines[1].id);
    let copies = decode_as("auto", Shape::Evtx, &[EVTX, EVTX]).events;
    assert_eq!(copies[0].id, copies[1].id);
    let other = EVTX.replace("\"EventRecordID\":77", "\"EventRecordID\":78");
    assert_ne!(one(&other).id, copies[0].id);
}

#[test]
fn outcome_and_class_of_logons() {
    let logon = |code: u32, extra: &str| {
        one(&format!(
            r#"{{"EventID":{code},"Channel":"Security","Provider":"Microsoft-Windows-Security-Auditing","Computer":"DC","TimeCreated":"2020-05-01T10:00:00Z","Keywords":"0x8010000000000000"{extra}}}"#
        ))
    };
    let failed =
        logon(4625, r#","TargetUserName":"bob","IpAddress":"::ffff:192.0.2.7","IpPort":"-""#);
    assert_eq!(failed.class, Class::LogonFailure);
    assert_eq!(failed.str(field::EVENT_OUTCOME), Some("failure"));
    assert_eq!(failed.str(field::SOURCE_IP), Some("192.0.2.7"));
    assert_eq!(failed.str(field::USER_NAME), Some("bob"));
    assert_eq!(logon(4776, r#","Status":"0x0""#).class, Class::Logon);
    assert_eq!(logon(4776, r#","Status":"0xc000006a""#).class, Class::LogonFailure);
    let handle = logon(4656, r#","ObjectType":"Process","ObjectName":"lsass.exe""#);
    assert_eq!(handle.class, Class::ProcessAccess);
    assert_eq!(handle.str(field::EVENT_OUTCOME), Some("failure"));
}

#[test]
fn unnamed_and_wrapped_event_data() {
    let head = r##""System":{"Provider":{"#attributes":{"Name":"PowerShell"}},"EventID":{"#attributes":{"Qualifiers":0},"#text":400},"TimeCreated":{"#attributes":{"SystemTime":"2020-05-01T10:00:00Z"}},"EventRecordID":1,"Channel":"Windows PowerShell","Computer":"A"}"##;
    let classic = one(&format!(
        r##"{{"Event":{{{head},"EventData":{{"Data":{{"#text":["a","b"]}},"Binary":null}}}}}}"##
    ));
    let data = FieldId::lookup("winlog.event_data.Data").unwrap();
    assert_eq!(classic.all(data).count(), 2);
    assert_eq!(classic.str(field::EVENT_CODE), Some("400"));
    let wrapped = one(&format!(
        r##"{{"Event":{{{head},"UserData":{{"LogFileCleared":{{"#attributes":{{"xmlns":"y"}},"SubjectUserName":"bob"}}}}}}}}"##
    ));
    let name = FieldId::lookup("winlog.event_data.SubjectUserName").unwrap();
    assert_eq!(wrapped.str(name), Some("bob"));
}

#[test]
fn other_json_is_kept_and_bad_json_rejected() {
    let event = one(
        r#"{"ts":1588327200.5,"hostname":"A","level":"warn","nested":{"list":[1,2]},"password":"x1","big":18446744073709551615}"#,
    );
    assert_eq!((event.class, event.host()), (Class::Other, "a"));
    assert_eq!(event.timestamp, Timestamp(1_588_327_200_500_000));
    assert_eq!(event.all(FieldId::lookup("nested.list").unwrap()).count(), 2);
    assert_eq!(event.str(FieldId::lookup("password").unwrap()), Some("<redacted:password>"));
    assert!(!event.str(field::EVENT_ORIGINAL).unwrap().contains("x1"));
    assert_eq!(event.str(FieldId::lookup("big").unwrap()), Some("18446744073709551615"));
    let timeless = one(r#"{"a":1}"#);
    assert_eq!(timeless.str(field::EVENT_TIME_PROBLEM), Some("missing_time"));
    assert_eq!(timeless.timestamp, timeless.ingested);

    let deep = format!("{}{}", "{\"a\":".repeat(70), "1");
    let cases =
        ["{\"a\":", "{\"a\":1} x", "[{},2]", &format!("{deep}{}", "}".repeat(70)), "{\"a\":1e999}"];
    let out = decode_as("auto", Shape::Line, &cases);
    let reasons: Vec<_> = out.rejects.iter().map(|reject| reject.reason).collect();
    assert_eq!(reasons, ["not_json", "not_json", "not_object", "too_deep", "not_json"]);
    assert_eq!(out.by_reason["not_json"], 3);
}

#[test]
fn times_that_cannot_be() {
    let future = one(&BEATS6.replace("2020-05-01T10:00:00.123Z", "2120-05-01T10:00:00.123Z"));
    assert_eq!(future.str(field::EVENT_TIME_PROBLEM), Some("future_time"));
    let zoneless = one(&EXPORT.replace("10:00:00.123Z", "10:00:00.123"));
    assert_eq!(zoneless.str(field::EVENT_TIME_PROBLEM), Some("no_zone"));
}

#[test]
fn too_many_fields_are_counted() {
    let many: String = (0..5_000).map(|n| format!(r#","X{n}":"{n}""#)).collect();
    let out = decode_as("auto", Shape::Line, &[&format!("{{\"a\":1{many}}}")]);
    assert_eq!(out.events.len(), 1);
    assert!(out.fields_dropped >= 4_000, "{}", out.fields_dropped);
}

#[test]
fn a_forced_format_is_taken() {
    let out = decode_as("json", Shape::Line, &[BEATS6]);
    assert_eq!(out.events[0].class, Class::Other);
    assert_eq!(
        out.events[0].str(FieldId::lookup("event_data.Image").unwrap()).map(str::len),
        Some(27)
    );
}
