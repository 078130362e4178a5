//! What a path of keys means in a Windows event, for every shape that shippers and exporters give it.
//!
//! Shapes: winlogbeat 6 (`event_id`, `event_data`), winlogbeat 7 and 8 (`winlog.*`), EVTX as JSON (`Event.System`),
//! and flat objects (`EventID`, `Channel`) as NXLog, Azure and the PowerShell exporters write them, where every
//! key that is no property of the record is event data.

use crate::model::windows_fields::EVENT_DATA;

/// Who wrote the object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// `event_id` at the root.
    Beats6,
    /// `winlog.event_id`.
    Beats7,
    /// `Event.System.EventID`.
    Evtx,
    /// `event_id.id` at the root: the OpenTelemetry collector's.
    Otel,
    /// `EventID` at the root.
    Flat,
}

/// What a leaf is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// Kept under the name [`windows_name`] gives.
    Plain,
    /// Belongs to the shipper or says something twice; not kept (the input still has it).
    Skip,
    /// Event data.
    Data,
    /// Unknown at the root: event data in a flat object, else plain.
    RootOther,
    /// `EventData` as text (XML or JSON).
    DataText,
    /// The whole event as XML, beside its rendering.
    RawXml,
    /// Event id.
    Code(Writer),
    /// `@timestamp`: event time in Beats, arrival in NXLog's.
    Stamp,
    /// When it happened, with zone.
    Time,
    /// When it happened by a clock without zone.
    ClockTime,
    /// When the shipper took it, by the same clock.
    ClockReceived,
    /// When a collector took it: used when there is nothing better.
    Generated,
    /// Log (channel) name.
    Channel,
    /// Provider name.
    Provider,
    /// Provider name, unless another property says it: then event data.
    ProviderName,
    /// The process that logged it; in NXLog's shape event data.
    ProcessId,
    /// Computer that logged it.
    Computer,
    /// Record number.
    RecordId,
    /// Rendered message.
    Message,
    /// Keywords: text, number or hexadecimal.
    Keywords,
    /// Level: text or number.
    Level,
    /// NXLog's type, unless event data of this name took its place.
    EventType,
    /// Name or domain of the record's user in NXLog's shape, event data in others.
    Account,
}

/// How many single-valued roles [`Role::slot`] numbers.
pub const SLOTS: usize = 15;

impl Role {
    /// The index of a role of which the first leaf counts.
    pub fn slot(self) -> Option<usize> {
        Some(match self {
            Role::Code(_) => 0,
            Role::Stamp => 1,
            Role::Time => 2,
            Role::ClockTime => 3,
            Role::ClockReceived => 4,
            Role::Generated => 5,
            Role::Channel => 6,
            Role::Provider => 7,
            Role::Computer => 8,
            Role::RecordId => 9,
            Role::Message => 10,
            Role::Keywords => 11,
            Role::Level => 12,
            Role::EventType => 13,
            Role::ProviderName => 14,
            _ => return None,
        })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Area {
    Root,
    Winlog,
    Beat,
    Log,
    EventObject,
    Evtx,
    System,
    Provider,
    Code(Writer),
    Time,
    Rendering,
    Data,
    Attributes,
    UserData,
    OtelProvider,
    Skip,
    Plain,
    RootOther,
}

/// What a path means: what its leaf is for and how to go on below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Meaning {
    area: Area,
    /// What a leaf here is for.
    pub role: Role,
}

impl Meaning {
    /// The document itself.
    pub const ROOT: Meaning = Meaning { area: Area::Root, role: Role::Skip };
    /// A path that has no name because the table is full; its leaves are counted as left out.
    pub const UNNAMED: Meaning = Meaning { area: Area::Plain, role: Role::Plain };
}

/// What `key` below a path of this meaning means.
pub fn meaning(parent: Meaning, key: &str) -> Meaning {
    let (area, role) = match parent.area {
        Area::Root => root(key),
        Area::Winlog => winlog(key),
        Area::Beat => match key {
            "hostname" | "version" => (Area::Plain, Role::Plain),
            _ => (Area::Skip, Role::Skip),
        },
        Area::Log => match key {
            "level" => (Area::Plain, Role::Level),
            _ => (Area::Plain, Role::Plain),
        },
        Area::EventObject => match key {
            "kind" | "code" | "action" | "provider" => (Area::Skip, Role::Skip),
            _ => (Area::RootOther, Role::RootOther),
        },
        Area::Evtx => match key {
            "System" => (Area::System, Role::Plain),
            "EventData" | "ProcessingErrorData" | "BinaryEventData" | "DebugData" => {
                (Area::Data, Role::DataText)
            }
            "UserData" => (Area::UserData, Role::DataText),
            "RenderingInfo" => (Area::Rendering, Role::Skip),
            _ => (Area::Skip, Role::Skip),
        },
        Area::System => system(key),
        Area::Provider => match key {
            "Name" => (Area::Plain, Role::Provider),
            "#attributes" => (Area::Provider, Role::Skip),
            _ => (Area::Plain, Role::Plain),
        },
        Area::Code(writer) => match key {
            "#text" | "Value" | "value" => (Area::Plain, Role::Code(writer)),
            "id" => (Area::Plain, Role::Code(Writer::Otel)),
            "#attributes" => (Area::Plain, Role::Skip),
            _ => (Area::Plain, Role::Plain),
        },
        Area::Time => match key {
            "SystemTime" => (Area::Plain, Role::Time),
            "#attributes" => (Area::Time, Role::Skip),
            _ => (Area::Plain, Role::Plain),
        },
        Area::Rendering => match key {
            "Message" => (Area::Plain, Role::Message),
            _ => (Area::Skip, Role::Skip),
        },
        Area::UserData => match key {
            "#attributes" => (Area::Attributes, Role::Skip),
            _ => (Area::Data, Role::Data),
        },
        Area::Data => match key {
            "#attributes" => (Area::Attributes, Role::Skip),
            "xmlns" => (Area::Skip, Role::Skip),
            _ => (Area::Data, Role::Data),
        },
        Area::Attributes => match key {
            // What the element is called in its schema; no data.
            "Name" => (Area::Skip, Role::Skip),
            _ if key == "xmlns" || key.starts_with("xmlns:") => (Area::Skip, Role::Skip),
            _ => (Area::Data, Role::Data),
        },
        Area::OtelProvider => match key {
            "name" => (Area::Plain, Role::Provider),
            _ => (Area::Plain, Role::Plain),
        },
        Area::Skip => (Area::Skip, Role::Skip),
        Area::Plain => (Area::Plain, Role::Plain),
        Area::RootOther => (Area::RootOther, Role::RootOther),
    };
    Meaning { area, role }
}

fn root(key: &str) -> (Area, Role) {
    let role = match key {
        "winlog" => return (Area::Winlog, Role::RootOther),
        "event_data" | "user_data" => return (Area::Data, Role::Data),
        "provider" => return (Area::OtelProvider, Role::RootOther),
        "execution" | "correlation" | "security" => return (Area::Plain, Role::RootOther),
        "log.record.original" => return (Area::Skip, Role::RawXml),
        "details" => return (Area::Skip, Role::RootOther),
        "Event" => return (Area::Evtx, Role::RootOther),
        "System" => return (Area::System, Role::RootOther),
        "EventData" => return (Area::Data, Role::DataText),
        "UserData" => return (Area::UserData, Role::DataText),
        "beat" => return (Area::Beat, Role::Plain),
        "log" => return (Area::Log, Role::Plain),
        "event" => return (Area::EventObject, Role::Plain),
        "host" | "user" | "agent" | "tags" | "error" => Role::Plain,
        "@metadata" | "ecs" => return (Area::Skip, Role::Skip),
        "@version"
        | "type"
        | "SourceModuleName"
        | "SourceModuleType"
        | "SeverityValue"
        | "port"
        | "ERROR_EVT_UNRESOLVED"
        | "EventLevelName"
        | "LevelDisplayName"
        | "EventSourceName"
        | "EventTypeOrignal" => Role::Skip,
        "event_id" => return (Area::Code(Writer::Beats6), Role::Code(Writer::Beats6)),
        "EventID" | "EventId" => return (Area::Code(Writer::Flat), Role::Code(Writer::Flat)),
        "@timestamp" => Role::Stamp,
        "TimeCreated" => return (Area::Time, Role::Time),
        "system_time" => Role::Time,
        "EventTime" => Role::ClockTime,
        "EventReceivedTime" => Role::ClockReceived,
        "TimeGenerated" => Role::Generated,
        "log_name" | "Channel" | "LogName" | "channel" => Role::Channel,
        "source_name" | "SourceName" | "Provider" => Role::Provider,
        "ProviderName" => Role::ProviderName,
        "ProcessID" => Role::ProcessId,
        "computer_name" | "Hostname" | "Computer" | "ComputerName" | "MachineName" | "computer" => {
            Role::Computer
        }
        "record_number" | "RecordNumber" | "EventRecordID" | "RecordId" | "record_id" => {
            Role::RecordId
        }
        "message" | "Message" => Role::Message,
        "keywords" | "Keywords" => Role::Keywords,
        "level" | "Level" | "EventLevel" | "Severity" => Role::Level,
        "EventType" => Role::EventType,
        "AccountName" | "Domain" | "AccountType" | "UserID" => Role::Account,
        _ if renamed(key).is_some() => Role::Plain,
        _ => return (Area::RootOther, Role::RootOther),
    };
    (Area::Plain, role)
}

fn winlog(key: &str) -> (Area, Role) {
    let role = match key {
        "event_data" | "user_data" => return (Area::Data, Role::Data),
        "event_id" => return (Area::Code(Writer::Beats7), Role::Code(Writer::Beats7)),
        "channel" => Role::Channel,
        "provider_name" => Role::Provider,
        "computer_name" => Role::Computer,
        "record_id" => Role::RecordId,
        "keywords" => Role::Keywords,
        "api" => Role::Skip,
        _ => Role::Plain,
    };
    (Area::Plain, role)
}

fn system(key: &str) -> (Area, Role) {
    match key {
        "Provider" | "Provider_attributes" => (Area::Provider, Role::Skip),
        "EventID" | "EventID_attributes" => (Area::Code(Writer::Evtx), Role::Code(Writer::Evtx)),
        "TimeCreated" | "TimeCreated_attributes" => (Area::Time, Role::Time),
        "Channel" => (Area::Plain, Role::Channel),
        "Computer" => (Area::Plain, Role::Computer),
        "EventRecordID" => (Area::Plain, Role::RecordId),
        "Keywords" => (Area::Plain, Role::Keywords),
        "Level" => (Area::Plain, Role::Level),
        _ => (Area::Plain, Role::Plain),
    }
}

/// The field name of a property that some writers put under another name.
fn renamed(key: &str) -> Option<&'static str> {
    Some(match key {
        "provider_guid" | "ProviderGuid" | "Guid" => "winlog.provider_guid",
        "thread_id" | "ThreadID" => "winlog.process.thread.id",
        "process_id" | "ExecutionProcessID" | "ProcessID" => "winlog.process.pid",
        "version" | "Version" => "winlog.version",
        "opcode" | "Opcode" => "winlog.opcode",
        "OpcodeValue" => "winlog.opcode_value",
        "task" | "Task" => "winlog.task",
        "Category" => "winlog.task_name",
        "activity_id" | "ActivityID" => "winlog.activity_id",
        "related_activity_id" | "RelatedActivityID" => "winlog.related_activity_id",
        "UserID" => "winlog.user.identifier",
        "AccountName" => "winlog.user.name",
        "Domain" => "winlog.user.domain",
        "AccountType" => "winlog.user.type",
        "EventSourceName" => "winlog.event_source_name",
        "Qualifiers" => "winlog.qualifiers",
        "ProcessorID" => "winlog.processor_id",
        _ => return None,
    })
}

/// The name of a path as it is written: its keys, joined by points.
pub fn plain_name(path: &[&str]) -> String {
    path.join(".")
}

/// The field of a property of a Windows event that is no event data.
pub fn windows_name(path: &[&str]) -> String {
    let keys: Vec<&str> =
        path.iter().copied().filter(|key| *key != "#attributes" && *key != "#text").collect();
    match keys.as_slice() {
        ["event_id", "qualifiers"] => "winlog.qualifiers".to_owned(),
        ["provider", "guid"] => "winlog.provider_guid".to_owned(),
        ["provider", "event_source"] => "winlog.event_source_name".to_owned(),
        ["security", "user_id"] => "winlog.user.identifier".to_owned(),
        ["security", "user_name"] => "winlog.user.name".to_owned(),
        ["security", rest @ ..] => format!("winlog.user.{}", rest.join(".")),
        ["execution" | "correlation", key] => {
            renamed(key).map_or_else(|| format!("winlog.{key}"), str::to_owned)
        }
        // The host in a shipper's record is where the shipper runs, often a collector.
        ["host"] => "observer.name".to_owned(),
        ["host", rest @ ..] => format!("observer.{}", rest.join(".")),
        ["beat", rest @ ..] => format!("agent.{}", rest.join(".")),
        ["user", rest @ ..] => format!("winlog.user.{}", rest.join(".")),
        [key] => renamed(key).map_or_else(|| (*key).to_owned(), str::to_owned),
        ["Event", "System", rest @ ..] | ["System", rest @ ..] => match rest.last() {
            Some(key) => renamed(key)
                .map_or_else(|| format!("winlog.{}", rest.join(".").to_lowercase()), str::to_owned),
            None => "winlog.system".to_owned(),
        },
        keys => plain_name(keys),
    }
}

/// The field of event data: `winlog.event_data.` and the name without the objects it stands in.
pub fn data_name(path: &[&str]) -> String {
    let keys = match path {
        // The collector's list of `{name: value}`.
        ["event_data", "data", rest @ ..] if !rest.is_empty() => rest,
        ["event_data", "binary"] => &["Binary"],
        ["winlog", "event_data" | "user_data", rest @ ..]
        | ["event_data" | "user_data", rest @ ..]
        | ["Event", "UserData", _, rest @ ..]
        | ["UserData", _, rest @ ..]
        | [
            "Event",
            "EventData" | "ProcessingErrorData" | "BinaryEventData" | "DebugData",
            rest @ ..,
        ]
        | ["EventData", rest @ ..] => rest,
        all => all,
    };
    let kept: Vec<&str> =
        keys.iter().copied().filter(|key| *key != "#text" && *key != "#attributes").collect();
    let name = kept.join(".");
    let blanks = name.contains(' ');
    match name.as_str() {
        "" => format!("{EVENT_DATA}Data"),
        // Defender and others call their data `New Value`; rules say `NewValue`.
        _ if blanks => format!("{EVENT_DATA}{}", name.replace(' ', "")),
        name => format!("{EVENT_DATA}{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn role(path: &[&str]) -> Role {
        path.iter().fold(Meaning::ROOT, |at, key| meaning(at, key)).role
    }

    #[test]
    fn the_event_id_of_every_writer() {
        assert_eq!(role(&["event_id"]), Role::Code(Writer::Beats6));
        assert_eq!(role(&["winlog", "event_id"]), Role::Code(Writer::Beats7));
        assert_eq!(role(&["Event", "System", "EventID"]), Role::Code(Writer::Evtx));
        assert_eq!(role(&["Event", "System", "EventID", "#text"]), Role::Code(Writer::Evtx));
        assert_eq!(role(&["EventID"]), Role::Code(Writer::Flat));
        assert_eq!(role(&["event", "code"]), Role::Skip);
    }

    #[test]
    fn event_data_loses_its_wrapping() {
        for path in [
            &["winlog", "event_data", "Image"][..],
            &["event_data", "Image"],
            &["Event", "EventData", "Image"],
            &["Event", "UserData", "Anything", "Image", "#text"],
            &["Image"],
        ] {
            assert_eq!(data_name(path), "winlog.event_data.Image", "{path:?}");
        }
        assert_eq!(data_name(&["Event", "EventData", "Data", "#text"]), "winlog.event_data.Data");
        assert_eq!(data_name(&["event_data", "data", "Image"]), "winlog.event_data.Image");
        assert_eq!(data_name(&["event_data", "data", ""]), "winlog.event_data.Data");
        assert_eq!(data_name(&["Event", "EventData", "New Value"]), "winlog.event_data.NewValue");
        assert_eq!(
            data_name(&["Event", "UserData", "X", "Certificate", "#attributes", "subjectName"]),
            "winlog.event_data.Certificate.subjectName"
        );
        assert_eq!(role(&["Event", "UserData", "Anything", "Image"]), Role::Data);
    }

    #[test]
    fn properties_have_one_name() {
        assert_eq!(
            windows_name(&["Event", "System", "Security", "#attributes", "UserID"]),
            "winlog.user.identifier"
        );
        assert_eq!(windows_name(&["user", "identifier"]), "winlog.user.identifier");
        assert_eq!(windows_name(&["host", "name"]), "observer.name");
        assert_eq!(windows_name(&["Event", "System", "Opcode"]), "winlog.opcode");
    }
}
