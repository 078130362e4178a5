//! Text records: audit records, syslog lines, lines that a mapping knows by their look, and records wrapped in them.

use crate::model::event::Event;
use crate::model::field;
use crate::normalise::Context;
use crate::normalise::complete::{EventTime, Place, finish};
use crate::normalise::decoder::Decoder;
use crate::normalise::envelope::Envelope;
use crate::normalise::linux::header::{self, Header};
use crate::normalise::linux::syslog::push_header;
use crate::normalise::mapping::mapper::Mapped;
use crate::normalise::output::Output;
use crate::normalise::redact::Redaction;
use crate::stdx::limits::WRAPPERS_MAX;

impl Decoder {
    /// Decode a record that is no JSON.
    pub(super) fn text(&mut self, context: &Context<'_>, out: &mut Output) {
        let in_list = context.envelope.is_some_and(|envelope| envelope.element.is_some());
        if !in_list && self.linux.is_audit_record(context.bytes) {
            return self.linux.decode_auditd(context, out);
        }
        // A crash leaves blocks of zeros before the first line that was written after it.
        let bytes = trim_zeros(context.bytes);
        if memchr::memchr(0, bytes).is_some() {
            return out.reject(context, "binary", "the line holds zero bytes");
        }
        let line = String::from_utf8_lossy(bytes);
        self.mapper();
        let written =
            context.envelope.and_then(|envelope| Some((envelope, envelope.program.as_deref()?)));
        if let Some((envelope, program)) = written {
            if let Some(inner) = wrapped(&line).filter(|_| envelope.depth < WRAPPERS_MAX) {
                let further = Envelope::within(context.envelope);
                return self.nested(context, inner, &further, out);
            }
            let header = Header::of_message(program, envelope.pid.as_deref(), &line);
            return self.linux.decode_syslog(context, &header, &line, &mut self.mapper, out);
        }
        let first = context.record.offset == 0 && context.envelope.is_none();
        let in_list = context.envelope.is_some_and(|envelope| envelope.element.is_some());
        if !in_list && self.wrapped_line(context, &line, out) {
            return;
        }
        if self.mapper.is_tabular(&line, first) && self.row(context, &line, out) {
            return;
        }
        match header::parse(&line) {
            Some(header) if header.program.is_none() && self.mapper.wraps(&line) => {
                self.without_header(context, &line, out);
            }
            Some(header) => self.with_header(context, &header, &line, out),
            None => self.without_header(context, &line, out),
        }
    }

    /// A line that names columns, or has the columns that a line before it named.
    fn row(&mut self, context: &Context<'_>, line: &str, out: &mut Output) -> bool {
        let redaction = Redaction::new(&context.settings.redactor, line.as_bytes());
        let clean = redaction.text(line, &mut out.redacted);
        let mut event = Event::with_capacity(48, 512 + 2 * line.len());
        event.id = context.place_id();
        let Some(mapped) = self.mapper.tabular(&clean, &redaction, &mut event, out) else {
            return false;
        };
        self.finish_line(context, event, mapped, &clean, out);
        true
    }

    fn with_header(
        &mut self,
        context: &Context<'_>,
        header: &Header<'_>,
        line: &str,
        out: &mut Output,
    ) {
        let depth = context.envelope.map_or(0, |envelope| envelope.depth);
        if let Some(inner) = wrapped(header.message).filter(|_| depth < WRAPPERS_MAX) {
            let mut fields = Event::default();
            push_header(header, &mut fields);
            let mut envelope = Envelope::within(context.envelope);
            envelope.add(&fields);
            envelope.host = header.host.map(str::to_owned).or(envelope.host);
            if let Some(wall) = &header.wall {
                envelope.time = Some(self.linux.wall_time(context, wall));
            }
            return self.nested(context, inner, &envelope, out);
        }
        self.linux.decode_syslog(context, header, line, &mut self.mapper, out);
    }

    /// A line that begins with neither a priority nor a time that syslog knows.
    fn without_header(&mut self, context: &Context<'_>, line: &str, out: &mut Output) {
        let redaction = Redaction::new(&context.settings.redactor, line.as_bytes());
        let clean = redaction.text(line, &mut out.redacted);
        let mut event = Event::with_capacity(32, 512 + 3 * line.len());
        event.id = context.place_id();
        if is_head_of_table(line) {
            event.push_str(field::MESSAGE, &clean);
            let time = EventTime::None("missing_time");
            return finish_plain(context, event, time, None, &clean, out);
        }
        match self.mapper.line(&clean, &redaction, &mut event, out) {
            Some(mapped) => self.finish_line(context, event, mapped, &clean, out),
            // The wrapper vouches for it: some program's own words.
            None if context.envelope.is_some() => {
                event.push_str(field::MESSAGE, &clean);
                finish_plain(context, event, EventTime::None("missing_time"), None, &clean, out);
            }
            None => out.reject(context, "unknown_format", "no time and no priority at its start"),
        }
    }

    /// A line for the mapping that the stream names.
    pub(super) fn line_by_mapping(
        &mut self,
        number: usize,
        context: &Context<'_>,
        out: &mut Output,
    ) {
        let line = String::from_utf8_lossy(context.bytes);
        let redaction = Redaction::new(&context.settings.redactor, line.as_bytes());
        let clean = redaction.text(&line, &mut out.redacted);
        let mut event = Event::with_capacity(32, 512 + 3 * line.len());
        event.id = context.place_id();
        let header = header::parse(&clean);
        let text = header.as_ref().map_or(&*clean, |header| header.message);
        let whole = header.is_none() || self.mapper.claims_line(number, &clean);
        let text = if whole { &*clean } else { text };
        let Some(mapped) = self.mapper.forced(number, text, &redaction, &mut event, out) else {
            return out.reject(context, "unknown_format", "the mapping does not know this line");
        };
        if let Some(header) = header.as_ref().filter(|_| !whole) {
            push_header(header, &mut event);
            let wall = header.wall.as_ref();
            let time = wall.map_or(EventTime::None("missing_time"), |wall| {
                self.linux.wall_time(context, wall)
            });
            event.push_str(field::MESSAGE, header.message);
            let host = mapped.found.host.as_deref().or(header.host);
            return finish_plain(context, event, time, host, &clean, out);
        }
        self.finish_line(context, event, mapped, &clean, out);
    }

    fn finish_line(
        &mut self,
        context: &Context<'_>,
        mut event: Event,
        mapped: Mapped,
        line: &str,
        out: &mut Output,
    ) {
        let Mapped { number, found } = mapped;
        let time = self.time(context, number, &found);
        let message = found.message.as_deref().unwrap_or(line).trim();
        let wraps = self.mapper.mapping(number).is_some_and(|mapping| mapping.inner.is_some());
        let depth = context.envelope.map_or(0, |envelope| envelope.depth);
        if wraps && depth < WRAPPERS_MAX && !message.is_empty() && message.len() < line.len() {
            let mut envelope = Envelope::within(context.envelope);
            envelope.add(&event);
            envelope.host = found.host.or(envelope.host);
            envelope.time = match time {
                EventTime::None(_) => envelope.time,
                known => Some(known),
            };
            return self.nested(context, message, &envelope, out);
        }
        if !event.has(field::MESSAGE) {
            event.push_str(field::MESSAGE, message);
        }
        finish_plain(context, event, time, found.host.as_deref(), line, out);
    }
}

/// Finish an event of a text whose secrets are replaced already.
fn finish_plain(
    context: &Context<'_>,
    mut event: Event,
    time: EventTime,
    host: Option<&str>,
    clean: &str,
    out: &mut Output,
) {
    if context.settings.keep_original && !event.has(field::EVENT_ORIGINAL) {
        event.push_str(field::EVENT_ORIGINAL, clean);
    }
    finish(&mut event, time, host, None, &Place::of(context), out);
    out.event(event);
}

/// A record inside a syslog message: JSON (also marked as such by `@cee:`), or a Windows event as XML.
fn wrapped(message: &str) -> Option<&str> {
    let text = message.trim_start();
    let text = text.strip_prefix("@cee:").map_or(text, str::trim_start);
    let json = text.starts_with("{\"") || text.starts_with("{ \"");
    (json || text.starts_with("<Event")).then_some(text)
}

/// What W3C and Zeek logs say about themselves before and after the line that names the columns.
fn is_head_of_table(line: &str) -> bool {
    const WORDS: [&str; 12] = [
        "#Software:",
        "#Version:",
        "#Date:",
        "#Start-Date:",
        "#End-Date:",
        "#Remark:",
        "#separator",
        "#set_separator",
        "#empty_field",
        "#unset_field",
        "#path",
        "#open",
    ];
    line.starts_with('#') && WORDS.iter().any(|word| line.starts_with(word))
}

fn trim_zeros(bytes: &[u8]) -> &[u8] {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    bytes.get(zeros..).unwrap_or_default()
}
