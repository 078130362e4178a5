//! Where the value of a Windows event's data field is found: the one table that the decoder writes by and the
//! detection stage reads by.
//!
//! Every `EventData` (or `UserData`) field of a Windows event is kept under `winlog.event_data.<name>`, with one
//! exception that saves a third of the event: where an ECS field of [`MOVED`] holds the same text, the copy
//! under `winlog.event_data` is left out. So whoever looks for a field by its Windows name (Sigma rules do)
//! reads `winlog.event_data.<name>` and then the fields [`elsewhere`] gives, and takes those that are there.

/// The prefix of fields that keep their Windows name.
pub const EVENT_DATA: &str = "winlog.event_data.";

/// Windows name → the ECS fields that may hold its value instead of `winlog.event_data.<name>`.
/// Sorted by name.
pub const MOVED: &[(&str, &[&str])] = &[
    ("Application", &["process.executable"]),
    ("CommandLine", &["process.command_line"]),
    ("Company", &["process.pe.company"]),
    ("CurrentDirectory", &["process.working_directory"]),
    ("Description", &["process.pe.description"]),
    ("DestAddress", &["destination.ip"]),
    ("DestPort", &["destination.port"]),
    ("DestinationHostname", &["destination.domain"]),
    ("DestinationIp", &["destination.ip"]),
    ("DestinationPort", &["destination.port"]),
    ("DestinationPortName", &["network.protocol"]),
    ("Details", &["registry.data.strings"]),
    ("FileVersion", &["process.pe.file_version"]),
    ("Image", &["process.executable"]),
    ("ImageLoaded", &["dll.path"]),
    ("IpAddress", &["source.ip"]),
    ("IpPort", &["source.port"]),
    ("NewProcessName", &["process.executable"]),
    ("OriginalFileName", &["process.pe.original_file_name"]),
    ("ParentCommandLine", &["process.parent.command_line"]),
    ("ParentImage", &["process.parent.executable"]),
    ("ParentProcessGuid", &["process.parent.entity_id"]),
    ("ParentProcessId", &["process.parent.pid"]),
    ("ParentProcessName", &["process.parent.executable"]),
    ("PipeName", &["file.name"]),
    ("ProcessGuid", &["process.entity_id"]),
    ("ProcessId", &["process.pid"]),
    ("ProcessName", &["process.executable"]),
    ("Product", &["process.pe.product"]),
    ("Protocol", &["network.transport"]),
    ("QueryName", &["dns.question.name"]),
    ("ScriptBlockText", &["powershell.file.script_block_text"]),
    ("ServiceName", &["service.name"]),
    ("Signature", &["dll.code_signature.subject_name"]),
    ("SignatureStatus", &["dll.code_signature.status"]),
    ("SourceAddress", &["source.ip"]),
    ("SourceHostname", &["source.domain"]),
    ("SourceImage", &["process.executable"]),
    ("SourceIp", &["source.ip"]),
    ("SourcePort", &["source.port"]),
    ("SourceProcessGUID", &["process.entity_id"]),
    ("SourceProcessGuid", &["process.entity_id"]),
    ("SourceProcessId", &["process.pid"]),
    ("TargetFilename", &["file.path"]),
    ("TargetObject", &["registry.path"]),
    ("WorkstationName", &["source.domain"]),
];

/// Names that rules use and that are not (or not always) fields of `EventData`: system properties, parts of
/// `Hashes`, the unnamed values of classic logs, lines of PowerShell's texts, and names that shippers and
/// rules spell in other ways than the provider. They are read besides `winlog.event_data.<name>`.
/// Sorted by name.
pub const ALSO: &[(&str, &[&str])] = &[
    ("Channel", &["winlog.channel"]),
    ("Computer", &["winlog.computer_name"]),
    ("ComputerName", &["winlog.computer_name"]),
    (
        "Data",
        &[
            "winlog.event_data.param1",
            "winlog.event_data.param2",
            "winlog.event_data.param3",
            "message",
        ],
    ),
    ("EngineVersion", &["powershell.engine.version"]),
    ("EventID", &["event.code"]),
    ("EventRecordID", &["winlog.record_id"]),
    ("Feature_Name", &["winlog.event_data.FeatureName"]),
    ("HostApplication", &["process.command_line"]),
    ("HostVersion", &["powershell.process.executable_version"]),
    ("Imphash", &["process.pe.imphash", "file.pe.imphash", "dll.pe.imphash"]),
    ("Keywords", &["winlog.keywords"]),
    ("Level", &["winlog.level"]),
    ("Message", &["message"]),
    ("NewValue", &["winlog.event_data.New_Value"]),
    ("OldValue", &["winlog.event_data.Old_Value"]),
    ("Opcode", &["winlog.opcode"]),
    ("ProviderName", &["winlog.provider_name"]),
    ("Provider_Name", &["winlog.provider_name"]),
    ("ServerAddress", &["winlog.event_data.ServerName"]),
    ("Source", &["winlog.provider_name"]),
    ("SourceName", &["winlog.event_data.Source_Name", "winlog.provider_name"]),
    ("SubjectAccountName", &["winlog.event_data.SubjectUserName"]),
    ("Task", &["winlog.task"]),
    ("ThreatName", &["winlog.event_data.Threat_Name"]),
    ("imphash", &["process.pe.imphash", "file.pe.imphash", "dll.pe.imphash"]),
    ("md5", &["process.hash.md5", "file.hash.md5", "dll.hash.md5"]),
    ("sha1", &["process.hash.sha1", "file.hash.sha1", "dll.hash.sha1"]),
    ("sha256", &["process.hash.sha256", "file.hash.sha256", "dll.hash.sha256"]),
];

/// The names under which process creation of Security (4688) is known to rules written for Sysmon: the
/// Sysmon name of a Security field. Both land in the same ECS field, so nothing needs to be translated; the
/// table says so to readers and tests.
pub const SAME_AS_SYSMON: &[(&str, &str)] =
    &[("NewProcessName", "Image"), ("ParentProcessName", "ParentImage")];

/// The fields, besides `winlog.event_data.<name>`, that may hold the value of the Windows field `name`.
pub fn elsewhere(name: &str) -> &'static [&'static str] {
    look_up(MOVED, name).or_else(|| look_up(ALSO, name)).unwrap_or_default()
}

/// The field that holds the value of `name` alone when it has the same text; `None`: it stays in `event_data`.
pub fn moved_to(name: &str) -> Option<&'static str> {
    look_up(MOVED, name).and_then(|fields| fields.first().copied())
}

fn look_up(
    table: &'static [(&'static str, &'static [&'static str])],
    name: &str,
) -> Option<&'static [&'static str]> {
    let index = table.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    table.get(index).map(|(_, fields)| *fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_disjoint() {
        for table in [MOVED, ALSO] {
            assert!(table.windows(2).all(|pair| pair[0].0 < pair[1].0));
        }
        assert!(ALSO.iter().all(|(name, _)| look_up(MOVED, name).is_none()));
        for (security, sysmon) in SAME_AS_SYSMON {
            assert_eq!(moved_to(security), moved_to(sysmon));
        }
    }

    #[test]
    fn names_are_found() {
        assert_eq!(elsewhere("Image"), ["process.executable"]);
        assert_eq!(elsewhere("EventID"), ["event.code"]);
        assert_eq!(moved_to("EventID"), None);
        assert!(elsewhere("GrantedAccess").is_empty());
    }
}
