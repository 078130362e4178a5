//! Windows or Linux: each has a model of its own, and events of both never meet in one graph.

use crate::model::event::Event;
use crate::model::field;

/// The kind of system that an event tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Platform {
    /// Windows, any sensor.
    Windows,
    /// Linux: audit records, system logs, Sysmon for Linux.
    Linux,
}

impl Platform {
    /// The word in files and on screens.
    pub fn as_str(self) -> &'static str {
        match self {
            Platform::Windows => "windows",
            Platform::Linux => "linux",
        }
    }

    /// Read the word.
    pub fn parse(text: &str) -> Option<Platform> {
        match text {
            "windows" => Some(Platform::Windows),
            "linux" => Some(Platform::Linux),
            _ => None,
        }
    }

    /// What an event says of its system; `None`: it could be any (a web server's line).
    pub fn of(event: &Event) -> Option<Platform> {
        if event.str(field::WINLOG_PROVIDER_NAME).is_some_and(|name| name.starts_with("Linux-")) {
            return Some(Platform::Linux);
        }
        if event.has(field::WINLOG_CHANNEL) {
            return Some(Platform::Windows);
        }
        let dataset = event.str(field::EVENT_DATASET).unwrap_or_default();
        if matches!(dataset, "auditd.log" | "system.auth" | "system.syslog") {
            return Some(Platform::Linux);
        }
        if event.has(field::AUDITD_TYPE) {
            return Some(Platform::Linux);
        }
        event.str(field::HOST_OS_TYPE).and_then(Platform::parse)
    }
}

impl std::fmt::Display for Platform {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
