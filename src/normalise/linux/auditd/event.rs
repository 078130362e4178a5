//! The records of one event to one ECS event.
//!
//! What has an ECS name stands under it (the table for rules is `model::linux_fields`); everything else is kept as
//! `auditd.data.<key>`, the items of PATH records as lists under `auditd.paths.<key>`. Zero capabilities of files
//! (`cap_fp=0` …), and values that say "nothing" (`?`, `(none)`, `(null)`), are left out. What the records say should be
//! there and is not is named in `auditd.missing`.

use std::collections::HashSet;

use ahash::RandomState;

use crate::model::class::Class;
use crate::model::event::{Event, Value};
use crate::model::field;
use crate::normalise::complete::{EventTime, Place, finish};
use crate::normalise::linux::auditd::auoms;
use crate::normalise::linux::auditd::classify::{self, Call};
use crate::normalise::linux::auditd::command::{self, Arguments};
use crate::normalise::linux::auditd::fields::{Writer, nothing, result_word};
use crate::normalise::linux::auditd::kinds::{Kinds, is_remark};
use crate::normalise::linux::auditd::line;
use crate::normalise::linux::auditd::names::Names;
use crate::normalise::linux::auditd::paths;
use crate::normalise::linux::auditd::processes::{Moment, Processes, Seen};
use crate::normalise::linux::auditd::record::{Record, decode};
use crate::normalise::linux::auditd::tables::Tables;
use crate::normalise::linux::kind::{Kind, Outcome};
use crate::normalise::linux::scrub::Scrub;
use crate::normalise::output::Output;
use crate::stdx::id::{Id128, IdHasher};
use crate::stdx::time::Timestamp;

/// clone(2): the child shares the process, it is a thread.
const CLONE_THREAD: u64 = 0x0001_0000;

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

/// Builds events; holds the tables, the ids of field names and the processes seen so far.
#[derive(Debug, Default)]
pub struct Builder {
    /// Names of numbers.
    pub tables: Tables,
    /// Who has which process id.
    pub processes: Processes,
    names: Names,
    kinds: Kinds,
}

impl Builder {
    /// With fresh tables.
    pub fn new() -> Builder {
        Builder::default()
    }

    /// Build the event and hand it on.
    pub fn event(&mut self, assembled: &Assembled<'_>, place: &Place<'_>, out: &mut Output) {
        let records = self.records(assembled.text);
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
        let arguments = Arguments::of(&records);
        let redacted = self.fields(&records, &arguments, &mut scrub, &mut event);
        self.kind(&records, &mut event);
        if event.class == Class::NetworkConnect {
            event.push_str(field::AUDITD_INITIATED, initiated(&records));
        }
        self.identify(&records, assembled, place, &mut event);
        self.missing(&records, arguments.len(), &mut event);
        message(&records, &mut event);
        let original = redacted.then(|| {
            // Counted in the fields.
            let mut uncounted = Output::default();
            let mut scrub = Scrub::new(place.settings, &mut uncounted);
            command::rewritten(assembled.text, &self.tables, &mut scrub)
        });
        let original = original.as_deref().unwrap_or(assembled.text);
        let host = Some(assembled.node);
        // A clock before 1970 is no clock.
        let time = if assembled.at.0 < 0 {
            EventTime::None("bad_time")
        } else {
            EventTime::At(assembled.at)
        };
        finish(&mut event, time, host, Some(original), place, out);
        out.event(event);
    }

    /// The records, decoded. A record that was delivered twice is taken once.
    fn records<'t>(&self, text: &'t str) -> Vec<Record<'t>> {
        let mut seen: HashSet<&str, RandomState> = HashSet::default();
        let lines = text.split('\n').filter(|text| seen.insert(text));
        let mut records = Vec::new();
        for line in lines.filter_map(|text| line::parse(text).ok()) {
            if line.kind.starts_with(auoms::PREFIX) {
                records.extend(auoms::records(&line, &self.tables));
            } else {
                records.push(decode(&line, &self.tables));
            }
        }
        records
    }

    /// All fields of all records. True if a secret was replaced in one of them.
    fn fields(
        &mut self,
        records: &[Record<'_>],
        arguments: &Arguments<'_>,
        scrub: &mut Scrub<'_>,
        event: &mut Event,
    ) -> bool {
        let mut redacted = self.arguments(arguments, scrub, event);
        let call = syscall(records);
        let mut writer = Writer { names: &mut self.names, event };
        for record in records {
            match record.kind {
                "EXECVE" => {
                    if let Some(count) = record.get("argc") {
                        writer.data("argc", count);
                    }
                }
                "PATH" => writer.path(record),
                "SOCKADDR" => writer.socket(call, record),
                _ => redacted |= writer.record(record, scrub),
            }
            writer.added_names(record);
        }
        paths::push(records, &mut self.names, event);
        if !event.has(field::FILE_PATH)
            && let Some(path) = records.iter().find_map(path_of_access)
        {
            paths::push_file(path, event);
        }
        if !event.has(field::PROCESS_NAME)
            && let Some(path) = event.str(field::PROCESS_EXECUTABLE)
        {
            let name = path.rsplit('/').next().unwrap_or(path).to_owned();
            event.push_str(field::PROCESS_NAME, &name);
        }
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

    /// Class, category, type, action and outcome.
    fn kind(&self, records: &[Record<'_>], event: &mut Event) {
        let result = result_of(records);
        let call = records.iter().find(|record| matches!(record.kind, "SYSCALL" | "URINGOP"));
        let by_call = call.and_then(|record| kind_of_call(record, records, result));
        let special = records
            .iter()
            .filter(|record| call.is_none() || record.kind != "TTY")
            .find_map(|record| self.kinds.of(record, result).map(|kind| (record, kind)));
        let found = match (special, by_call) {
            (Some((record, _)), Some(kind))
                if is_remark(record.kind)
                    && result == Some(true)
                    && kind.class != Class::Syscall =>
            {
                Some(kind)
            }
            (Some((_, kind)), _) => Some(kind),
            (None, kind) => kind.or_else(|| kind_of_parts(records)),
        };
        let outcome = match result {
            // A connection that is under way has not failed.
            _ if call.is_some_and(|record| record.get("exit") == Some("EINPROGRESS")) => {
                Outcome::Unknown
            }
            Some(true) => Outcome::Success,
            Some(false) => Outcome::Failure,
            None => Outcome::Unknown,
        };
        if let Some(kind) = found {
            return Kind { outcome, ..kind }.set(event);
        }
        // Nobody named it: the action is the call's or the type's own word.
        let class = if call.is_some() { Class::Syscall } else { Class::Other };
        let word = call.and_then(|record| record.get("syscall").or_else(|| record.get("uring_op")));
        let word = word
            .map(str::to_owned)
            .or_else(|| records.first().map(|first| first.kind.to_lowercase().replace('_', "-")));
        Kind::new(class, "process", "info", "", outcome).set(event);
        if let Some(word) = word {
            event.set_str(field::EVENT_ACTION, &word);
        }
    }

    /// Which process did it, and what is known of its parent.
    fn identify(
        &mut self,
        records: &[Record<'_>],
        assembled: &Assembled<'_>,
        place: &Place<'_>,
        event: &mut Event,
    ) {
        if records.iter().any(|record| record.kind == "SYSTEM_BOOT") {
            self.processes.boot(assembled.node);
        }
        let Some(pid) = number(event, field::PROCESS_PID) else { return };
        let node = assembled.node;
        let executable = event.str(field::PROCESS_EXECUTABLE).unwrap_or("").to_owned();
        let session = event.str(field::AUDITD_SESSION).unwrap_or("").to_owned();
        let at: Moment = (assembled.at.0, assembled.serial);
        let seen = Seen { node, at, executable: &executable, session: &session };
        let hash = Identity::of(assembled, place);
        let worked = result_of(records) != Some(false);
        let call = syscall(records);
        if worked && matches!(call, "execve" | "execveat") {
            let line = event.str(field::PROCESS_COMMAND_LINE).unwrap_or("");
            self.processes.begin(pid, &seen, &executable, line);
        }
        let start = self.processes.start(pid, &seen);
        event.push_str(field::PROCESS_ENTITY_ID, &hash.process(pid, start));
        if let Some(parent) = number(event, field::PROCESS_PARENT_PID) {
            let of_parent = Seen { executable: "", session: "", ..seen };
            let start = self.processes.start(parent, &of_parent);
            event.push_str(field::PROCESS_PARENT_ENTITY_ID, &hash.process(parent, start));
            if event.class == Class::ProcessStart {
                self.parent(node, parent, at, event);
            }
        }
        if worked && matches!(call, "fork" | "vfork" | "clone" | "clone3") {
            self.forked(records, pid, &seen);
        }
        if call == "exit_group" || records.iter().any(|record| record.kind == "ANOM_ABEND") {
            self.processes.end(node, pid);
        }
    }

    /// `process.parent.*` of a process that starts, as its own exec told.
    fn parent(&self, node: &str, parent: u32, at: Moment, event: &mut Event) {
        let Some(parent) = self.processes.at(node, parent, at) else { return };
        let path = parent.executable.as_str();
        if !path.is_empty() {
            event.push_str(field::PROCESS_PARENT_EXECUTABLE, path);
            event.push_str(field::PROCESS_PARENT_NAME, path.rsplit('/').next().unwrap_or(path));
        }
        if !parent.command_line.is_empty() {
            event.push_str(field::PROCESS_PARENT_COMMAND_LINE, &parent.command_line);
        }
    }

    /// The child begins as a copy of its parent.
    fn forked(&mut self, records: &[Record<'_>], pid: u32, seen: &Seen<'_>) {
        let Some(call) = records.iter().find(|record| record.kind == "SYSCALL") else { return };
        let flags = call.get("a0").and_then(|flags| u64::from_str_radix(flags, 16).ok());
        let thread = call.get("syscall") == Some("clone")
            && flags.is_some_and(|flags| flags & CLONE_THREAD != 0);
        let child = call.get("exit").and_then(|exit| exit.parse::<u32>().ok());
        let Some(child) = child.filter(|child| *child > 0 && !thread) else { return };
        let line = self.processes.at(seen.node, pid, seen.at);
        let line = line.map(|process| process.command_line.clone()).unwrap_or_default();
        self.processes.begin(child, seen, seen.executable, &line);
    }

    /// What the records say should be there and is not.
    fn missing(&mut self, records: &[Record<'_>], arguments: usize, event: &mut Event) {
        let Some(field) = self.names.ecs("auditd.missing") else { return };
        let count = |record: &Record<'_>, key| record.get(key)?.parse::<usize>().ok();
        let call = records.iter().find(|record| record.kind == "SYSCALL");
        let has = |kind: &str| records.iter().any(|record| record.kind == kind);
        let paths = records.iter().filter(|record| record.kind == "PATH").count();
        if call.is_none()
            && ["EXECVE", "PATH", "CWD", "SOCKADDR", "PROCTITLE"].iter().any(|k| has(k))
        {
            event.push_str(field, "SYSCALL");
        }
        if call.and_then(|record| count(record, "items")).is_some_and(|items| items > paths) {
            event.push_str(field, "PATH");
        }
        let declared = records
            .iter()
            .filter(|record| record.kind == "EXECVE")
            .find_map(|record| count(record, "argc"));
        if declared.is_some_and(|declared| declared > arguments) {
            event.push_str(field, "EXECVE");
        }
    }
}

/// Hashes processes of one host.
struct Identity<'a> {
    tenant: &'a str,
    host: String,
    stream: Option<&'a [u8]>,
}

impl<'a> Identity<'a> {
    fn of(assembled: &Assembled<'_>, place: &Place<'a>) -> Identity<'a> {
        let stream = place.stream;
        let named = Some(assembled.node).filter(|node| !node.is_empty());
        let host = named.or(stream.host.as_deref());
        Identity {
            tenant: &stream.tenant,
            host: host
                .map(|name| place.settings.host_name(&stream.source, name))
                .unwrap_or_default(),
            // A stream without any host is a host of its own.
            stream: host.is_none().then_some(stream.id.as_bytes()),
        }
    }

    fn process(&self, pid: u32, start: Moment) -> String {
        let mut hasher = IdHasher::new("process.auditd");
        hasher.text(self.tenant).text(&self.host);
        if let Some(stream) = self.stream {
            hasher.bytes(stream);
        }
        let (start_us, serial) = start;
        hasher.bytes(&pid.to_le_bytes()).bytes(&start_us.to_le_bytes()).number(serial);
        hasher.finish().to_string()
    }
}

fn number(event: &Event, field: field::FieldId) -> Option<u32> {
    match event.get(field)? {
        Value::Int(number) => u32::try_from(number).ok(),
        _ => None,
    }
}

fn syscall<'a>(records: &'a [Record<'_>]) -> &'a str {
    let call = records.iter().filter(|record| matches!(record.kind, "SYSCALL" | "URINGOP"));
    call.filter_map(|record| record.get("syscall").or_else(|| record.get("uring_op")))
        .next()
        .unwrap_or("")
}

/// A call's process asked for the connection, or was asked.
fn initiated(records: &[Record<'_>]) -> &'static str {
    if syscall(records).starts_with("accept") { "false" } else { "true" }
}

/// What the records state about success; a policy's decision where they do not.
fn result_of(records: &[Record<'_>]) -> Option<bool> {
    let stated = records
        .iter()
        .find_map(|record| ["success", "res", "result"].iter().find_map(|key| record.get(key)))
        .map(result_word);
    match stated {
        Some("success") => Some(true),
        Some("fail") => Some(false),
        _ => records.iter().find_map(decision),
    }
}

fn decision(record: &Record<'_>) -> Option<bool> {
    match record.kind {
        "AVC" | "USER_AVC" => match (record.get("seresult"), record.get("apparmor")) {
            (Some("granted"), _) | (_, Some("ALLOWED" | "AUDIT" | "STATUS" | "HINT")) => Some(true),
            // Permissive: noted, not refused.
            (Some(_), _) => Some(record.get("permissive") == Some("1")),
            (_, Some(_)) => Some(false),
            _ => None,
        },
        "SECCOMP" => record.get("code").map(|code| matches!(code, "log" | "allow" | "notify")),
        "FANOTIFY" => record.get("resp").map(|response| response == "1"),
        "LANDLOCK_ACCESS" => Some(false),
        _ => None,
    }
}

/// The object of an access that a policy judged, where no PATH record names it.
fn path_of_access<'a>(record: &'a Record<'_>) -> Option<&'a str> {
    let keys: &[&str] = match record.kind {
        "AVC" if record.get("apparmor").is_some() && record.get("requested_mask").is_some() => {
            &["name"]
        }
        "AVC" | "AVC_PATH" | "LANDLOCK_ACCESS" | "ANOM_LINK" => &["path"],
        "KERN_MODULE" | "FANOTIFY" => return None,
        _ if record.kind.starts_with("INTEGRITY_") => &["name"],
        _ => return None,
    };
    let found = keys.iter().find_map(|key| record.get(key));
    found.filter(|path| path.starts_with('/') && !nothing(path))
}

fn kind_of_call(record: &Record<'_>, records: &[Record<'_>], result: Option<bool>) -> Option<Kind> {
    let name = record.get("syscall").or_else(|| record.get("uring_op")).unwrap_or("");
    let has = |kind: &str, key: &str, values: &[&str]| {
        let of_kind = records.iter().filter(|other| other.kind == kind);
        of_kind.filter_map(|other| other.get(key)).any(|value| values.contains(&value))
    };
    let argument = classify::open_flags_argument(name).and_then(|argument| record.get(argument));
    let flags = argument.and_then(|flags| u64::from_str_radix(flags, 16).ok());
    // openat2 has its flags in a structure, which a record of its own holds (octal).
    let how = records.iter().find(|other| other.kind == "OPENAT2");
    let flags = flags.or_else(|| u64::from_str_radix(how?.get("oflag")?, 8).ok());
    classify::by_syscall(&Call {
        name,
        worked: result != Some(false),
        internet: has("SOCKADDR", "family", &["ipv4", "ipv6"]),
        created: has("PATH", "nametype", &["CREATE"]) || has("PATH", "objtype", &["CREATE"]),
        writes: flags.map_or(name == "openat2", classify::open_writes),
        first: record.get("a0").unwrap_or(""),
    })
}

/// Parts of a call's event whose SYSCALL record is missing. Arguments are recorded for an exec only.
fn kind_of_parts(records: &[Record<'_>]) -> Option<Kind> {
    let exec = records.iter().any(|record| matches!(record.kind, "EXECVE" | "BPRM_FCAPS"))
        && !records.iter().any(|record| record.kind == "SYSCALL");
    exec.then_some(Kind::new(Class::ProcessStart, "process", "start", "executed", Outcome::Unknown))
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
