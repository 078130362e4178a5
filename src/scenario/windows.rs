//! Windows events as Winlogbeat 7 ships them: one JSON object a line.

use std::collections::BTreeMap;

use serde_json::{Map, Value as Json, json};

use crate::scenario::file::{Endpoint, Record};
use crate::scenario::plan::Counters;
use crate::stdx::mark;
use crate::stdx::time::Timestamp;

const SYSMON: (&str, &str) = ("Microsoft-Windows-Sysmon/Operational", "Microsoft-Windows-Sysmon");
const SECURITY: (&str, &str) = ("Security", "Microsoft-Windows-Security-Auditing");
const SYSTEM: (&str, &str) = ("System", "Service Control Manager");
const POWERSHELL: (&str, &str) =
    ("Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-PowerShell");

/// All programs of a Windows endpoint run in one.
const SESSION: u32 = 1;

/// One event with its line end; empty for records of other systems.
pub fn write(
    endpoint: &Endpoint,
    record: &Record,
    at: Timestamp,
    counters: &mut Counters,
) -> String {
    let (place, code, data) = match record {
        Record::Process { image, command, parent, parent_command } => {
            let parent_command = if parent_command.is_empty() { parent } else { parent_command };
            let data = process(endpoint, [image, command, parent, parent_command], at, counters);
            (SYSMON, 1, data)
        }
        Record::Sysmon { code, data } => (SYSMON, *code, placed(data, at, counters)),
        Record::Security { code, data, provider } => {
            let provider = provider.as_deref().unwrap_or(SECURITY.1);
            return line(endpoint, (SECURITY.0, provider), *code, object(data), at, counters);
        }
        Record::System { code, data } => (SYSTEM, *code, object(data)),
        Record::Script { text } => {
            let number = counters.record();
            let data = json!({"MessageNumber": "1", "MessageTotal": "1", "ScriptBlockText": text,
                "ScriptBlockId": format!("5f1c2d3e-0000-4000-8000-{number:012x}"), "Path": ""});
            let Json::Object(data) = data else { return String::new() };
            (POWERSHELL, 4104, data)
        }
        _ => return String::new(),
    };
    line(endpoint, place, code, data, at, counters)
}

fn process(
    endpoint: &Endpoint,
    [image, command, parent, parent_command]: [&String; 4],
    at: Timestamp,
    counters: &mut Counters,
) -> Map<String, Json> {
    let ppid = counters.runs(SESSION, &parent.to_lowercase());
    // A browser starts its own helpers, which start nothing.
    let is_helper = image.eq_ignore_ascii_case(parent);
    let pid =
        if is_helper { counters.pid() } else { counters.starts(SESSION, &image.to_lowercase()) };
    let hash = mark::of(&[image.as_bytes()]);
    let data = json!({
        "UtcTime": utc_time(at),
        "ProcessGuid": guid(pid), "ProcessId": pid.to_string(),
        "Image": image, "CommandLine": command,
        "CurrentDirectory": format!("C:\\Users\\{}\\", endpoint.user),
        "User": format!("CORP\\{}", endpoint.user),
        "LogonId": "0x3e7a1", "TerminalSessionId": "1", "IntegrityLevel": "Medium",
        "Hashes": format!("SHA256={hash:064x}"),
        "ParentProcessGuid": guid(ppid), "ParentProcessId": ppid.to_string(),
        "ParentImage": parent, "ParentCommandLine": parent_command,
    });
    match data {
        Json::Object(data) => data,
        _ => Map::new(),
    }
}

fn line(
    endpoint: &Endpoint,
    (channel, provider): (&str, &str),
    code: u32,
    data: Map<String, Json>,
    at: Timestamp,
    counters: &mut Counters,
) -> String {
    let computer = format!("{}.corp.example", endpoint.name.to_uppercase());
    let stamp = at.to_string();
    // Winlogbeat writes milliseconds.
    let stamp = format!("{}Z", stamp.get(..23).unwrap_or(&stamp));
    let document = json!({
        "@timestamp": stamp,
        "agent": {"type": "winlogbeat", "version": "7.17.9", "hostname": endpoint.name.to_uppercase()},
        "ecs": {"version": "1.12.0"},
        "event": {"code": code.to_string(), "kind": "event", "provider": provider},
        "host": {"name": computer},
        "log": {"level": "information"},
        "winlog": {
            "api": "wineventlog", "channel": channel, "computer_name": computer,
            "event_data": data, "event_id": code, "provider_name": provider,
            "record_id": counters.record(),
        },
    });
    format!("{document}\n")
}

fn object(data: &BTreeMap<String, String>) -> Map<String, Json> {
    data.iter().map(|(key, value)| (key.clone(), Json::from(value.as_str()))).collect()
}

/// The data with its time and the processes that it names by their programs.
fn placed(
    data: &BTreeMap<String, String>,
    at: Timestamp,
    counters: &mut Counters,
) -> Map<String, Json> {
    let mut data = object(data);
    data.entry("UtcTime").or_insert_with(|| utc_time(at).into());
    for (image, id, guid_key) in [
        ("Image", "ProcessId", "ProcessGuid"),
        ("SourceImage", "SourceProcessId", "SourceProcessGUID"),
        ("TargetImage", "TargetProcessId", "TargetProcessGUID"),
    ] {
        let Some(program) = data.get(image).and_then(Json::as_str) else { continue };
        let given = data.get(id).and_then(Json::as_str).and_then(|id| id.parse().ok());
        let pid = given.unwrap_or_else(|| counters.runs(SESSION, &program.to_lowercase()));
        data.insert(id.to_owned(), pid.to_string().into());
        data.entry(guid_key).or_insert_with(|| guid(pid).into());
    }
    data
}

fn guid(pid: u32) -> String {
    format!("{{6b1f2a40-11aa-655b-{:04x}-000000000700}}", pid % 65_536)
}

/// `2026-11-22 08:08:48.613`
fn utc_time(at: Timestamp) -> String {
    let stamp = at.to_string().replace('T', " ");
    stamp.get(..23).unwrap_or(&stamp).to_owned()
}
