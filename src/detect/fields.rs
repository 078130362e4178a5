//! Which of our fields a rule's field name means.
//!
//! A rule may name an ECS field directly. A Sigma name (`CommandLine`) means, in this order: the event's own
//! data under its original name, then the ECS field the decoders map it to. The first that the event has counts.

use crate::model::linux_fields;
use crate::model::windows_fields::{self, EVENT_DATA};

/// Under these prefixes decoders keep data that has no ECS field, under its original name.
const KEPT_UNDER: [&str; 3] = [EVENT_DATA, "winlog.user_data.", "auditd.data."];

/// Sigma name, fields of ours that carry it, besides those that the Windows decoder's own table gives.
const KNOWN: &[(&str, &[&str])] = &[
    ("EventCode", &["event.code"]),
    ("Provider_Name", &["event.provider"]),
    ("Computer", &["host.name"]),
    ("ComputerName", &["host.name"]),
    ("Level", &["log.level"]),
    ("msg", &["message"]),
    ("CommandLine", &["winlog.event_data.ProcessCommandLine"]),
    ("ProcessCommandLine", &["process.command_line"]),
    ("OriginalFileName", &["dll.pe.original_file_name", "file.pe.original_file_name"]),
    ("Description", &["dll.pe.description", "file.pe.description"]),
    ("Product", &["dll.pe.product", "file.pe.product"]),
    ("Company", &["dll.pe.company", "file.pe.company"]),
    ("FileVersion", &["process.pe.file_version", "dll.pe.file_version", "file.pe.file_version"]),
    ("ImageLoaded", &["file.path"]),
    ("User", &["user.name"]),
    ("FileName", &["file.path"]),
    // The process that logged the record, where its data names none.
    ("ProcessId", &["winlog.process.pid"]),
    ("PipeName", &["file.name"]),
    ("query", &["dns.question.name"]),
    ("record_type", &["dns.question.type"]),
    ("answer", &["dns.answers.data"]),
    ("QueryResults", &["dns.answers.data"]),
    ("src_ip", &["source.ip"]),
    ("dst_ip", &["destination.ip"]),
    ("src_port", &["source.port"]),
    ("dst_port", &["destination.port"]),
    ("type", &["auditd.message_type"]),
    ("exe", &["process.executable"]),
    ("comm", &["process.name"]),
    ("cwd", &["process.working_directory"]),
    ("pid", &["process.pid"]),
    ("ppid", &["process.parent.pid"]),
    ("SYSCALL", &["auditd.data.syscall"]),
    ("LogonId", &["auditd.session"]),
    ("USER", &["user.effective.name"]),
    ("user", &["user.name"]),
    ("c-ip", &["source.ip"]),
    ("cs-method", &["http.request.method"]),
    ("cs-uri", &["url.original"]),
    ("c-uri", &["url.original"]),
    ("cs-uri-stem", &["url.path"]),
    ("cs-uri-query", &["url.query", "url.original"]),
    ("c-uri-query", &["url.query", "url.original"]),
    ("c-uri-extension", &["url.extension"]),
    ("cs-host", &["url.domain"]),
    ("cs-user-agent", &["user_agent.original"]),
    ("c-useragent", &["user_agent.original"]),
    ("cs-referer", &["http.request.referrer"]),
    ("cs-username", &["user.name"]),
    ("sc-status", &["http.response.status_code"]),
    ("gcp.audit.method_name", &["gcp.audit.protoPayload.methodName"]),
    ("Signature", &["rule.name"]),
];

/// Our field names for a rule's field name, best first, without repeats.
pub fn candidates(rule_field: &str) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut add = |name: String| {
        if !out.contains(&name) {
            out.push(name);
        }
    };
    if !rule_field.contains('.') {
        for prefix in KEPT_UNDER {
            add(format!("{prefix}{rule_field}"));
        }
    }
    windows_fields::elsewhere(rule_field).iter().for_each(|name| add((*name).to_owned()));
    for (sigma, ours) in KNOWN {
        if *sigma == rule_field {
            ours.iter().for_each(|name| add((*name).to_owned()));
        }
    }
    for (sigma, ours) in linux_fields::AUDITD.iter().chain(linux_fields::CATEGORY) {
        if *sigma == rule_field {
            add((*ours).to_owned());
        }
    }
    add(rule_field.to_owned());
    out
}

/// The fields under which a record that keeps its names under `prefix` may say what a rule calls `name`. Rule packs
/// write the first letter of a name both ways, and some put the wrapper that carried the record before it.
pub fn own_names(prefix: &str, name: &str) -> Vec<String> {
    if name.starts_with(prefix) {
        return Vec::new();
    }
    let name = name.strip_prefix("data.").unwrap_or(name);
    let turned = |turn: fn(&mut str)| {
        let mut name = name.to_owned();
        if let Some(first) = name.get_mut(..1) {
            turn(first);
        }
        format!("{prefix}.{name}")
    };
    let mut out = vec![format!("{prefix}.{name}")];
    out.extend([turned(str::make_ascii_lowercase), turned(str::make_ascii_uppercase)]);
    out.dedup();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn original_names_come_first_and_ecs_names_mean_themselves() {
        let names = candidates("CommandLine");
        assert_eq!(names.first().map(String::as_str), Some("winlog.event_data.CommandLine"));
        assert!(names.iter().any(|name| name == "process.command_line"));
        assert_eq!(candidates("process.command_line"), ["process.command_line"]);
    }
}
