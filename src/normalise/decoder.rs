//! The decoder of one stream: sends every record to the decoder of its format and keeps what they carry over.

use std::sync::Arc;

use crate::model::record::{Batch, Framing, Stream};
use crate::normalise::document::Document;
use crate::normalise::linux::Linux;
use crate::normalise::names::Names;
use crate::normalise::output::Output;
use crate::normalise::settings::Settings;
use crate::normalise::sniff::{Format, sniff, without_mark};
use crate::normalise::{Context, json, windows};
use crate::stdx::time::Timestamp;

/// How to take a JSON object.
#[derive(Clone, Copy, PartialEq, Eq)]
enum JsonAs {
    /// As a Windows event if it is one.
    WindowsOrAny,
    /// As an object like any other.
    Any,
}

/// Decodes the records of one stream, in order.
pub struct Decoder {
    stream: Arc<Stream>,
    settings: Arc<Settings>,
    forced: Option<Format>,
    linux: Linux,
    document: Document,
    names: Names,
}

impl Decoder {
    /// A decoder without history.
    pub fn new(stream: Arc<Stream>, settings: Arc<Settings>) -> Decoder {
        let forced = Format::parse(&stream.format).filter(|format| *format != Format::Auto);
        let linux = Linux::new(&settings);
        Decoder {
            stream,
            settings,
            forced,
            linux,
            document: Document::default(),
            names: Names::default(),
        }
    }

    /// Take up what [`Decoder::state`] gave before the restart. Unreadable state is an empty one.
    pub fn restore(&mut self, state: &[u8]) {
        self.linux.restore(state);
    }

    /// What the records read so far leave for later ones, for the commit; `None` when nothing does.
    pub fn state(&self) -> Option<Vec<u8>> {
        self.linux.state()
    }

    /// Records that were received and are neither in an event nor rejected yet.
    pub fn open_records(&self) -> u64 {
        self.linux.open_records()
    }

    /// Decode the records of a batch, then close what its flush says.
    pub fn decode(&mut self, batch: &Batch, out: &mut Output) {
        let ingested = Timestamp::now();
        let stream = Arc::clone(&self.stream);
        let settings = Arc::clone(&self.settings);
        for record in &batch.records {
            let bytes = batch.bytes(record);
            let context = Context { stream: &stream, record, bytes, settings: &settings, ingested };
            out.received += 1;
            self.record(&context, out);
        }
        self.linux.flush(batch.flush, ingested, &stream, &settings, out);
    }

    fn record(&mut self, context: &Context<'_>, out: &mut Output) {
        match context.record.framing {
            Framing::TooLong => {
                return out.reject(
                    context,
                    "too_long",
                    "the record is longer than limits.record_bytes_max",
                );
            }
            Framing::Damaged => {
                let why = String::from_utf8_lossy(context.bytes).into_owned();
                return out.reject(context, "damaged", why);
            }
            Framing::Whole => {}
        }
        match self.forced.or_else(|| sniff(context.record, context.bytes)) {
            Some(Format::Windows) => self.json(context, JsonAs::WindowsOrAny, out),
            Some(Format::Json) => self.json(context, JsonAs::Any, out),
            Some(Format::Auditd) if self.forced.is_some() => self.linux.decode_auditd(context, out),
            Some(Format::Auditd | Format::Syslog) => self.linux.decode(context, out),
            Some(Format::Auto) | None => {
                out.reject(context, "unknown_format", "no decoder knows this record");
            }
        }
    }

    fn json(&mut self, context: &Context<'_>, how: JsonAs, out: &mut Output) {
        let Decoder { document, names, .. } = self;
        let original = match document.read(without_mark(context.bytes), names) {
            Ok(original) => original,
            Err(error) => return out.reject(context, error.reason(), error.to_string()),
        };
        let done =
            how == JsonAs::WindowsOrAny && windows::decode(context, document, names, original, out);
        if !done {
            json::decode(context, document, names, original, out);
        }
    }
}
