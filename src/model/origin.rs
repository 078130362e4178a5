//! What an event says about where it comes from: the lineage that bundles go by, and the labels of its source.

use crate::model::event::Event;
use crate::model::field::{self, FieldId};
use crate::stdx::id::{Id128, IdHasher};

/// Prefix of the fields that hold labels.
const LABELS: &str = "labels.";
/// Programs that start everything on a machine: to be their child is no relation to their other children.
const ROOTS: [&str; 17] = [
    "explorer.exe",
    "services.exe",
    "svchost.exe",
    "wininit.exe",
    "winlogon.exe",
    "userinit.exe",
    "smss.exe",
    "system",
    "systemd",
    "init",
    "sshd",
    "cron",
    "crond",
    "launchd",
    "containerd-shim",
    "containerd-shim-runc-v2",
    "dockerd",
];
/// Accounts under which a machine itself works: they tell nobody from nobody.
const SERVICE_ACCOUNTS: [&str; 7] =
    ["", "-", "system", "local service", "network service", "root", "anonymous logon"];
/// Logon sessions of the machine itself, and what stands for none.
const SERVICE_SESSIONS: [&str; 9] =
    ["", "-", "0", "0x0", "0x3e7", "0x3e4", "0x3e5", "4294967295", "unset"];

/// Where a finding comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// Hashes of its process and its parent; where those are not known, of its session, else of its user.
    pub links: Vec<Id128>,
    /// Labels of the source: (name, value).
    pub labels: Vec<(String, String)>,
}

impl Origin {
    /// Of an event.
    pub fn of(event: &Event) -> Origin {
        let labels = event.iter().filter_map(|(field, value)| {
            let name = field.name().strip_prefix(LABELS)?;
            Some((name.to_owned(), value.as_str()?.to_owned()))
        });
        Origin { links: links(event), labels: labels.collect() }
    }
}

fn links(event: &Event) -> Vec<Id128> {
    let mut links = Vec::new();
    let processes = [
        (field::PROCESS_ENTITY_ID, field::PROCESS_EXECUTABLE),
        (field::PROCESS_PARENT_ENTITY_ID, field::PROCESS_PARENT_EXECUTABLE),
    ];
    for (id, program) in processes {
        let Some(id) = event.str(id).filter(|id| !id.is_empty()) else { continue };
        if !is_root(event.str(program).unwrap_or_default()) {
            links.push(link("process", id));
        }
    }
    links.dedup();
    if links.is_empty() {
        links.extend(session(event).or_else(|| user(event)));
    }
    links
}

fn is_root(program: &str) -> bool {
    let name = program.rsplit(['\\', '/']).next().unwrap_or(program).to_ascii_lowercase();
    ROOTS.contains(&name.as_str())
}

fn session(event: &Event) -> Option<Id128> {
    let fields: [FieldId; 3] = [field::WINLOG_LOGON_ID, field::AUDITD_SESSION, field::SESSION_ID];
    let known = fields.into_iter().filter_map(|id| Some(event.get(id)?.to_text().to_lowercase()));
    known
        .filter(|session| !SERVICE_SESSIONS.contains(&session.as_str()))
        .map(|session| link("session", &session))
        .next()
}

fn user(event: &Event) -> Option<Id128> {
    let name = event.str(field::USER_NAME)?.to_lowercase();
    let machine = name.ends_with('$') || SERVICE_ACCOUNTS.contains(&name.as_str());
    (!machine).then(|| link("user", &name))
}

fn link(kind: &str, value: &str) -> Id128 {
    IdHasher::new("link").text(kind).text(value).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(fields: &[(&str, &str)]) -> Event {
        let mut event = Event::with_capacity(8, 256);
        for (name, value) in fields {
            event.push_named(name, crate::model::event::Value::Str(value));
        }
        event
    }

    #[test]
    fn process_and_parent_link_except_programs_that_start_everything() {
        let child = event(&[
            ("process.entity_id", "b"),
            ("process.executable", "/bin/sh"),
            ("process.parent.entity_id", "a"),
            ("process.parent.executable", "/usr/bin/python3"),
            ("user.name", "ana"),
        ]);
        assert_eq!(Origin::of(&child).links, [link("process", "b"), link("process", "a")]);
        let shell = event(&[
            ("process.entity_id", "b"),
            ("process.executable", r"C:\Windows\System32\cmd.exe"),
            ("process.parent.entity_id", "x"),
            ("process.parent.executable", r"C:\Windows\Explorer.EXE"),
        ]);
        assert_eq!(Origin::of(&shell).links, [link("process", "b")]);
    }

    #[test]
    fn a_session_then_a_user_stand_in_but_never_the_machines_own() {
        let session = event(&[("winlog.logon.id", "0x1F3A"), ("user.name", "ana")]);
        assert_eq!(Origin::of(&session).links, [link("session", "0x1f3a")]);
        let user = event(&[("winlog.logon.id", "0x3E7"), ("user.name", "Ana")]);
        assert_eq!(Origin::of(&user).links, [link("user", "ana")]);
        for name in ["SYSTEM", "root", "DC-01$", "-"] {
            assert_eq!(Origin::of(&event(&[("user.name", name)])).links, [], "{name}");
        }
    }

    #[test]
    fn labels_of_the_source_come_along() {
        let labelled = event(&[("labels.environment", "prod"), ("user.name", "ana")]);
        let labels = Origin::of(&labelled).labels;
        assert_eq!(labels, [("environment".to_owned(), "prod".to_owned())]);
    }
}
