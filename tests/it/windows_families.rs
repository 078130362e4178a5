//! The Windows families on real records: what every event of a kind must have, how many events of the shared logs are of no known
//! kind, and the OpenTelemetry collector's Windows event suite.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value as Json;

use watchfloor::config::Config;
use watchfloor::model::class::Class;
use watchfloor::model::event::{Event, Value};
use watchfloor::model::field::{self, FieldId};
use watchfloor::model::record::{Batch, Flush, Shape, Stream};
use watchfloor::normalise::{Decoder, Output, Settings};
use watchfloor::wire::event_v1;

use crate::{source_evtx, support};

/// Records decoded at once.
const BATCH: usize = 2_000;
/// Events in a hundred that may be of no known kind.
const UNKNOWN_PERCENT_MAX: f64 = 1.0;

fn decoder(settings: &Arc<Settings>) -> (Arc<Stream>, Decoder) {
    let stream = Arc::new(Stream::of_path("test", "x"));
    (Arc::clone(&stream), Decoder::new(&stream, Arc::clone(settings)))
}

fn decode(
    decoder: &mut Decoder,
    stream: &Arc<Stream>,
    shape: Shape,
    records: &[Vec<u8>],
) -> Output {
    let mut batch = Batch::new(Arc::clone(stream), Flush::End);
    batch.extend(records.iter().map(|record| (shape, record.as_slice())));
    let mut out = Output::default();
    decoder.decode(&batch, &mut out);
    out
}

fn text<'a>(event: &'a Event, name: &str) -> std::borrow::Cow<'a, str> {
    let value = FieldId::lookup(name).and_then(|id| event.get(id));
    value.map(Value::to_text).unwrap_or_default()
}

fn says(event: &Event, name: &str) -> bool {
    !matches!(text(event, name).trim(), "" | "-")
}

/// Provider, event id, and (condition, field) for each field.
type Must = (&'static str, u32, &'static [(&'static str, &'static str)]);

/// What every event of a kind must have. A condition on the left names event data that must say something for the field on the right
/// to be there.
const MUST: &[Must] = &[
    (
        "Microsoft-Windows-Sysmon",
        1,
        &[
            ("", "process.entity_id"),
            ("", "process.command_line"),
            ("ParentImage", "process.parent.entity_id"),
        ],
    ),
    (
        "Microsoft-Windows-Sysmon",
        3,
        &[("", "destination.ip"), ("", "destination.port"), ("", "network.direction")],
    ),
    ("Microsoft-Windows-Sysmon", 7, &[("", "dll.path"), ("", "dll.name")]),
    (
        "Microsoft-Windows-Sysmon",
        10,
        &[("GrantedAccess", "winlog.event_data.GrantedAccessDescription")],
    ),
    (
        "Microsoft-Windows-Sysmon",
        11,
        &[("", "file.path"), ("", "file.name"), ("", "file.directory")],
    ),
    (
        "Microsoft-Windows-Sysmon",
        13,
        &[("", "registry.key"), ("", "registry.path"), ("", "registry.hive")],
    ),
    ("Microsoft-Windows-Sysmon", 22, &[("", "dns.question.name")]),
    (
        "Microsoft-Windows-Security-Auditing",
        4624,
        &[("", "winlog.logon.type"), ("", "user.name"), ("", "user.id")],
    ),
    (
        "Microsoft-Windows-Security-Auditing",
        4625,
        &[("", "event.reason"), ("", "winlog.logon.type")],
    ),
    ("Microsoft-Windows-Security-Auditing", 4648, &[("", "user.target.name")]),
    (
        "Microsoft-Windows-Security-Auditing",
        4656,
        &[("", "winlog.event_data.AccessMaskDescription")],
    ),
    (
        "Microsoft-Windows-Security-Auditing",
        4663,
        &[("", "winlog.event_data.AccessMaskDescription"), ("", "process.name")],
    ),
    (
        "Microsoft-Windows-Security-Auditing",
        4688,
        &[("", "process.entity_id"), ("", "process.pid"), ("", "process.parent.pid")],
    ),
    ("Microsoft-Windows-Security-Auditing", 4697, &[("", "service.name")]),
    ("Microsoft-Windows-Security-Auditing", 4732, &[("", "group.name"), ("", "user.target.id")]),
    (
        "Microsoft-Windows-Security-Auditing",
        4768,
        &[("TicketEncryptionType", "winlog.event_data.TicketEncryptionTypeDescription")],
    ),
    (
        "Microsoft-Windows-Security-Auditing",
        4769,
        &[("TicketEncryptionType", "winlog.event_data.TicketEncryptionTypeDescription")],
    ),
    ("Microsoft-Windows-Security-Auditing", 4771, &[("", "event.reason")]),
    ("Microsoft-Windows-Security-Auditing", 4799, &[("CallerProcessName", "process.name")]),
    ("Microsoft-Windows-Security-Auditing", 5140, &[("IpAddress", "source.ip")]),
    (
        "Microsoft-Windows-Security-Auditing",
        5145,
        &[("AccessMask", "winlog.event_data.AccessMaskDescription")],
    ),
    ("Microsoft-Windows-Security-Auditing", 5156, &[("", "destination.ip"), ("", "process.pid")]),
    ("Microsoft-Windows-Eventlog", 1102, &[("", "user.name")]),
    ("Service Control Manager", 7045, &[("", "service.name"), ("", "user.id")]),
    ("PowerShell", 400, &[("", "process.command_line"), ("", "powershell.engine.version")]),
    ("PowerShell", 600, &[("", "process.command_line"), ("", "powershell.provider.name")]),
    ("PowerShell", 800, &[("", "process.command_line"), ("", "user.name")]),
    ("Microsoft-Windows-PowerShell", 4103, &[("", "process.command_line"), ("", "powershell.id")]),
    (
        "Microsoft-Windows-PowerShell",
        4104,
        &[("", "powershell.file.script_block_text"), ("", "user.id")],
    ),
    (
        "Microsoft-Windows-TerminalServices-RemoteConnectionManager",
        1149,
        &[("Param1", "user.name"), ("Param3", "source.ip")],
    ),
    ("Microsoft-Windows-WMI-Activity", 5857, &[("", "dll.path"), ("", "process.pid")]),
    ("Microsoft-Windows-Bits-Client", 59, &[("", "url.original"), ("", "url.domain")]),
    ("Microsoft-Windows-DNS-Client", 1014, &[("", "dns.question.name")]),
    (
        "Microsoft-Windows-Windows Firewall With Advanced Security",
        2004,
        &[("RuleName", "rule.name"), ("ModifyingUser", "user.id")],
    ),
    (
        "Microsoft-Windows-RemoteDesktopServices-RdpCoreTS",
        131,
        &[("", "source.ip"), ("", "source.port")],
    ),
    ("Microsoft-Windows-RemoteDesktopServices-RdpCoreTS", 140, &[("", "source.ip")]),
    ("MSSQLSERVER", 18456, &[("", "user.name"), ("", "source.ip"), ("", "event.reason")]),
    ("MsiInstaller", 1033, &[("", "package.name")]),
    (
        "Application Error",
        1000,
        &[("", "winlog.event_data.AppName"), ("", "winlog.event_data.ExceptionCode")],
    ),
    ("Microsoft-Windows-WindowsUpdateClient", 19, &[("", "package.name")]),
];

#[derive(Default)]
struct Survey {
    events: usize,
    /// By provider and id: events of no known kind.
    unknown: BTreeMap<(String, String), usize>,
    /// By rule of [`MUST`]: events met, and what the first one that breaks it says.
    met: BTreeMap<(&'static str, u32), (usize, Vec<String>)>,
}

impl Survey {
    fn look(&mut self, event: &Event) {
        self.events += 1;
        let (provider, code) = (text(event, "event.provider"), text(event, "event.code"));
        if !event.has(field::EVENT_ACTION) {
            *self.unknown.entry((provider.to_string(), code.to_string())).or_default() += 1;
        }
        let must = MUST.iter().find(|(of, id, _)| provider == *of && code == id.to_string());
        let Some((provider, code, rules)) = must else { return };
        let met = self.met.entry((provider, *code)).or_default();
        met.0 += 1;
        for (condition, name) in *rules {
            let asked =
                condition.is_empty() || says(event, &format!("winlog.event_data.{condition}"));
            if asked && !says(event, name) && met.1.len() < 3 {
                let mut event = event.clone();
                event.remove(field::EVENT_ORIGINAL);
                let mut json = Vec::new();
                event_v1::write_flat(&event, &mut json);
                met.1.push(format!("{name} is missing: {}", String::from_utf8_lossy(&json)));
            }
        }
    }
}

#[test]
fn every_event_of_a_known_kind_has_its_fields_and_hardly_one_is_unknown() {
    let settings = Arc::new(Settings::new(&Config::default()).unwrap());
    let (stream, mut decoder) = decoder(&settings);
    let mut survey = Survey::default();
    let mut waiting: Vec<Vec<u8>> = Vec::new();
    let mut take = |waiting: &mut Vec<Vec<u8>>, survey: &mut Survey| {
        let out = decode(&mut decoder, &stream, Shape::Evtx, waiting);
        assert_eq!(
            (out.rejected, out.stored),
            (0, waiting.len() as u64),
            "{:?}",
            out.rejects.first()
        );
        out.events.iter().for_each(|event| survey.look(event));
        waiting.clear();
    };
    let found = source_evtx::each_record(&mut |record| {
        waiting.push(record.to_vec());
        if waiting.len() >= BATCH {
            take(&mut waiting, &mut survey);
        }
    });
    if found.is_none() {
        return;
    }
    take(&mut waiting, &mut survey);
    let unknown: usize = survey.unknown.values().sum();
    let percent = 100.0 * unknown as f64 / survey.events as f64;
    eprintln!("{} events, {unknown} of no known kind ({percent:.2} %)", survey.events);
    assert!(percent <= UNKNOWN_PERCENT_MAX, "{:#?}", survey.unknown);
    let broken: Vec<_> = survey.met.iter().filter(|(_, (_, broken))| !broken.is_empty()).collect();
    assert!(broken.is_empty(), "{broken:#?}");
    let missing: Vec<_> =
        MUST.iter().filter(|(of, id, _)| !survey.met.contains_key(&(*of, *id))).collect();
    assert!(missing.is_empty(), "no shared log has {missing:?}");
}

/// The suite's name of a property, ours, and how its value is written.
const PROPERTIES: &[(&str, &str)] = &[
    ("ActivityID", "winlog.activity_id"),
    ("Channel", "winlog.channel"),
    ("Computer", "winlog.computer_name"),
    ("EventID", "event.code"),
    ("EventRecordID", "winlog.record_id"),
    ("Keywords", "winlog.keywords"),
    ("Level", "winlog.level"),
    ("Message", "message"),
    ("Opcode", "winlog.opcode"),
    ("ProcessID", "winlog.process.pid"),
    ("ProviderGuid", "winlog.provider_guid"),
    ("ProviderName", "winlog.provider_name"),
    ("Qualifiers", "winlog.qualifiers"),
    ("RelatedActivityID", "winlog.related_activity_id"),
    ("Task", "winlog.task"),
    ("ThreadId", "winlog.process.thread.id"),
    ("UserId", "winlog.user.identifier"),
    ("Version", "winlog.version"),
];

#[test]
fn the_collectors_windows_event_suite_agrees() {
    const SUITE: &str = "vectors/windows_event/logging_processor-windows_event_log_v2";
    let (Some(input), Some(expected)) = (
        support::data(&format!("{SUITE}/input.log")),
        support::data(&format!("{SUITE}/output_otel.yaml")),
    ) else {
        return;
    };
    let input = std::fs::read_to_string(input).unwrap();
    let expected: Json =
        serde_saphyr::from_str(&std::fs::read_to_string(expected).unwrap()).unwrap();
    let expected = expected[0]["entries"].as_array().unwrap();
    let settings = Arc::new(Settings::new(&Config::default()).unwrap());
    let (stream, mut decoder) = decoder(&settings);
    let records: Vec<Vec<u8>> = input.lines().map(|line| line.as_bytes().to_vec()).collect();
    let out = decode(&mut decoder, &stream, Shape::Line, &records);
    assert_eq!((out.events.len(), out.rejected), (expected.len(), 0));
    let mut compared = 0;
    for (event, expected) in out.events.iter().zip(expected) {
        let wanted = expected["jsonPayload"].as_object().unwrap();
        for (name, value) in wanted {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            match name.as_str() {
                "TimeCreated" => {
                    // Theirs has a tenth of a microsecond more.
                    let ours = event.timestamp.to_string();
                    let (date, rest) = value.split_once(' ').unwrap();
                    assert!(ours.starts_with(&format!("{date}T{}", &rest[..15])), "{ours} {value}");
                }
                "StringInserts" => inserts(event, wanted["StringInserts"].as_array().unwrap()),
                _ => {
                    let (_, ours) = PROPERTIES
                        .iter()
                        .find(|(theirs, _)| theirs == name)
                        .unwrap_or_else(|| panic!("{name} has no twin"));
                    assert_eq!(text(event, ours), value, "{name}");
                }
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 4 * 20);
    assert_eq!(out.events[2].str(field::EVENT_ACTION), Some("service-state-changed"));
    assert_eq!(out.events[2].class, Class::Other);
}

/// Every value of the event's data is in the event, and no other.
fn inserts(event: &Event, wanted: &[Json]) {
    let data = event.iter().filter(|(id, _)| id.name().starts_with("winlog.event_data."));
    let mut ours: Vec<String> = data.map(|(_, value)| value.to_text().into_owned()).collect();
    // The name of a service is kept as service.name alone.
    ours.extend(event.str(field::SERVICE_NAME).map(str::to_owned));
    let mut wanted: Vec<String> =
        wanted.iter().map(|value| value.as_str().unwrap().to_owned()).collect();
    ours.sort();
    ours.dedup();
    wanted.sort();
    wanted.dedup();
    assert_eq!(ours, wanted);
}
