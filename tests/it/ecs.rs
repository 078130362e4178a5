//! Every field that the program emits is one of ECS with a value of its type, a declared extension, or stands under the
//! name of the mapping that kept it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::process::{Command, Stdio};

use serde_json::Value;
use watchfloor::model::ecs::{self, Type};
use watchfloor::normalise::mapping::library::Library;

use crate::support;

/// What stands in the third-party data: one folder or file each.
const DATA: &[&str] = &[
    "vectors/fail2ban",
    "vectors/crowdsec",
    "vectors/wazuh",
    "vectors/auditd",
    "vectors/auth",
    "vectors/apache",
    "vectors/nginx",
    "vectors/k8s_audit",
    "vectors/vault_audit",
    "vectors/windows_event",
    "linux/otrf_atomic_auditd",
    "linux/otrf_log4shell",
    "linux/sysmon_for_linux",
    "windows/splunk_attack_data_samples",
    "windows/otrf/C-tamper-vm",
];

fn fits(value: &Value, kind: Type) -> bool {
    match kind {
        Type::Keyword => value.is_string(),
        Type::Long => value.is_i64() || value.is_u64(),
        Type::Float => value.is_number(),
        Type::Boolean => value.is_boolean(),
        Type::Ip => value.as_str().is_some_and(|text| text.parse::<IpAddr>().is_ok()),
        Type::Date => value.as_str().is_some_and(|text| text.parse::<jiff::Timestamp>().is_ok()),
        Type::Object => true,
    }
}

#[test]
fn every_field_is_of_the_schema_or_declared() {
    let paths: Vec<_> = DATA.iter().filter_map(|name| support::data(name)).collect();
    if paths.is_empty() {
        return;
    }
    let library = Library::shipped();
    let namespaces: BTreeSet<String> =
        library.mappings.iter().map(|mapping| format!("{}.", mapping.namespace)).collect();
    let scratch = tempfile::tempdir().unwrap();
    let output = Command::new(support::program())
        .args(["normalise", "--flat", "-q", "--data-dir"])
        .arg(scratch.path())
        .args(paths)
        .stderr(Stdio::null())
        .output()
        .unwrap();
    let mut wrong: BTreeMap<String, String> = BTreeMap::new();
    let mut events = 0;
    for line in output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        let event: serde_json::Map<String, Value> = serde_json::from_slice(line).unwrap();
        events += 1;
        // JSON of a shape that nobody taught us keeps its own names.
        let strange = !event.contains_key("event.dataset") && !event.contains_key("event.code");
        for (name, value) in &event {
            let values = value.as_array().map_or(std::slice::from_ref(value), Vec::as_slice);
            let problem = match ecs::type_of(name) {
                Some(kind) => values
                    .iter()
                    .find(|value| !fits(value, kind) && !strange)
                    .map(|value| format!("{value} is no {kind:?}")),
                None if ecs::is_extension(name) || strange => None,
                None if namespaces.iter().any(|space| name.starts_with(space)) => None,
                None => Some("neither of ECS nor declared".to_owned()),
            };
            if let Some(problem) = problem {
                let dataset = event.get("event.dataset").cloned().unwrap_or_default();
                wrong.entry(name.clone()).or_insert_with(|| format!("{problem} ({dataset})"));
            }
        }
    }
    assert!(events > 10_000, "{events} events");
    let list: Vec<String> = wrong.iter().map(|(name, why)| format!("{name}: {why}")).collect();
    assert!(list.is_empty(), "{} fields of {events} events:\n{}", list.len(), list.join("\n"));
}
