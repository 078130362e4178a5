//! Syslog lines to events: RFC 3164, RFC 5424 and ISO-stamped lines; repeats are expanded; the program decides the rest.
//!
//! What is carried from line to line (and over a restart): the newest time, for years that lines do not state, and the
//! last message of each host, for `last message repeated`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::event::{Event, Value};
use crate::model::field;
use crate::normalise::Context;
use crate::normalise::complete::{EventTime, Place, finish};
use crate::normalise::linux::header::{self, FACILITIES, Header, SEVERITIES};
use crate::normalise::linux::programs::{self, Known};
use crate::normalise::linux::scrub::Scrub;
use crate::normalise::linux::stamp::{Wall, Years};
use crate::normalise::mapping::apply::Found;
use crate::normalise::mapping::clock::{self, Anchor};
use crate::normalise::mapping::mapper::Mapper;
use crate::normalise::mapping::rules::Times;
use crate::normalise::output::Output;
use crate::normalise::redact::{Counts, Redaction, Redactor};
use crate::stdx::time::Timestamp;

/// One line stands for at most this many events; a larger count is kept in `event.repeats`, so that one
/// forged line cannot fill the store.
pub const REPEATS_MAX: u64 = 1_000;
/// Hosts whose last message is remembered.
const HOSTS_MAX: usize = 64;
/// A longer message is not remembered.
const REMEMBERED_BYTES_MAX: usize = 4 << 10;

/// The syslog decoder of one stream.
#[derive(Debug)]
pub struct Syslog {
    years: Years,
    last: BTreeMap<String, Last>,
    redactor: Redactor,
}

/// The last message of a host.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Last {
    program: Option<String>,
    pid: Option<String>,
    message: String,
}

/// [`Syslog`]'s state as the commit keeps it.
#[derive(Serialize, Deserialize)]
struct Saved {
    newest_us: Option<i64>,
    last: BTreeMap<String, Last>,
}

impl Syslog {
    /// A decoder without history.
    pub fn new(redactor: Redactor) -> Syslog {
        Syslog { years: Years::default(), last: BTreeMap::new(), redactor }
    }

    /// What later lines depend on, for the commit; `None` while there is nothing. Stored, and so without secrets.
    pub fn state(&self) -> Option<Vec<u8>> {
        if self.years.last.is_none() && self.last.is_empty() {
            return None;
        }
        let mut saved =
            Saved { newest_us: self.years.last.map(|at| at.0), last: self.last.clone() };
        for last in saved.last.values_mut() {
            let mut clean = self.redactor.copy(&last.message).into_owned();
            self.redactor.people.text(&mut clean, &mut Counts::new());
            last.message = clean;
        }
        serde_json::to_vec(&saved).ok()
    }

    /// Take up what [`Syslog::state`] gave. Unreadable state is an empty one.
    pub fn restore(&mut self, state: &[u8]) {
        if let Ok(saved) = serde_json::from_slice::<Saved>(state) {
            self.years = Years { last: saved.newest_us.map(Timestamp) };
            self.last = saved.last;
        }
    }

    /// Decode one line whose head was read: one event, or several for a repeat.
    pub fn decode(
        &mut self,
        context: &Context<'_>,
        header: &Header<'_>,
        line: &str,
        mapper: &mut Mapper,
        out: &mut Output,
    ) {
        let time = self.time(context, header.wall.as_ref());
        let host = header.host.unwrap_or("");
        let mut work = Work { context, mapper, years: &mut self.years };
        match repeated(header.message) {
            None => {
                let event = work.build(header, line, time, 0, out);
                out.event(event);
                self.remember(host, header);
            }
            Some(Repeat::Inline(count, message)) => {
                let inner = Header { message, ..header.clone() };
                work.expand(&inner, line, time, count, out);
                self.remember(host, &inner);
            }
            Some(Repeat::Last(count)) => match self.last.get(host).cloned() {
                Some(last) => {
                    let again = Header {
                        program: header.program.or(last.program.as_deref()),
                        pid: header.pid.or(last.pid.as_deref()),
                        message: &last.message,
                        ..header.clone()
                    };
                    work.expand(&again, line, time, count, out);
                }
                None => {
                    let event = work.build(header, line, time, 0, out);
                    out.event(event);
                }
            },
        }
    }

    /// The instant of a wall-clock time.
    pub fn time(&mut self, context: &Context<'_>, wall: Option<&Wall>) -> EventTime {
        let Some(wall) = wall else { return EventTime::None("missing_time") };
        let zone = context.settings.zone(&context.stream.source);
        match self.years.resolve_in(wall, newest(context), zone) {
            Some(at) => EventTime::At(at),
            None => EventTime::None("bad_time"),
        }
    }

    /// The instant of a time as a text wrote it.
    pub fn read_time(&mut self, context: &Context<'_>, text: &str, times: &Times) -> EventTime {
        read_time(context, text, times, &mut self.years)
    }

    fn remember(&mut self, host: &str, header: &Header<'_>) {
        if header.message.len() > REMEMBERED_BYTES_MAX {
            self.last.remove(host);
            return;
        }
        if !self.last.contains_key(host) {
            if self.last.len() >= HOSTS_MAX {
                self.last.pop_first();
            }
            self.last.insert(host.to_owned(), Last::default());
        }
        if let Some(last) = self.last.get_mut(host) {
            put(&mut last.program, header.program);
            put(&mut last.pid, header.pid);
            last.message.clear();
            last.message.push_str(header.message);
        }
    }
}

/// Overwrite in place: this runs for every line.
fn put(slot: &mut Option<String>, text: Option<&str>) {
    match (slot.as_mut(), text) {
        (Some(known), Some(text)) => {
            known.clear();
            known.push_str(text);
        }
        (_, text) => *slot = text.map(str::to_owned),
    }
}

/// No line of the stream is newer than this.
fn newest(context: &Context<'_>) -> Timestamp {
    if let Some(EventTime::At(at)) = context.envelope.and_then(|envelope| envelope.time) {
        return at;
    }
    let stream = context.stream;
    if stream.live || stream.modified.0 <= 0 {
        context.ingested.max(stream.modified)
    } else {
        stream.modified
    }
}

fn read_time(context: &Context<'_>, text: &str, times: &Times, years: &mut Years) -> EventTime {
    let zone = context.settings.zone(&context.stream.source);
    let anchor = Anchor { newest: newest(context), zone };
    clock::read(text, times, years, &anchor).unwrap_or(EventTime::None("bad_time"))
}

enum Repeat<'a> {
    /// rsyslog: `message repeated 5 times: [ text]`.
    Inline(u64, &'a str),
    /// sysklogd: `last message repeated 5 times`.
    Last(u64),
}

fn repeated(message: &str) -> Option<Repeat<'_>> {
    if let Some(rest) = message.strip_prefix("message repeated ") {
        let (count, rest) = rest.split_once(" times: [")?;
        let inner = rest.trim_end().strip_suffix(']')?;
        let count = count.parse().ok()?;
        return Some(Repeat::Inline(count, inner.strip_prefix(' ').unwrap_or(inner)));
    }
    let rest = message.strip_prefix("last message repeated ")?;
    let (count, _) = rest.split_once(" time")?;
    Some(Repeat::Last(count.parse().ok()?))
}

/// What making events of one line takes.
struct Work<'w> {
    context: &'w Context<'w>,
    mapper: &'w mut Mapper,
    years: &'w mut Years,
}

impl Work<'_> {
    /// One record, `count` events.
    fn expand(
        &mut self,
        header: &Header<'_>,
        line: &str,
        time: EventTime,
        count: u64,
        out: &mut Output,
    ) {
        for index in 0..count.clamp(1, REPEATS_MAX) {
            let mut event = self.build(header, line, time, index, out);
            if count > REPEATS_MAX {
                let count = i64::try_from(count).unwrap_or(i64::MAX);
                event.push_named("event.repeats", Value::Int(count));
            }
            if index == 0 { out.event(event) } else { out.extra_event(event) }
        }
    }

    fn build(
        &mut self,
        header: &Header<'_>,
        line: &str,
        time: EventTime,
        index: u64,
        out: &mut Output,
    ) -> Event {
        let context = self.context;
        let mut event = Event::with_capacity(32, 512 + 3 * line.len());
        event.id = context.nth_place_id(index);
        let message = without_solaris_id(header.message);
        let mut scrub = Scrub::new(context.settings, out);
        let text = scrubbed(message, &mut scrub);
        event.push_str(field::MESSAGE, text.trim());
        if context.settings.keep_original {
            // The head of a line (time, host, program) holds no secret.
            let original = match text {
                Cow::Borrowed(_) => Cow::Borrowed(line),
                Cow::Owned(_) => scrub.copy(line),
            };
            event.push_str(field::EVENT_ORIGINAL, &original);
        }
        push_header(header, &mut event);
        if !header.structured.is_empty() {
            push_structured(header.structured, &mut scrub, &mut event);
        }
        let program = header.program.unwrap_or("");
        let known = programs::map(program, message, &mut scrub, &mut event);
        let mapped = match known {
            Known::Understood => None,
            Known::Family if !self.mapper.claims_program(program) => None,
            _ => self.map(header, program, text.trim(), line, &mut event, out),
        };
        programs::name(program, &mut event);
        let named = header.host.filter(|_| !mapped.as_ref().is_some_and(|found| found.whole));
        let (time, host) = match mapped {
            Some(found) => (self.better(time, &found), found.host),
            None => (time, None),
        };
        let host = host.as_deref().or(named);
        finish(&mut event, time, host, None, &Place::of(context), out);
        event
    }

    /// What a mapping makes of the message; or of the whole line, when its head is one by chance.
    fn map(
        &mut self,
        header: &Header<'_>,
        program: &str,
        text: &str,
        line: &str,
        event: &mut Event,
        out: &mut Output,
    ) -> Option<Found> {
        let redaction = Redaction::new(&self.context.settings.redactor, text.as_bytes());
        let mapper = &mut *self.mapper;
        let whole = if mapper.claims_program(program) || names_its_vendor(text) {
            None
        } else {
            // Counted in the message.
            let clean = self.context.settings.redactor.copy(line);
            // What a head that was read by chance seems to say must not stand beside what the mapping says.
            take_back(event);
            let whole = mapper.line(&clean, &redaction, event, out);
            if whole.is_none() {
                push_program(header, event);
            }
            whole
        };
        let by_line = whole.is_some();
        let mapped = whole.or_else(|| mapper.message(program, text, &redaction, event, out))?;
        let mut found = mapped.found;
        found.whole = by_line;
        if let Some(message) = &found.message {
            event.set_str(field::MESSAGE, message.trim());
        }
        let times = mapper.mapping(mapped.number).map(|mapping| &mapping.time)?;
        found.read =
            found.time.as_deref().map(|text| read_time(self.context, text, times, self.years));
        Some(found)
    }

    /// The time that a whole line or a message states counts where the head states none.
    fn better(&self, time: EventTime, found: &Found) -> EventTime {
        match (time, found.read) {
            (EventTime::None(_), Some(read)) => read,
            (_, Some(read @ EventTime::At(_))) if found.whole => read,
            _ => time,
        }
    }
}

/// The message without secrets. sshd's own words about passwords announce none; they are left out of the
/// search, which would otherwise look closely at every failed login.
fn scrubbed<'t>(message: &'t str, scrub: &mut Scrub<'_>) -> Cow<'t, str> {
    const OWN_WORDS: [&str; 2] = ["Failed password for ", "Accepted password for "];
    let rest = OWN_WORDS.iter().find_map(|words| message.strip_prefix(words));
    match rest {
        Some(rest) if matches!(scrub.text(rest), Cow::Borrowed(_)) => Cow::Borrowed(message),
        _ => scrub.text(message),
    }
}

/// Solaris writes `[ID 800047 auth.notice] ` before the text.
fn without_solaris_id(message: &str) -> &str {
    let text = message.strip_prefix("[ID ").and_then(|rest| rest.split_once("] "));
    text.map_or(message, |(_, text)| text)
}

/// CEF and LEEF stand behind a head that is right.
fn names_its_vendor(text: &str) -> bool {
    text.contains("CEF:") || text.contains("LEEF:")
}

fn take_back(event: &mut Event) {
    for field in [
        field::SYSLOG_APPNAME,
        field::PROCESS_NAME,
        field::PROCESS_PID,
        field::SYSLOG_PROCID,
        field::SYSLOG_MSGID,
    ] {
        event.remove(field);
    }
}

/// Put what a header says into fields.
pub fn push_header(header: &Header<'_>, event: &mut Event) {
    push_priority(header.priority, event);
    push_program(header, event);
}

fn push_priority(priority: Option<u8>, event: &mut Event) {
    let Some(priority) = priority else { return };
    event.push_int(field::SYSLOG_PRIORITY, i64::from(priority));
    if let Some(name) = FACILITIES.get(usize::from(priority / 8)) {
        event.push_str(field::SYSLOG_FACILITY, name);
    }
    if let Some(name) = SEVERITIES.get(usize::from(priority % 8)) {
        event.push_str(field::SYSLOG_SEVERITY, name);
    }
}

fn push_program(header: &Header<'_>, event: &mut Event) {
    if let Some(program) = header.program {
        event.push_str(field::SYSLOG_APPNAME, program);
        event.push_str(field::PROCESS_NAME, programs::base_name(program));
    }
    if let Some(pid) = header.pid {
        match pid.parse::<u32>() {
            Ok(pid) => event.push_int(field::PROCESS_PID, i64::from(pid)),
            Err(_) => event.push_str(field::SYSLOG_PROCID, pid),
        }
    }
    if let Some(id) = header.message_id {
        event.push_str(field::SYSLOG_MSGID, id);
    }
}

fn push_structured(structured: &str, scrub: &mut Scrub<'_>, event: &mut Event) {
    header::structured_params(structured, &mut |id, name, value| {
        // Names come from the sender: only tame ones become field names, and they are bounded in length.
        let tame = |text: &str| {
            text.len() <= 64 && text.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'"')
        };
        if tame(id) && tame(name) {
            let key = format!("log.syslog.structured_data.{id}.{name}");
            event.push_named(&key, Value::Str(&scrub.text(value)));
        } else {
            event.fields_dropped += 1;
        }
    });
}

#[cfg(test)]
#[path = "syslog_tests.rs"]
mod tests;
