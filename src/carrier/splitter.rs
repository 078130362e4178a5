//! One face for the carriers that take a stream piece by piece, so that sources need not know which one they feed.

use std::ops::ControlFlow;

use super::json_documents::JsonDocuments;
use super::xml_events::XmlEvents;
use super::{Chunk, Sink};

/// A carrier at work on one stream.
#[derive(Debug)]
pub enum Splitter {
    /// Documents.
    Json(JsonDocuments),
    /// Windows events as XML.
    Xml(XmlEvents),
}

impl Splitter {
    /// Split a piece of the stream; full chunks go to `sink`.
    pub fn feed(&mut self, piece: &[u8], sink: &mut Sink<'_>) -> ControlFlow<()> {
        match self {
            Splitter::Json(json) => json.feed(piece, sink),
            Splitter::Xml(xml) => xml.feed(piece, sink),
        }
    }

    /// The complete records so far.
    pub fn take(&mut self) -> Chunk {
        match self {
            Splitter::Json(json) => json.take(),
            Splitter::Xml(xml) => xml.take(),
        }
    }

    /// The stream has ended: what is unfinished is a record too, and the rest is handed on.
    pub fn finish(&mut self, sink: &mut Sink<'_>) -> ControlFlow<()> {
        match self {
            Splitter::Json(json) => sink(json.finish()),
            Splitter::Xml(xml) => xml.finish(sink),
        }
    }

    /// Bytes taken so far.
    pub fn offset(&self) -> u64 {
        match self {
            Splitter::Json(json) => json.offset(),
            Splitter::Xml(xml) => xml.offset(),
        }
    }
}
