//! The decoder of one stream: sends every record to the decoder of its format and keeps what they carry over.

use std::sync::Arc;

use crate::model::record::{Batch, Framing, Shape, Stream};
use crate::normalise::Context;
use crate::normalise::cri::Joiner;
use crate::normalise::csv_row::CsvReader;
use crate::normalise::document::Document;
use crate::normalise::linux::Linux;
use crate::normalise::mapping::mapper::Mapper;
use crate::normalise::otlp::Form;
use crate::normalise::output::{Output, Trace};
use crate::normalise::redact::identity::{Mark, settle};
use crate::normalise::settings::Settings;
use crate::normalise::sniff::{Format, sniff, without_mark};
use crate::normalise::state::{Section, pack, section};
use crate::normalise::windows::scripts::Scripts;
use crate::stdx::time::Timestamp;

/// Decodes the records of one stream, in order.
pub struct Decoder {
    settings: Arc<Settings>,
    pub(super) forced: Option<Forced>,
    pub(super) linux: Linux,
    pub(super) document: Document,
    pub(super) mapper: Mapper,
    pub(super) scripts: Scripts,
    pub(super) csv: CsvReader,
    pub(super) cri: Joiner,
}

/// A format that the stream names.
#[derive(Clone, Debug)]
pub(super) enum Forced {
    /// One that code reads.
    Format(Format),
    /// A mapping, by its name.
    Mapping(Arc<str>),
}

impl Decoder {
    /// A decoder without history.
    pub fn new(stream: &Stream, settings: Arc<Settings>) -> Decoder {
        let forced = match Format::parse(&stream.format) {
            Some(Format::Auto) => None,
            Some(format) => Some(Forced::Format(format)),
            None => Some(Forced::Mapping(Arc::clone(&stream.format))),
        };
        let linux = Linux::new(&settings);
        Decoder {
            settings,
            forced,
            linux,
            document: Document::default(),
            mapper: Mapper::default(),
            scripts: Scripts::default(),
            csv: CsvReader::default(),
            cri: Joiner::default(),
        }
    }

    /// Take up what [`Decoder::state`] gave before the restart. Unreadable state is an empty one.
    pub fn restore(&mut self, state: &[u8]) {
        if let Some(bytes) = section(state, Section::Linux) {
            self.linux.restore(bytes);
        }
        if let Some(bytes) = section(state, Section::Mappings) {
            self.mapper.restore(bytes);
        }
        if let Some(bytes) = section(state, Section::Partial) {
            self.cri.restore(bytes);
        }
        if let Some(bytes) = section(state, Section::Scripts) {
            self.scripts.restore(bytes);
        }
    }

    /// What the records read so far leave for later ones, for the commit; `None` when nothing does.
    pub fn state(&self) -> Option<Vec<u8>> {
        pack(&[
            (Section::Linux, self.linux.state()),
            (Section::Mappings, self.mapper.state()),
            (Section::Scripts, self.scripts.state()),
            (Section::Partial, self.cri.state()),
        ])
    }

    /// Records that were received and are neither in an event nor rejected yet.
    pub fn open_records(&self) -> u64 {
        self.linux.open_records() + self.cri.open_records()
    }

    /// Decode the records of a batch, then close what its flush says.
    pub fn decode(&mut self, batch: &Batch, out: &mut Output) {
        let ingested = Timestamp::now();
        let stream = &batch.stream;
        let settings = Arc::clone(&self.settings);
        let mark = Mark::of(out);
        for record in &batch.records {
            let bytes = batch.bytes(record);
            let context =
                Context { stream, record, bytes, settings: &settings, ingested, envelope: None };
            out.received += 1;
            if out.explain {
                out.trace = Trace { carrier: Some(carrier(record.shape)), ..Trace::default() };
            }
            self.record(&context, out);
        }
        self.flush_parts(batch.flush, ingested, stream, &settings, out);
        self.linux.flush(batch.flush, ingested, stream, &settings, out);
        settle(&settings.redactor, settings.keep_original, mark, out);
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
        match context.record.shape {
            Shape::JournalExport => return self.journal_export(context, out),
            Shape::Csv => return self.csv_row(context, out),
            Shape::Otlp => return self.otlp(context, Form::Protobuf, out),
            Shape::Line | Shape::Json | Shape::Evtx | Shape::Xml => {}
        }
        match self.forced.clone() {
            None => self.find_out(context, out),
            Some(Forced::Format(Format::Windows)) if is_xml(context.bytes) => {
                self.xml(context, out)
            }
            Some(Forced::Format(Format::Windows)) => self.json(context, None, out),
            Some(Forced::Format(Format::Json)) => self.any_json(context, out),
            Some(Forced::Format(Format::Auditd)) => self.linux.decode_auditd(context, out),
            Some(Forced::Format(Format::Syslog)) => self.text(context, out),
            Some(Forced::Format(Format::Auto)) => self.find_out(context, out),
            Some(Forced::Mapping(name)) => self.by_mapping(&name, context, out),
        }
    }

    /// Find out what the record is.
    pub(super) fn find_out(&mut self, context: &Context<'_>, out: &mut Output) {
        match sniff(context.record, context.bytes, context.envelope) {
            Some(Format::Windows) if is_xml(context.bytes) => self.xml(context, out),
            Some(Format::Windows | Format::Json) => self.json(context, None, out),
            Some(Format::Auditd | Format::Syslog) => self.text(context, out),
            Some(Format::Auto) | None => {
                out.reject(context, "unknown_format", "no decoder knows this record");
            }
        }
    }

    /// The mappings in force; read when the first record asks for them.
    pub(super) fn mapper(&mut self) -> &mut Mapper {
        self.mapper.use_library(self.settings.mappings.current());
        &mut self.mapper
    }
}

fn is_xml(bytes: &[u8]) -> bool {
    without_mark(bytes).trim_ascii_start().starts_with(b"<")
}

fn carrier(shape: Shape) -> &'static str {
    match shape {
        Shape::Line => "lines",
        Shape::Json => "json documents",
        Shape::Evtx => "evtx",
        Shape::Xml => "xml events",
        Shape::JournalExport => "journal export",
        Shape::Csv => "csv rows",
        Shape::Otlp => "otlp messages",
    }
}
