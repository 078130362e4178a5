//! One face for the carriers that take a stream piece by piece, so that sources need not know which one they feed.

use std::ops::ControlFlow;

use super::csv_rows::CsvRows;
use super::fluent_forward::FluentForward;
use super::journal_export::JournalExport;
use super::json_documents::JsonDocuments;
use super::otlp_messages::OtlpMessages;
use super::syslog_frames::SyslogFrames;
use super::xml_events::XmlEvents;
use super::{Chunk, Sink};

/// A carrier at work on one stream.
#[derive(Debug)]
pub enum Splitter {
    /// Documents.
    Json(JsonDocuments),
    /// Windows events as XML.
    Xml(XmlEvents),
    /// The systemd journal's export format.
    Journal(JournalExport),
    /// Syslog in frames.
    Frames(SyslogFrames),
    /// Rows below a row of column names.
    Csv(CsvRows),
    /// OpenTelemetry's protobuf messages.
    Otlp(OtlpMessages),
    /// Fluentd's forward protocol.
    Fluent(FluentForward),
}

impl Splitter {
    /// Split a piece of the stream; full chunks go to `sink`.
    pub fn feed(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        match self {
            Splitter::Json(json) => json.feed(piece, sink),
            Splitter::Xml(xml) => xml.feed(piece, sink),
            Splitter::Journal(journal) => journal.feed(piece, sink),
            Splitter::Frames(frames) => frames.feed(piece, sink),
            Splitter::Csv(rows) => rows.feed(piece, sink),
            Splitter::Otlp(messages) => messages.feed(piece, sink),
            Splitter::Fluent(entries) => entries.feed(piece, sink),
        }
    }

    /// The complete records so far.
    pub fn take(&mut self) -> Chunk {
        match self {
            Splitter::Json(json) => json.take(),
            Splitter::Xml(xml) => xml.take(),
            Splitter::Journal(journal) => journal.take(),
            Splitter::Frames(frames) => frames.take(),
            Splitter::Csv(rows) => rows.take(),
            Splitter::Otlp(messages) => messages.take(),
            Splitter::Fluent(entries) => entries.take(),
        }
    }

    /// The stream has ended: what is unfinished is a record too, and the rest is handed on.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        match self {
            Splitter::Json(json) => sink(json.finish()),
            Splitter::Xml(xml) => xml.finish(sink),
            Splitter::Journal(journal) => journal.finish(sink),
            Splitter::Frames(frames) => frames.finish(sink),
            Splitter::Csv(rows) => rows.finish(sink),
            Splitter::Otlp(messages) => messages.finish(sink),
            Splitter::Fluent(entries) => entries.finish(sink),
        }
    }

    /// Is nothing open that more bytes could complete?
    pub fn is_between(&self) -> bool {
        match self {
            Splitter::Json(json) => json.is_between(),
            Splitter::Xml(xml) => xml.is_between(),
            Splitter::Journal(journal) => journal.is_between(),
            Splitter::Frames(frames) => frames.is_between(),
            Splitter::Csv(rows) => rows.is_between(),
            Splitter::Otlp(messages) => messages.is_between(),
            Splitter::Fluent(entries) => entries.is_between(),
        }
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        match self {
            Splitter::Json(json) => json.offset(),
            Splitter::Xml(xml) => xml.offset(),
            Splitter::Journal(journal) => journal.offset(),
            Splitter::Frames(frames) => frames.offset(),
            Splitter::Csv(rows) => rows.offset(),
            Splitter::Otlp(messages) => messages.offset(),
            Splitter::Fluent(entries) => entries.offset(),
        }
    }
}
