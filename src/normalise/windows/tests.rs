//! One event in every shape, and what each shape alone can get wrong.

use std::sync::{Arc, OnceLock};

use super::*;
use crate::config::Config;
use crate::model::class::Class;
use crate::model::record::{Batch, Flush, Shape, Stream};
use crate::normalise::{Decoder, Output, Settings};
use crate::stdx::time::Timestamp;

fn stream(format: &str) -> Arc<Stream> {
    Arc::new(Stream {
        id: Id128([7; 16]),
        delivery: None,
        shard: "".into(),
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
    let mut out = Output::default();
    decoder(format).decode(&batch(format, shape, records), &mut out);
    assert_eq!(out.received, out.stored + out.rejected);
    out
}

fn decoder(format: &str) -> Decoder {
    static SETTINGS: OnceLock<Arc<Settings>> = OnceLock::new();
    let settings = SETTINGS.get_or_init(|| Arc::new(Settings::new(&Config::default()).unwrap()));
    Decoder::new(&stream(format), Arc::clone(settings))
}

fn batch(format: &str, shape: Shape, records: &[&str]) -> Batch {
    let mut batch = Batch::new(stream(format), Flush::End);
    batch.extend(records.iter().map(|record| (shape, record.as_bytes())));
    batch
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
const OTEL: &str = r#"{"channel":"Microsoft-Windows-Sysmon/Operational","computer":"WS1.Example.ORG","event_id":{"id":1,"qualifiers":0},"provider":{"name":"Microsoft-Windows-Sysmon","guid":"{1}","event_source":""},"system_time":"2020-05-01T10:00:00.123Z","record_id":77,"level":"Information","task":"Process Create","opcode":"Info","keywords":["none"],"execution":{"process_id":10,"thread_id":11},"correlation":{},"security":{"user_id":"S-1-5-18"},"message":"Process Create","details":{"Image":"again"},"event_data":{"data":[{"UtcTime":"2020-05-01 10:00:00.120"},{"Image":"C:\\Windows\\System32\\cmd.exe"},{"CommandLine":"cmd /c net user bob Hunter2! /add"},{"ProcessGuid":"{AA000000-0000-0000-0000-000000000001}"},{"ProcessId":"4711"},{"ParentImage":"C:\\Windows\\explorer.exe"},{"User":"EXAMPLE\\alice"},{"Hashes":"SHA1=AB,IMPHASH=CD"},{"IntegrityLevel":"High"}]}}"#;

#[test]
fn every_shape_gives_the_same_event() {
    for record in [BEATS6, BEATS7, NXLOG, EXPORT, EVTX, OTEL] {
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
    for record in [BEATS6, NXLOG, EVTX, OTEL] {
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

fn logged(provider: &str, channel: &str, code: u32, data: &[(&str, &str)]) -> Event {
    let data: serde_json::Map<String, serde_json::Value> =
        data.iter().map(|(name, value)| ((*name).to_owned(), (*value).into())).collect();
    let record = serde_json::json!({"Event": {
        "System": {
            "Provider": {"#attributes": {"Name": provider}}, "EventID": code, "Level": 4,
            "TimeCreated": {"#attributes": {"SystemTime": "2026-01-01T00:00:00Z"}}, "EventRecordID": 1,
            "Channel": channel, "Computer": "WS1", "Security": {"#attributes": {"UserID": "S-1-5-20"}},
        },
        "EventData": data,
    }});
    one(&record.to_string())
}

fn security(code: u32, data: &[(&str, &str)]) -> Event {
    logged("Microsoft-Windows-Security-Auditing", "Security", code, data)
}

fn sysmon(code: u32, data: &[(&str, &str)]) -> Event {
    logged("Microsoft-Windows-Sysmon", "Microsoft-Windows-Sysmon/Operational", code, data)
}

fn texts<'a>(event: &'a Event, names: &[&str]) -> Vec<&'a str> {
    let text = |name: &str| FieldId::lookup(name).and_then(|id| event.str(id)).unwrap_or("none");
    names.iter().map(|name| text(name)).collect()
}

#[test]
fn registry_values_and_keys_are_told_apart() {
    let names = ["registry.hive", "registry.key", "registry.value", "registry.path", "event.type"];
    let set = [
        ("EventType", "SetValue"),
        ("TargetObject", r"HKLM\SOFTWARE\Run\evil"),
        ("Details", "DWORD (0x00000001)"),
    ];
    let event = sysmon(13, &set);
    let path = r"HKLM\SOFTWARE\Run\evil";
    assert_eq!(texts(&event, &names), ["HKLM", r"SOFTWARE\Run", "evil", path, "change"]);
    assert_eq!(texts(&event, &["registry.data.type"]), ["REG_DWORD"]);
    let key = [("EventType", "DeleteKey"), ("TargetObject", path)];
    let event = sysmon(12, &key);
    assert_eq!(event.class, Class::RegistryDelete);
    assert_eq!(texts(&event, &names), ["HKLM", r"SOFTWARE\Run\evil", "none", path, "deletion"]);
    let audit = [
        ("ObjectName", r"\REGISTRY\MACHINE\SOFTWARE\Run"),
        ("ObjectValueName", "evil"),
        ("OperationType", "%%1904"),
        ("NewValue", "x"),
        ("NewValueType", "%%1873"),
    ];
    let event = security(4657, &audit);
    assert_eq!(texts(&event, &names), ["HKLM", r"SOFTWARE\Run", "evil", path, "creation"]);
    assert_eq!(texts(&event, &["registry.data.strings", "registry.data.type"]), ["x", "REG_SZ"]);
}

#[test]
fn paths_lose_volumes_and_keep_them_as_written_beside() {
    let event = security(5156, &[("Application", r"\device\harddiskvolume2\windows\a.exe")]);
    let raw = "winlog.event_data.Application";
    assert_eq!(
        texts(&event, &["process.executable", "process.name", raw]),
        [r"\windows\a.exe", "a.exe", r"\device\harddiskvolume2\windows\a.exe"]
    );
    let event = sysmon(11, &[("TargetFilename", r"\\?\C:\Users\a\x.docm")]);
    assert_eq!(
        texts(&event, &["file.path", "file.directory", "file.extension"]),
        [r"C:\Users\a\x.docm", r"C:\Users\a", "docm"]
    );
    assert_eq!(texts(&event, &["winlog.event_data.TargetFilename"]), [r"\\?\C:\Users\a\x.docm"]);
    let same = sysmon(11, &[("TargetFilename", r"C:\a.txt")]);
    assert_eq!(texts(&same, &["winlog.event_data.TargetFilename"]), ["none"]);
}

#[test]
fn shares_and_objects_are_files_pipes_and_keys() {
    let share = [
        ("ShareName", r"\\*\C$"),
        ("ShareLocalPath", r"\??\C:\"),
        ("RelativeTargetName", r"Users\a\x.exe"),
        ("AccessMask", "0x2"),
        ("ObjectType", "File"),
        ("IpAddress", "fe80::1%12"),
    ];
    let event = security(5145, &share);
    assert_eq!(
        texts(&event, &["file.path", "file.name", "source.ip"]),
        [r"C:\Users\a\x.exe", "x.exe", "fe80::1"]
    );
    assert_eq!(texts(&event, &["winlog.event_data.AccessMaskDescription"]), ["FILE_WRITE_DATA"]);
    let pipe = security(5145, &[("ShareName", r"\\*\IPC$"), ("RelativeTargetName", "svcctl")]);
    assert_eq!((pipe.class, pipe.str(field::FILE_NAME)), (Class::Pipe, Some("svcctl")));
    let file = [("ObjectType", "File"), ("ObjectName", r"C:\a\b.txt"), ("AccessMask", "0x10000")];
    let event = security(4663, &file);
    assert_eq!((event.class, event.str(field::FILE_NAME)), (Class::FileDelete, Some("b.txt")));
    let key = [("ObjectType", "Key"), ("ObjectName", r"\REGISTRY\USER\S-1-5-18\x")];
    let event = security(4663, &key);
    assert_eq!(
        texts(&event, &["registry.path", "event.category"]),
        [r"HKU\S-1-5-18\x", "registry"]
    );
}

#[test]
fn accounts_are_people() {
    let names = ["user.name", "user.domain", "user.target.name", "user.target.domain"];
    let ticket = [("TargetUserName", "bob@EXAMPLE.ORG"), ("TargetDomainName", "EXAMPLE.ORG")];
    assert_eq!(texts(&security(4769, &ticket), &names)[..2], ["bob", "EXAMPLE.ORG"]);
    let member = [
        ("MemberName", "CN=bob,CN=Users,DC=example,DC=org"),
        ("TargetSid", "S-1-5-32-544"),
        ("SubjectUserSid", "S-1-5-18"),
    ];
    let event = security(4732, &member);
    assert_eq!(texts(&event, &names)[..3], ["SYSTEM", "NT AUTHORITY", "bob"]);
    assert_eq!(texts(&event, &["group.name", "group.domain"]), ["Administrators", "BUILTIN"]);
    let access = sysmon(10, &[("SourceUser", r"A\b"), ("TargetUser", r"C\d")]);
    assert_eq!(texts(&access, &names), ["b", "A", "d", "C"]);
    // The record's own account is who did it where a provider says nothing else.
    let task = logged("Microsoft-Windows-TaskScheduler", "x", 200, &[("TaskName", "t")]);
    assert_eq!(texts(&task, &["user.id", "user.name"]), ["S-1-5-20", "NETWORK SERVICE"]);
    assert_eq!(texts(&sysmon(5, &[("Image", "x")]), &["user.id"]), ["none"]);
    // An identifier in the place of a name, and nobody's.
    let task = logged("Microsoft-Windows-TaskScheduler", "x", 106, &[("UserContext", "S-1-5-18")]);
    assert_eq!(texts(&task, &["user.id", "user.name"]), ["S-1-5-18", "SYSTEM"]);
    let failed = security(4625, &[("TargetUserSid", "S-1-0-0"), ("TargetUserName", "bob")]);
    assert_eq!(texts(&failed, &["user.id", "user.name"]), ["none", "bob"]);
    let restart = [("param1", r"C:\Windows\explorer.exe (WS1)"), ("param7", r"A\b")];
    let restart = logged("User32", "System", 1074, &restart);
    assert_eq!(texts(&restart, &["process.name", "user.name"]), ["explorer.exe", "b"]);
}

#[test]
fn hashes_come_in_many_forms() {
    let (sha256, sha1) = ("A1".repeat(32), "b2".repeat(20));
    for written in [
        format!("SHA1={sha1},SHA256={sha256}"),
        format!("SHA-1:{sha1};SHA-256:{sha256}"),
        format!("{sha1},0x{sha256}"),
    ] {
        let event = sysmon(23, &[("Hashes", &written)]);
        assert_eq!(
            texts(&event, &["file.hash.sha1", "file.hash.sha256"]),
            [sha1.as_str(), &sha256.to_lowercase()],
            "{written}"
        );
    }
    assert!(!sysmon(1, &[("Hashes", "SHA1=not a digest")]).has(field::PROCESS_HASH_SHA1));
}

#[test]
fn a_process_without_a_sensor_has_an_identity_of_its_own() {
    let start = |pid: &str| {
        let data = [("NewProcessId", pid), ("NewProcessName", r"C:\a.exe")];
        security(4688, &data).str(field::PROCESS_ENTITY_ID).map(str::to_owned)
    };
    assert!(start("0x10").is_some());
    assert_eq!(start("0x10"), start("16"));
    assert_ne!(start("0x10"), start("0x11"));
}

#[test]
fn flat_event_data_may_have_names_of_properties() {
    let event = one(
        r#"{"EventTime":"2020-05-01 06:00:00","Hostname":"A","SourceName":"Microsoft-Windows-Security-Auditing","EventID":5447,"Channel":"Security","ProviderName":"Some Filters","ProcessID":77,"ExecutionProcessID":4,"FilterName":"f"}"#,
    );
    assert_eq!(
        texts(&event, &["event.provider", "winlog.event_data.ProviderName", "event.action"]),
        ["Microsoft-Windows-Security-Auditing", "Some Filters", "filter-changed"]
    );
    let data = FieldId::lookup("winlog.event_data.ProcessID").unwrap();
    assert_eq!(event.get(data), Some(Value::Int(77)));
    assert_eq!(event.get(field::WINLOG_PROCESS_PID), Some(Value::Int(4)));
    // Exporters have no other property that names the provider.
    assert_eq!(
        one(r#"{"EventID":1,"ProviderName":"p","TimeCreated":"2020-05-01T10:00:00Z"}"#)
            .str(field::EVENT_PROVIDER),
        Some("p")
    );
}

#[test]
fn lines_of_ssh_are_read_by_their_own_decoder() {
    let line = "Failed password for invalid user bob from 192.0.2.7 port 40022 ssh2";
    let event =
        logged("OpenSSH", "OpenSSH/Operational", 4, &[("process", "sshd"), ("payload", line)]);
    assert_eq!(event.class, Class::LogonFailure);
    assert_eq!(texts(&event, &["source.ip", "user.name"]), ["192.0.2.7", "bob"]);
    assert_eq!(event.all(field::EVENT_ACTION).count(), 1);
}

#[test]
fn pieces_of_a_script_become_one_more_event() {
    let piece = |number: &str, text: &str| {
        serde_json::json!({
            "@timestamp": "2026-01-01T00:00:00Z", "event_id": 4104, "computer_name": "A", "record_number": number,
            "source_name": "Microsoft-Windows-PowerShell", "log_name": "Microsoft-Windows-PowerShell/Operational",
            "event_data": {
                "MessageNumber": number, "MessageTotal": "2", "ScriptBlockId": "b", "Path": r"C:\x.ps1",
                "ScriptBlockText": text,
            },
        })
        .to_string()
    };
    let (one, two) = (piece("1", "Invoke-Mi"), piece("2", "mikatz"));
    let out = decode_as("auto", Shape::Line, &[&one, &two]);
    assert_eq!((out.received, out.stored, out.events.len()), (2, 2, 3));
    assert_eq!(out.events[2].str(field::POWERSHELL_SCRIPT_BLOCK_TEXT), Some("Invoke-Mimikatz"));
    assert_eq!(out.events[2].str(field::FILE_NAME), Some("x.ps1"));
    let ids: std::collections::BTreeSet<_> = out.events.iter().map(|event| event.id).collect();
    assert_eq!(ids.len(), 3);

    // A restart between the pieces, beside what other decoders keep.
    let mut before = decoder("auto");
    let mut first = Output::default();
    before.decode(&batch("auto", Shape::Line, &[&one]), &mut first);
    let mut after = decoder("auto");
    after.restore(&before.state().unwrap());
    let mut second = Output::default();
    after.decode(&batch("auto", Shape::Line, &[&two]), &mut second);
    assert_eq!((first.events.len(), second.events.len()), (1, 2));
    assert_eq!(second.events[1].str(field::POWERSHELL_SCRIPT_BLOCK_TEXT), Some("Invoke-Mimikatz"));
    assert_eq!(after.state(), None);
}

proptest::proptest! {
    #[test]
    fn any_data_of_any_event_does_no_harm(
        code in proptest::sample::select(vec![1_u32, 3, 7, 10, 12, 13, 22, 4104, 4624, 4657, 4663, 4688, 5145, 5156]),
        names in proptest::collection::vec("[A-Za-z]{1,12}|ObjectType|ObjectName|AccessMask|TargetObject|Hashes|ShareName|ShareLocalPath|RelativeTargetName|EventType|Status", 0..8),
        value in "(File|Key|0x[0-9a-f]{0,20}|%%[0-9]{0,6}|[\\\\?:;,=a-z%@-]{0,24})"
    ) {
        let data: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), value.as_str())).collect();
        for provider in ["Microsoft-Windows-Sysmon", "Microsoft-Windows-Security-Auditing"] {
            let event = logged(provider, "x", code, &data);
            proptest::prop_assert_eq!(event.all(field::EVENT_ACTION).count() <= 1, true);
        }
    }
}
