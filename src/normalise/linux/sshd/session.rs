//! What users do after they have logged in over ssh: sessions, subsystems, files over sftp.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field;
use crate::normalise::linux::auditd::paths::push_file;
use crate::normalise::linux::kind::{Kind, Outcome, source_address, source_port, user_name};
use crate::normalise::linux::sshd::set_reason;

const START: Kind =
    Kind::new(Class::Other, "session", "start", "ssh_session_started", Outcome::Success);
const END: Kind = Kind::new(Class::Other, "session", "end", "ssh_session_ended", Outcome::Unknown);
const CHILD: Kind = Kind::new(Class::Other, "process", "start", "ssh_child", Outcome::Success);
const SUBSYSTEM: Kind =
    Kind::new(Class::Other, "session", "info", "ssh_subsystem", Outcome::Unknown);
const SUBSYSTEM_FAILED: Kind =
    Kind::new(Class::Other, "session", "info", "ssh_subsystem", Outcome::Failure);
const READ: Kind = Kind::new(Class::Other, "file", "access", "sftp_read", Outcome::Unknown);
const WRITE: Kind = Kind::new(Class::FileModify, "file", "change", "sftp_write", Outcome::Unknown);
const CREATE: Kind =
    Kind::new(Class::FileCreate, "file", "creation", "sftp_create", Outcome::Unknown);
const DELETE: Kind =
    Kind::new(Class::FileDelete, "file", "deletion", "sftp_delete", Outcome::Unknown);
const RENAME: Kind =
    Kind::new(Class::FileRename, "file", "change", "sftp_rename", Outcome::Unknown);

/// Map a message without its level.
pub fn map(text: &str, event: &mut Event) -> bool {
    sessions(text, event) || sftp(text, event)
}

fn sessions(text: &str, event: &mut Event) -> bool {
    if let Some(rest) = text.strip_prefix("subsystem request for ") {
        let failed = rest.contains(" failed");
        if failed {
            SUBSYSTEM_FAILED.set(event)
        } else {
            SUBSYSTEM.set(event)
        }
        let (name, who) = rest.split_once(" by user ").unwrap_or((rest, ""));
        event.push_str(field::SERVICE_NAME, name.split(' ').next().unwrap_or(name));
        user_name(event, who.split(' ').next().unwrap_or(who).trim_end_matches(','));
        return true;
    }
    // `shell on pts/0 for bob from 192.0.2.7 port 22 id 0`, `command for bob from …`, `subsystem 'sftp' for bob from …`.
    if let Some(rest) = text.strip_prefix("Starting session: ") {
        START.set(event);
        let (what, who) = rest.split_once(" for ").unwrap_or((rest, ""));
        if let Some((_, tty)) = what.split_once(" on ") {
            event.push_str(field::PROCESS_TTY, tty);
        }
        if let Some(name) = what.strip_prefix("subsystem ") {
            event.push_str(field::SERVICE_NAME, name.trim_matches('\''));
        }
        who_from(who, event);
        return true;
    }
    if let Some(who) = text.strip_prefix("Close session: user ") {
        END.set(event);
        who_from(who, event);
        return true;
    }
    for (prefix, kind) in
        [("session opened for local user ", &START), ("session closed for local user ", &END)]
    {
        if let Some(rest) = text.strip_prefix(prefix) {
            kind.set(event);
            let (name, address) = rest.split_once(" from ").unwrap_or((rest, ""));
            user_name(event, name);
            source_address(event, address.trim_matches(['[', ']']));
            return true;
        }
    }
    text.strip_prefix("User child is on pid ").is_some_and(|pid| {
        CHILD.set(event);
        set_reason(&format!("child {pid}"), event);
        true
    })
}

/// `bob from 192.0.2.7 port 22 id 0`.
fn who_from(text: &str, event: &mut Event) {
    let (name, rest) = text.split_once(" from ").unwrap_or((text, ""));
    user_name(event, name);
    let (address, rest) = rest.split_once(" port ").unwrap_or((rest, ""));
    source_address(event, address);
    source_port(event, rest.split(' ').next().unwrap_or(""));
}

/// `open "/x" flags WRITE,CREATE,TRUNCATE mode 0644`, `remove name "/x"`, `rename old "/a" new "/b"`, …
fn sftp(text: &str, event: &mut Event) -> bool {
    let Some((verb, rest)) = text.split_once(" \"") else { return false };
    // The name may hold quotes; what follows it has a fixed form.
    let (path, after) = match rest.rsplit_once("\" ") {
        Some((path, after)) => (path, after),
        None => (rest.trim_end_matches('"'), ""),
    };
    let (kind, path) = match verb.split(' ').next().unwrap_or(verb) {
        "open" if after.contains("CREATE") => (&CREATE, path),
        "open" if after.contains("WRITE") => (&WRITE, path),
        "open" | "opendir" => (&READ, path),
        "close" if after.contains(" written ") || after.starts_with("bytes read") => (&READ, path),
        "closedir" => (&READ, path),
        "remove" | "rmdir" => (&DELETE, path),
        "mkdir" => (&CREATE, path),
        "symlink" | "hardlink" | "rename" | "posix-rename" => {
            let (_, new) = rest.split_once("\" new \"").unwrap_or(("", path));
            let kind = if verb.contains("rename") { &RENAME } else { &CREATE };
            (kind, new.trim_end_matches('"'))
        }
        "set" | "setstat" | "fsetstat" => (&WRITE, path),
        _ => return false,
    };
    kind.set(event);
    push_file(path, event);
    set_reason(after, event);
    true
}
