//! What only a look at the finished fields can tell: outcome, object kind, deletion, whose account it is.

use crate::model::class::Class;
use crate::model::event::Event;
use crate::model::field::{self, FieldId};
use crate::normalise::linux::sshd;
use crate::normalise::windows::describe::{message, status, text};
use crate::normalise::windows::kinds::{Kind, Outcome};
use crate::normalise::windows::{Fields, arguments, codes, describe, powershell, values};

/// Set `event.outcome`, sharpen the class, and fill what follows from several fields. `audit`: what the keywords say.
pub fn refine(
    event: &mut Event,
    kind: Option<(&Kind, u32)>,
    audit: Option<&'static str>,
    fields: &Fields,
) {
    let outcome = match kind.map(|(kind, _)| kind.spec.outcome) {
        Some(Outcome::Always(outcome)) => Some(outcome),
        Some(Outcome::Status) => by_status(event, fields).or(audit),
        Some(Outcome::Keywords) | None => audit,
    };
    if let Some(outcome) = outcome.filter(|_| !event.has(field::EVENT_OUTCOME)) {
        event.push_str(field::EVENT_OUTCOME, outcome);
    }
    if event.class == Class::Logon && outcome == Some("failure") {
        event.class = Class::LogonFailure;
    }
    let Some((kind, code)) = kind else { return };
    match kind.family {
        "security" => security(event, code, fields),
        "sysmon" => {
            describe::sysmon(event, code, fields);
            sysmon(event, code, fields);
        }
        "powershell" => powershell::unfold(event, code, fields),
        "network" if kind.spec.action == "ssh-line" => ssh(event, fields),
        _ => {}
    }
    accounts(event, kind);
    if event.class == Class::ProcessStart && !event.has(field::PROCESS_ARGS) {
        let line = event.str(field::PROCESS_COMMAND_LINE).unwrap_or_default();
        let all = match event.str(field::HOST_OS_TYPE) {
            // Sysmon for Linux joins the vector with blanks.
            Some("linux") => {
                let words = line.split_ascii_whitespace().map(str::to_owned);
                words.take(arguments::ARGUMENTS_MAX).collect()
            }
            _ => arguments::split(line),
        };
        all.iter().for_each(|argument| event.push_str(field::PROCESS_ARGS, argument));
    }
}

fn by_status(event: &Event, fields: &Fields) -> Option<&'static str> {
    let status = status(event, fields.status)?;
    Some(if status == 0 { "success" } else { "failure" })
}

fn security(event: &mut Event, code: u32, fields: &Fields) {
    match code {
        4657 => registry_value(event, fields),
        4656 | 4658 | 4659 | 4660 | 4663 | 4670 | 4674 => object(event, code, fields),
        5140 | 5145 => share(event, fields),
        _ => {}
    }
    describe::security(event, code, fields);
}

fn sysmon(event: &mut Event, code: u32, fields: &Fields) {
    if !matches!(code, 12..=14) {
        return;
    }
    let change = text(event, fields.event_type).unwrap_or_default();
    let of_value = change.ends_with("Value") || (change.is_empty() && code == 13);
    let word = match change {
        _ if change.starts_with("Delete") => "deletion",
        _ if change.starts_with("Create") => "creation",
        _ => "change",
    };
    if word == "deletion" {
        event.class = Class::RegistryDelete;
    }
    if word != "change" {
        event.set_str(field::EVENT_TYPE, word);
    }
    if of_value {
        split_value(event);
        let details = event.str(field::REGISTRY_DATA).unwrap_or_default();
        let kind = match details {
            _ if details.starts_with("DWORD (") => "REG_DWORD",
            _ if details.starts_with("QWORD (") => "REG_QWORD",
            "Binary Data" => "REG_BINARY",
            _ => return,
        };
        event.fill_str(field::REGISTRY_DATA_TYPE, kind);
    }
}

/// The path names a value: the key is what stands before it.
fn split_value(event: &mut Event) {
    let Some(path) = event.str(field::REGISTRY_KEY).map(str::to_owned) else { return };
    if let Some((key, value)) = path.rsplit_once('\\') {
        event.set_str(field::REGISTRY_KEY, key);
        event.fill_str(field::REGISTRY_VALUE, value);
    }
}

/// Security names the value beside the key.
fn registry_value(event: &mut Event, fields: &Fields) {
    // %%1904 a new value, %%1905 an existing one, %%1906 one less.
    match message(event, fields.operation_type) {
        Some(1904) => event.set_str(field::EVENT_TYPE, "creation"),
        Some(1906) => {
            event.class = Class::RegistryDelete;
            event.set_str(field::EVENT_TYPE, "deletion");
        }
        _ => {}
    }
    if let Some(value) = text(event, fields.object_value_name).map(str::to_owned) {
        event.fill_str(field::REGISTRY_VALUE, &value);
        if let Some(path) = event.str(field::REGISTRY_PATH).map(|key| format!("{key}\\{value}")) {
            event.set_str(field::REGISTRY_PATH, &path);
        }
    }
    if let Some(data) = text(event, fields.new_value).filter(|data| *data != "-").map(str::to_owned)
    {
        event.fill_str(field::REGISTRY_DATA, &data);
    }
    if let Some(kind) = message(event, fields.new_value_type).and_then(codes::registry_type) {
        event.fill_str(field::REGISTRY_DATA_TYPE, kind);
    }
}

/// Handles to processes are process access; files and keys get their ECS path.
fn object(event: &mut Event, code: u32, fields: &Fields) {
    let Some(object_type) = text(event, fields.object_type).map(str::to_owned) else { return };
    let name = text(event, fields.object_name).unwrap_or_default().to_owned();
    match object_type.as_str() {
        "Process" => {
            event.class = Class::ProcessAccess;
            event.set_str(field::EVENT_CATEGORY, "process");
        }
        "File" if !name.is_empty() => {
            values::file(event, field::FILE_PATH, &name);
            let mask = status(event, fields.access_mask).unwrap_or(0);
            if code == 4663 && mask & codes::DELETE != 0 {
                event.class = Class::FileDelete;
                event.set_str(field::EVENT_TYPE, "deletion");
            } else if code == 4663 && mask & (codes::FILE_WRITE_DATA | codes::FILE_APPEND_DATA) != 0
            {
                event.class = Class::FileModify;
                event.set_str(field::EVENT_TYPE, "change");
            }
        }
        "Key" if !name.is_empty() => {
            event.set_str(field::EVENT_CATEGORY, "registry");
            values::registry(event, field::REGISTRY_PATH, &name);
        }
        "SERVICE OBJECT" => event.fill_str(field::SERVICE_NAME, &name),
        _ => {}
    }
}

/// A file reached through a share: where it lies on the machine that has it. Through `IPC$` it is a named pipe.
fn share(event: &mut Event, fields: &Fields) {
    let Some(target) = text(event, fields.relative_target).map(str::to_owned) else { return };
    let target = target.trim_start_matches('\\');
    if target.is_empty() {
        return;
    }
    if text(event, fields.share_name).is_some_and(|name| name.ends_with("IPC$")) {
        event.class = Class::Pipe;
        event.fill_str(field::FILE_NAME, target);
        return;
    }
    let local = text(event, fields.share_local_path).unwrap_or_default();
    let local = values::plain_path(local).trim_end_matches('\\').to_owned();
    let path = if local.is_empty() { target.to_owned() } else { format!("{local}\\{target}") };
    values::file(event, field::FILE_PATH, &path);
}

/// OpenSSH for Windows logs the lines that sshd writes anywhere.
fn ssh(event: &mut Event, fields: &Fields) {
    let Some(line) = text(event, fields.payload).map(str::to_owned) else { return };
    if let Some(program) = text(event, fields.process).map(str::to_owned) {
        event.fill_str(field::PROCESS_NAME, &program);
    }
    let ours = [field::EVENT_CATEGORY, field::EVENT_TYPE, field::EVENT_ACTION];
    let words = ours.map(|id| event.str(id).map(str::to_owned));
    ours.iter().for_each(|id| event.remove(*id));
    if !sshd::map(&line, event) {
        for (id, word) in ours.into_iter().zip(words) {
            event.fill_str(id, &word.unwrap_or_default());
        }
    }
}

/// Names for identifiers that are the same everywhere, names that are written `user@domain`, and the account that
/// the record itself names where its data names none.
fn accounts(event: &mut Event, kind: &Kind) {
    if kind.by_reporter && !event.has(field::USER_NAME) && !event.has(field::USER_ID) {
        for (from, to) in [
            (field::WINLOG_USER_ID, field::USER_ID),
            (field::WINLOG_USER_NAME, field::USER_NAME),
            (field::WINLOG_USER_DOMAIN, field::USER_DOMAIN),
        ] {
            if let Some(value) = event.str(from).map(str::to_owned) {
                event.fill_str(to, &value);
            }
        }
    }
    for (id, name, domain) in [
        (field::USER_ID, field::USER_NAME, field::USER_DOMAIN),
        (field::USER_TARGET_ID, field::USER_TARGET_NAME, field::USER_TARGET_DOMAIN),
        (field::GROUP_ID, field::GROUP_NAME, field::GROUP_DOMAIN),
    ] {
        name_of(event, id, name, domain);
        user_at_domain(event, name, domain);
    }
}

fn name_of(event: &mut Event, id: FieldId, name: FieldId, domain: FieldId) {
    if event.has(name) {
        return;
    }
    if let Some((of, who)) = event.str(id).and_then(codes::well_known) {
        event.push_str(name, who);
        event.fill_str(domain, of);
    }
}

fn user_at_domain(event: &mut Event, name: FieldId, domain: FieldId) {
    let Some(written) = event.str(name).filter(|name| name.contains('@')) else { return };
    let written = written.to_owned();
    let Some((user, realm)) = written.split_once('@') else { return };
    let plain = |part: &str| !part.is_empty() && !part.contains(['@', ' ', '/', '\\']);
    if plain(user) && plain(realm) {
        event.set_str(name, user);
        event.fill_str(domain, realm);
    }
}
