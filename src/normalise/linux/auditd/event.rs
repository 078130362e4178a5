//! The records of one event to one ECS event.
//!
//! What has an ECS name stands under it (the table is `model::linux_fields`); everything else is kept as
//! `auditd.data.<key>`, the items of PATH records as lists under `auditd.paths.<key>`. Zero capabilities of files
//! (`cap_fp=0` …), and values that say "nothing" (`?`, `(none)`, `(null)`), are left out.

use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field::{self, FieldId};
use crate::normalise::complete::{EventTime, Place, finish};
use crate::normalise::linux::auditd::classify::{self, Call};
use crate::normalise::linux::auditd::command::{self, Arguments};
use crate::normalise::linux::auditd::line;
use crate::normalise::linux::auditd::names::Names;
use crate::normalise::linux::auditd::paths;
use crate::normalise::linux::auditd::record::{Record, decode};
use crate::normalise::linux::auditd::tables::Tables;
use crate::normalise::linux::kind::{Kind, Outcome};
use crate::normalise::linux::scrub::Scrub;
use crate::normalise::output::Output;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;

/// The records of one event, as the assembler hands them on.
pub struct Assembled<'a> {
    /// The event's id.
    pub id: Id128,
    /// The host the records name, or empty.
    pub node: &'a str,
    /// The event's time.
    pub at: Timestamp,
    /// The event's serial number.
    pub serial: u64,
    /// How many records.
    pub records: u32,
    /// The records, one a line.
    pub text: &'a str,
}

/// Builds events; holds the tables and the ids of field names.
#[derive(Debug)]
pub struct Builder {
    /// Names of numbers.
    pub tables: Tables,
    names: Names,
}

impl Default for Builder {
    fn default() -> Builder {
        Builder::new()
    }
}

impl Builder {
    /// With fresh tables.
    pub fn new() -> Builder {
        Builder { tables: Tables::new(), names: Names::default() }
    }

    /// Build the event and hand it on.
    pub fn event(&mut self, assembled: &Assembled<'_>, place: &Place<'_>, out: &mut Output) {
        let records: Vec<Record<'_>> = assembled
            .text
            .split('\n')
            .filter_map(|text| line::parse(text).ok())
            .map(|line| decode(&line, &self.tables))
            .collect();
        let mut event = Event::with_capacity(96, 4 * assembled.text.len() + 512);
        event.id = assembled.id;
        event.records = assembled.records;
        event.push_str(field::EVENT_PROVIDER, "auditd");
        event.push_str(field::EVENT_DATASET, "auditd.log");
        event.push_int(field::EVENT_SEQUENCE, i64::try_from(assembled.serial).unwrap_or(i64::MAX));
        for (index, record) in records.iter().enumerate() {
            let earlier = records.get(..index).unwrap_or_default();
            if !earlier.iter().any(|known| known.kind == record.kind) {
                event.push_str(field::AUDITD_TYPE, record.kind);
            }
        }
        let mut scrub = Scrub::new(place.settings, out);
        let redacted = self.fields(&records, &mut scrub, &mut event);
        kind_of(&records).set(&mut event);
        if event.class == Class::NetworkConnect {
            event.push_str(field::AUDITD_INITIATED, initiated(&records));
        }
        entity(assembled, place, &mut event);
        message(&records, &mut event);
        let original = redacted.then(|| {
            // Counted in the fields.
            let mut uncounted = Output::default();
            let mut scrub = Scrub::new(place.settings, &mut uncounted);
            command::rewritten(assembled.text, &self.tables, &mut scrub)
        });
        let original = original.as_deref().unwrap_or(assembled.text);
        let host = Some(assembled.node);
        finish(&mut event, EventTime::At(assembled.at), host, Some(original), place, out);
        out.event(event);
    }

    /// All fields of all records. True if a secret was replaced in one of them.
    fn fields(&mut self, records: &[Record<'_>], scrub: &mut Scrub<'_>, event: &mut Event) -> bool {
        let arguments = Arguments::of(records);
        let mut redacted = self.arguments(&arguments, scrub, event);
        for record in records {
            match record.kind {
                "EXECVE" => self.rest_of_execve(record, event),
                "PATH" => self.path(record, event),
                "SOCKADDR" => self.socket(records, record, event),
                _ => redacted |= self.record(record, scrub, event),
            }
            self.added_names(record, event);
        }
        paths::push(records, event);
        user_names(records, event);
        redacted
    }

    /// `process.args`, `process.command_line` and `auditd.data.a0` … (the first ten).
    fn arguments(
        &mut self,
        args: &Arguments<'_>,
        scrub: &mut Scrub<'_>,
        event: &mut Event,
    ) -> bool {
        if args.is_empty() {
            return false;
        }
        let (line, list, redacted) = args.scrubbed(scrub);
        event.push_str(field::PROCESS_COMMAND_LINE, &line);
        for (index, text) in list.iter().enumerate() {
            if index < command::ARGS_MAX {
                event.push_str(field::PROCESS_ARGS, text);
            }
            if index < command::NAMED_ARGS_MAX
                && let Some(field) = self.names.data(&format!("a{index}"))
            {
                event.push_str(field, text);
            }
        }
        redacted
    }

    fn rest_of_execve(&mut self, record: &Record<'_>, event: &mut Event) {
        if let Some(count) = record.get("argc") {
            self.data("argc", count, event);
        }
    }

    fn path(&mut self, record: &Record<'_>, event: &mut Event) {
        for field in &record.fields {
            let value = field.value.as_ref();
            if nothing(value) || (field.key.starts_with("cap_") && zero(value)) {
                continue;
            }
            match field.key.as_ref() {
                // Rules name these two as in the record; they stand in `paths::push` with what they resolve to.
                "name" => {}
                "nametype" | "objtype" => self.data("nametype", value, event),
                key => self.named(|names| names.path(key), value, event),
            }
        }
    }

    fn socket(&mut self, records: &[Record<'_>], record: &Record<'_>, event: &mut Event) {
        let call = syscall(records);
        let (ip, port) = match call {
            "accept" | "accept4" | "recvfrom" | "recvmsg" => (field::SOURCE_IP, field::SOURCE_PORT),
            "bind" | "getsockname" => (field::SERVER_IP, field::SERVER_PORT),
            _ => (field::DESTINATION_IP, field::DESTINATION_PORT),
        };
        for item in &record.fields {
            match item.key.as_ref() {
                "addr" => {
                    event.push_ip(ip, &item.value);
                }
                "port" => {
                    if let Ok(number) = item.value.parse::<u16>() {
                        event.push_int(port, i64::from(number));
                    }
                }
                "path" => {
                    self.data("socket_path", &item.value, event);
                }
                "family" => self.data("socket_family", &item.value, event),
                key => self.data(key, &item.value, event),
            }
        }
    }

    /// A record of any other type. True if a secret was replaced.
    fn record(&mut self, record: &Record<'_>, scrub: &mut Scrub<'_>, event: &mut Event) -> bool {
        let mut redacted = false;
        for item in &record.fields {
            let value = item.value.as_ref();
            if nothing(value) {
                continue;
            }
            match target(record, &item.key) {
                Target::Data => self.data(&item.key, value, event),
                Target::Ecs(field) => event.fill_str(field, value),
                Target::Number(field) => match value.parse::<u32>() {
                    Ok(number) if !event.has(field) => event.push_int(field, i64::from(number)),
                    Ok(_) => {}
                    Err(_) => self.data(&item.key, value, event),
                },
                Target::Secret(field) => {
                    let text = scrub.text(value);
                    redacted |= text != value;
                    event.fill_str(field, text.trim_end());
                }
                Target::Keys => {
                    value.split('\u{1}').for_each(|key| event.push_str(field::AUDITD_KEY, key))
                }
                Target::Result => event.fill_str(field::AUDITD_RESULT, result_word(value)),
                Target::Address => {
                    if !event.push_ip(field::SOURCE_IP, value) {
                        event.fill_str(field::SOURCE_DOMAIN, value);
                    }
                }
                Target::Syscall => {
                    event.fill_str(field::AUDITD_SYSCALL, value);
                    if let Some(number) = item.raw {
                        self.data("syscall_number", number, event);
                    }
                }
            }
        }
        redacted
    }

    /// Names of an enriching daemon that have no ECS field stay under their capitals.
    fn added_names(&mut self, record: &Record<'_>, event: &mut Event) {
        for (key, name) in &record.names {
            if !matches!(*key, "UID" | "AUID" | "EUID" | "GID" | "ARCH" | "SYSCALL" | "SADDR")
                && !nothing(name)
            {
                self.data(key, name, event);
            }
        }
    }

    fn data(&mut self, key: &str, value: &str, event: &mut Event) {
        self.named(|names| names.data(key), value, event);
    }

    fn named(
        &mut self,
        find: impl FnOnce(&mut Names) -> Option<FieldId>,
        value: &str,
        event: &mut Event,
    ) {
        match find(&mut self.names) {
            Some(field) => event.push_str(field, value),
            None => event.fields_dropped += 1,
        }
    }
}

/// Where a field goes.
enum Target {
    Data,
    Ecs(FieldId),
    Number(FieldId),
    Secret(FieldId),
    Keys,
    Result,
    Address,
    Syscall,
}

fn target(record: &Record<'_>, key: &str) -> Target {
    match key {
        "pid" | "opid" if key == "pid" || record.kind == "OBJ_PID" => {
            Target::Number(field::PROCESS_PID)
        }
        "ppid" => Target::Number(field::PROCESS_PARENT_PID),
        "uid" => Target::Ecs(field::USER_ID),
        "auid" => Target::Ecs(field::USER_AUDIT_ID),
        "euid" => Target::Ecs(field::USER_EFFECTIVE_ID),
        "gid" => Target::Ecs(field::GROUP_ID),
        "ses" => Target::Ecs(field::AUDITD_SESSION),
        "tty" | "terminal" => Target::Ecs(field::PROCESS_TTY),
        "comm" => Target::Ecs(field::PROCESS_NAME),
        "exe" => Target::Ecs(field::PROCESS_EXECUTABLE),
        "cwd" => Target::Ecs(field::PROCESS_WORKING_DIRECTORY),
        "proctitle" => Target::Secret(field::PROCESS_TITLE),
        "cmd" => Target::Secret(field::PROCESS_COMMAND_LINE),
        "data" => Target::Secret(field::AUDITD_TYPED),
        "key" => Target::Keys,
        "success" | "res" | "result" => Target::Result,
        "addr" | "hostname" => Target::Address,
        "syscall" => Target::Syscall,
        "acct" if is_account_change(record.kind) => Target::Ecs(field::USER_TARGET_NAME),
        "acct" => Target::Ecs(field::USER_NAME),
        "id" if record.kind.starts_with("USER_LOG") => Target::Ecs(field::USER_AUDIT_ID),
        "id" => Target::Ecs(field::USER_TARGET_ID),
        "grp" | "new_group" => Target::Ecs(field::GROUP_NAME),
        _ => Target::Data,
    }
}

fn is_account_change(kind: &str) -> bool {
    kind.starts_with("ADD_")
        || kind.starts_with("DEL_")
        || matches!(kind, "USER_MGMT" | "GRP_MGMT" | "USER_CHAUTHTOK" | "ACCT_LOCK" | "ACCT_UNLOCK")
}

fn result_word(value: &str) -> &str {
    match value {
        "yes" | "1" | "success" => "success",
        "no" | "0" | "failed" | "fail" => "fail",
        other => other,
    }
}

fn nothing(value: &str) -> bool {
    matches!(value, "" | "?" | "(null)" | "(none)")
}

fn zero(value: &str) -> bool {
    value.bytes().all(|byte| byte == b'0')
}

fn syscall<'a>(records: &'a [Record<'_>]) -> &'a str {
    records.iter().find_map(|record| record.get("syscall")).unwrap_or("")
}

/// A call's process asked for the connection, or was asked.
fn initiated(records: &[Record<'_>]) -> &'static str {
    if syscall(records).starts_with("accept") { "false" } else { "true" }
}

/// The kind, with the outcome that the records state.
fn kind_of(records: &[Record<'_>]) -> Kind {
    let result = records
        .iter()
        .find_map(|record| ["success", "res", "result"].iter().find_map(|key| record.get(key)))
        .map(result_word);
    let outcome = match result {
        Some("success") => Outcome::Success,
        Some("fail") => Outcome::Failure,
        _ => Outcome::Unknown,
    };
    let call = records.iter().find(|record| record.kind == "SYSCALL");
    // A record that stands for something more than its system call decides: a module, a configuration, a login.
    let special = records
        .iter()
        .filter(|record| record.kind != "TTY")
        .find_map(|record| classify::by_type(record.kind, result.map(|word| word != "fail")));
    let found = special.or_else(|| call.and_then(|record| kind_of_call(record, records, result)));
    let kind = found.unwrap_or(Kind::new(fallback(call), "process", "info", "", Outcome::Unknown));
    Kind { outcome, ..kind }
}

fn fallback(call: Option<&Record<'_>>) -> Class {
    if call.is_some() { Class::Syscall } else { Class::Other }
}

fn kind_of_call(record: &Record<'_>, records: &[Record<'_>], result: Option<&str>) -> Option<Kind> {
    let name = record.get("syscall").unwrap_or("");
    let has = |kind: &str, key: &str, values: &[&str]| {
        let of_kind = records.iter().filter(|other| other.kind == kind);
        of_kind.filter_map(|other| other.get(key)).any(|value| values.contains(&value))
    };
    let flags = classify::open_flags_argument(name).and_then(|argument| record.get(argument));
    classify::by_syscall(&Call {
        name,
        worked: result != Some("fail"),
        internet: has("SOCKADDR", "family", &["ipv4", "ipv6"]),
        created: has("PATH", "nametype", &["CREATE"]) || has("PATH", "objtype", &["CREATE"]),
        writes: flags.is_some_and(classify::open_writes) || name == "openat2",
    })
}

/// Names of users: what an enriching daemon added, else `root` for 0, which is that everywhere.
fn user_names(records: &[Record<'_>], event: &mut Event) {
    for (key, id, name) in [
        ("UID", field::USER_ID, field::USER_NAME),
        ("AUID", field::USER_AUDIT_ID, field::USER_AUDIT_NAME),
        ("EUID", field::USER_EFFECTIVE_ID, field::USER_EFFECTIVE_NAME),
        ("GID", field::GROUP_ID, field::GROUP_NAME),
    ] {
        if event.has(name) {
            continue;
        }
        let added = records.iter().find_map(|record| record.name(key));
        let known = added.or_else(|| event.str(id).filter(|id| *id == "0").map(|_| "root"));
        if let Some(text) = known {
            let text = text.to_owned();
            event.push_str(name, &text);
        }
    }
}

/// The process's identity. The audit system gives neither boot nor start time, so it is that of the host,
/// the process id and the login session: a reused process id within one session is taken for the same process.
fn entity(assembled: &Assembled<'_>, place: &Place<'_>, event: &mut Event) {
    let host =
        if assembled.node.is_empty() { place.stream.host.as_deref() } else { Some(assembled.node) };
    let host =
        host.map(|name| place.settings.host_name(&place.stream.source, name)).unwrap_or_default();
    let session = event.str(field::AUDITD_SESSION).unwrap_or("").to_owned();
    for (pid, entity) in [
        (field::PROCESS_PID, field::PROCESS_ENTITY_ID),
        (field::PROCESS_PARENT_PID, field::PROCESS_PARENT_ENTITY_ID),
    ] {
        let Some(Value::Int(pid)) = event.get(pid) else { continue };
        let id = IdHasher::new("process.auditd")
            .text(&place.stream.tenant)
            .text(&host)
            .text(&session)
            .bytes(&pid.to_le_bytes())
            .finish();
        event.push_str(entity, &id.to_string());
    }
}

/// One line for people: what was done, by which program, to what.
fn message(records: &[Record<'_>], event: &mut Event) {
    let what = event
        .str(field::AUDITD_SYSCALL)
        .or_else(|| records.first().map(|record| record.kind))
        .unwrap_or("");
    let object = [
        field::PROCESS_COMMAND_LINE,
        field::FILE_PATH,
        field::DESTINATION_IP,
        field::SERVER_IP,
        field::USER_TARGET_NAME,
        field::USER_NAME,
    ]
    .iter()
    .find_map(|field| event.str(*field));
    let mut text = String::with_capacity(96);
    for part in
        [Some(what), event.str(field::PROCESS_EXECUTABLE), object, event.str(field::AUDITD_RESULT)]
            .into_iter()
            .flatten()
    {
        if !text.is_empty() {
            text.push(' ');
        }
        text.push_str(part);
    }
    event.push_str(field::MESSAGE, &text);
}
