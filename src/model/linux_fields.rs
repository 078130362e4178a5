//! Where the value of a field that Linux rules name is found in our events: one table for the decoder and for rules.
//!
//! auditd events are compound: one event carries the fields of all its records, and `auditd.message_type` lists their
//! types. `auditd.data.a0` … hold the arguments of EXECVE first and the registers of SYSCALL (hexadecimal, as
//! recorded) after them, so a rule about either finds its value. `auditd.data.name` holds every PATH as recorded and,
//! where it was relative, resolved.

/// (name in a Sigma rule with product linux and service auditd, our field).
pub const AUDITD: &[(&str, &str)] = &[
    ("type", "auditd.message_type"),
    ("SYSCALL", "auditd.data.syscall"),
    ("syscall", "auditd.data.syscall"),
    ("exe", "process.executable"),
    ("comm", "process.name"),
    ("cwd", "process.working_directory"),
    ("proctitle", "process.title"),
    ("pid", "process.pid"),
    ("ppid", "process.parent.pid"),
    ("tty", "process.tty"),
    ("uid", "user.id"),
    ("UID", "user.name"),
    ("auid", "user.audit.id"),
    ("AUID", "user.audit.name"),
    ("euid", "user.effective.id"),
    ("EUID", "user.effective.name"),
    ("gid", "group.id"),
    ("GID", "group.name"),
    ("ses", "auditd.session"),
    ("success", "auditd.result"),
    ("res", "auditd.result"),
    ("key", "auditd.data.key"),
    ("cmd", "process.command_line"),
    ("msg", "message"),
];

/// (name in a Sigma rule with product linux and a category such as `process_creation`, our field).
pub const CATEGORY: &[(&str, &str)] = &[
    ("Image", "process.executable"),
    ("CommandLine", "process.command_line"),
    ("CurrentDirectory", "process.working_directory"),
    ("ProcessId", "process.pid"),
    ("ProcessGuid", "process.entity_id"),
    ("ParentImage", "process.parent.executable"),
    ("ParentCommandLine", "process.parent.command_line"),
    ("ParentProcessId", "process.parent.pid"),
    ("User", "user.name"),
    ("LogonId", "auditd.session"),
    ("TargetFilename", "file.path"),
    ("DestinationIp", "destination.ip"),
    ("DestinationPort", "destination.port"),
    ("DestinationHostname", "destination.domain"),
    ("SourceIp", "source.ip"),
    ("SourcePort", "source.port"),
    ("Protocol", "network.transport"),
    ("Initiated", "auditd.data.initiated"),
];

/// (Sigma service of product linux, the values of `event.provider` its lines have). Services that are not here are
/// found by `process.name` equal to the service. `auth` and `syslog` are every line of [`AUTH_DATASET`] and any line.
pub const SERVICE: &[(&str, &[&str])] = &[
    ("sshd", &["sshd"]),
    ("sudo", &["sudo"]),
    ("cron", &["cron"]),
    ("auditd", &["auditd"]),
    ("auth", &["sshd", "sudo", "su", "login", "doas"]),
];

/// `event.dataset` of lines about logins, accounts and rights.
pub const AUTH_DATASET: &str = "system.auth";

/// Our field for a name that a rule for service auditd uses. Names that are not in the table are kept
/// as they were recorded, under `auditd.data.`.
pub fn auditd(name: &str) -> std::borrow::Cow<'static, str> {
    match AUDITD.iter().find(|(known, _)| *known == name) {
        Some((_, field)) => (*field).into(),
        None => format!("auditd.data.{name}").into(),
    }
}

/// Our field for a name that a rule with a Linux category uses, if there is one.
pub fn category(name: &str) -> Option<&'static str> {
    CATEGORY.iter().find(|(known, _)| *known == name).map(|(_, field)| *field)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_unknown_names() {
        assert_eq!(auditd("exe"), "process.executable");
        assert_eq!(auditd("a0"), "auditd.data.a0");
        assert_eq!(category("Image"), Some("process.executable"));
        assert_eq!(category("Nothing"), None);
    }
}
