//! The number that a record carries, and whose numbers they are.

use std::sync::OnceLock;

use crate::model::event::{Event, EventId};
use crate::model::field::{self, FieldId};
use crate::stdx::time::Timestamp;

/// What is numbered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Windows record ids, by computer and channel.
    WindowsRecord,
    /// Serials of the kernel's audit records, by node.
    AuditSerial,
    /// `sequenceId` of RFC 5424, by host.
    SyslogSequence,
    /// What a carrier numbers: offsets of a topic's partition.
    Offset,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Kind; 4] =
        [Kind::WindowsRecord, Kind::AuditSerial, Kind::SyslogSequence, Kind::Offset];

    /// The stable word.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::WindowsRecord => "windows_record",
            Kind::AuditSerial => "audit_serial",
            Kind::SyslogSequence => "syslog_sequence",
            Kind::Offset => "offset",
        }
    }

    /// Read the word.
    pub fn parse(text: &str) -> Option<Kind> {
        Kind::ALL.into_iter().find(|kind| kind.as_str() == text)
    }

    /// After how many numbers they begin again. Serials are 32 bits wide; sequence ids go from 1 to 2147483647.
    pub fn period(self) -> Option<u64> {
        match self {
            Kind::AuditSerial => Some(1 << 32),
            Kind::SyslogSequence => Some((1 << 31) - 1),
            Kind::WindowsRecord | Kind::Offset => None,
        }
    }

    /// The number as its sender wrote it.
    pub fn written(self, number: u64) -> u64 {
        match (self, self.period()) {
            (Kind::SyslogSequence, Some(period)) if number > 0 => (number - 1) % period + 1,
            (_, Some(period)) => number % period,
            (_, None) => number,
        }
    }

    /// Is this number never given? (Serial 0 after a wrap.)
    pub fn is_unused(self, number: u64) -> bool {
        self == Kind::AuditSerial && number.is_multiple_of(1 << 32)
    }
}

/// A numbered record.
#[derive(Clone, Copy, Debug)]
pub struct Numbered<'a> {
    /// What is numbered.
    pub kind: Kind,
    /// The channel.
    pub name: &'a str,
    /// The endpoint.
    pub host: &'a str,
    /// The number.
    pub number: u64,
    /// When it happened.
    pub at: Timestamp,
    /// The event.
    pub event: EventId,
    /// The record says that numbering may begin anew here: a boot, a cleared log.
    pub restarts: bool,
}

fn sequence_field() -> Option<FieldId> {
    static FIELD: OnceLock<Option<FieldId>> = OnceLock::new();
    *FIELD.get_or_init(|| FieldId::intern("log.syslog.structured_data.meta.sequenceId"))
}

/// The number of an event, if its sender gave it one.
pub fn of_event(event: &Event) -> Option<Numbered<'_>> {
    let numbered = |kind, name, number, restarts| Numbered {
        kind,
        name,
        host: event.host(),
        number,
        at: event.timestamp,
        event: event.id,
        restarts,
    };
    let positive = |field| {
        let number = event.get(field).and_then(|value| value.as_int())?;
        u64::try_from(number).ok().filter(|number| *number > 0)
    };
    if let Some(number) = positive(field::WINLOG_RECORD_ID) {
        let channel = event.str(field::WINLOG_CHANNEL)?;
        // Security says 1102 and System 104 when a log was cleared.
        let cleared = matches!(event.str(field::EVENT_CODE), Some("1102" | "104"));
        return Some(numbered(Kind::WindowsRecord, channel, number, cleared));
    }
    if event.str(field::EVENT_PROVIDER) == Some("auditd") {
        let number = positive(field::EVENT_SEQUENCE)?;
        let mut kinds = event.all(field::AUDITD_TYPE).filter_map(|value| value.as_str());
        // The daemon numbers its own records from another counter.
        let boots = match kinds.next() {
            Some(kind) if kind.starts_with("DAEMON_") || kind.starts_with("UNKNOWN") => {
                return None;
            }
            Some(kind) => kind == "SYSTEM_BOOT",
            None => return None,
        };
        return Some(numbered(Kind::AuditSerial, "", number, boots));
    }
    let number = positive(sequence_field()?)?;
    Some(numbered(Kind::SyslogSequence, "", number, false))
}
