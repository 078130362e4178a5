//! Which format a record has, and the names that `--as` and `format =` may force.

use crate::model::record::{Record, Shape};
use crate::normalise::envelope::Envelope;
use crate::normalise::windows::xml::begins_event;

/// The formats that can be forced or found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Format {
    /// Find out, record by record.
    Auto,
    /// EVTX, or Windows events as JSON in any of the known shapes.
    Windows,
    /// Any JSON object.
    Json,
    /// Records of the Linux audit system.
    Auditd,
    /// Syslog lines and ISO-stamped lines.
    Syslog,
}

/// The names for `format =` and `--as`, with what each reads.
pub fn formats() -> &'static [(&'static str, &'static str)] {
    &[
        ("auto", "find out, record by record"),
        ("evtx", "Windows event log files"),
        ("winlogbeat", "Windows events as JSON from winlogbeat 6, 7 or 8"),
        ("nxlog", "Windows events as flat JSON from NXLog"),
        ("windows_json", "Windows events as JSON in any known shape"),
        ("windows_xml", "Windows events as XML: exports, and single events; also Sysmon for Linux"),
        ("auditd", "records of the Linux audit system"),
        ("syslog", "RFC 3164, RFC 5424 and lines that begin with an ISO 8601 time"),
        (
            "syslog_octet_counted",
            "syslog in frames that begin with their length in digits (RFC 6587)",
        ),
        (
            "syslog_length_prefixed",
            "syslog in frames that begin with their length in four bytes, big-endian",
        ),
        ("journal_export", "the systemd journal's export format (journalctl -o export)"),
        ("json", "JSON objects of any shape, one a line or a document"),
        (
            "csv",
            "rows of text whose first row names the columns, divided by commas, semicolons, tabs or bars",
        ),
        ("otlp_protobuf", "OpenTelemetry logs or traces as protobuf messages"),
        (
            "fluent_forward",
            "the forward protocol of Fluentd and Fluent Bit, and their buffer files",
        ),
    ]
}

impl Format {
    /// Read a name from [`formats`]; `None`: perhaps the name of a mapping.
    pub fn parse(name: &str) -> Option<Format> {
        Some(match name {
            "auto" => Format::Auto,
            "evtx" | "winlogbeat" | "nxlog" | "windows_json" | "windows_xml" => Format::Windows,
            "auditd" => Format::Auditd,
            "syslog" => Format::Syslog,
            "json" => Format::Json,
            // The carrier is chosen by these; what its records are follows from their shape.
            "syslog_octet_counted"
            | "syslog_length_prefixed"
            | "journal_export"
            | "csv"
            | "otlp_protobuf"
            | "fluent_forward" => Format::Auto,
            _ => return None,
        })
    }
}

/// The bytes without the byte order mark that Windows programs put before UTF-8.
pub fn without_mark(bytes: &[u8]) -> &[u8] {
    bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes)
}

/// Which decoder a record goes to. `None`: nothing we know. Within an envelope the record's shape is that of the
/// outer one.
pub fn sniff(record: &Record, bytes: &[u8], envelope: Option<&Envelope>) -> Option<Format> {
    match record.shape {
        Shape::Json | Shape::Evtx | Shape::Xml if envelope.is_none() => {
            return Some(Format::Windows);
        }
        Shape::JournalExport | Shape::Csv | Shape::Otlp if envelope.is_none() => return None,
        _ => {}
    }
    let text = without_mark(bytes).trim_ascii_start();
    match text.first()? {
        b'{' => Some(Format::Windows),
        // A list of objects on one line; the kernel's `[    0.000000]` is none.
        b'[' if text.get(1..)?.trim_ascii_start().starts_with(b"{") => Some(Format::Windows),
        b'<' if std::str::from_utf8(text).is_ok_and(begins_event) => Some(Format::Windows),
        _ if is_auditd(text) => Some(Format::Auditd),
        _ => Some(Format::Syslog),
    }
}

/// `type=X msg=audit(…)`, `node=H type=X msg=audit(…)`, or `audit(…)` behind a syslog header's end.
fn is_auditd(text: &[u8]) -> bool {
    let head = text.get(..256).unwrap_or(text);
    let begins = head.starts_with(b"type=") || head.starts_with(b"node=");
    begins && memchr::memmem::find(head, b"msg=audit(").is_some()
}
