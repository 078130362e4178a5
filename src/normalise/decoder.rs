//! The decoder of one stream: sends every record to the decoder of its format and keeps what they carry over.

use std::sync::Arc;

use crate::model::record::{Batch, Framing, Stream};
use crate::normalise::Context;
use crate::normalise::linux::Linux;
use crate::normalise::output::Output;
use crate::normalise::settings::Settings;
use crate::normalise::sniff::{Format, sniff};
use crate::stdx::time::Timestamp;

/// Decodes the records of one stream, in order.
pub struct Decoder {
    stream: Arc<Stream>,
    settings: Arc<Settings>,
    forced: Option<Format>,
    linux: Linux,
}

impl Decoder {
    /// A decoder without history.
    pub fn new(stream: Arc<Stream>, settings: Arc<Settings>) -> Decoder {
        let forced = Format::parse(&stream.format).filter(|format| *format != Format::Auto);
        let linux = Linux::new(&settings);
        Decoder { stream, settings, forced, linux }
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
            Some(Format::Auditd) if self.forced.is_some() => self.linux.decode_auditd(context, out),
            Some(Format::Auditd | Format::Syslog) => self.linux.decode(context, out),
            Some(_) | None => out.reject(context, "unknown_format", "no decoder knows this record"),
        }
    }
}
