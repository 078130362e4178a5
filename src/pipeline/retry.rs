//! Another try at records that were rejected: would the decoders of this program read them? Nothing is stored.

use std::sync::Arc;

use crate::carrier::{journal_export, xml_events};
use crate::config::Config;
use crate::model::class::Class;
use crate::model::record::{Batch, Flush, Shape, StoredReject, Stream};
use crate::normalise::{Decoder, Output, Settings};
use crate::stdx::limits::REJECT_HEAD_BYTES_MAX;

/// What became of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Retried {
    /// It would become events.
    Readable {
        /// How many.
        events: usize,
        /// The class of the first.
        class: Class,
    },
    /// It would be taken in, but makes an event only together with other records.
    Waits,
    /// It would be rejected again.
    Rejected {
        /// The stable word.
        reason: &'static str,
        /// What exactly is wrong.
        detail: String,
    },
    /// Only its head is kept, so nothing can be said.
    Cut,
}

/// Decode the kept heads again, each by itself.
///
/// # Errors
/// A redaction pattern of the configuration that is no regular expression, or no key where pseudonyms need one.
pub fn retry(config: &Config, rejects: &[StoredReject]) -> anyhow::Result<Vec<Retried>> {
    let settings = Arc::new(Settings::new(config)?);
    Ok(rejects.iter().map(|reject| one(config, &settings, reject)).collect())
}

fn one(config: &Config, settings: &Arc<Settings>, reject: &StoredReject) -> Retried {
    // A damaged record's head is the carrier's complaint, not the record.
    let source = config.sources.iter().find(|source| source.name == reject.source);
    let format = source.map_or("auto", |source| source.format.as_str());
    let is_cut = matches!(reject.reason.as_str(), "too_long" | "damaged")
        // The head is kept as text, which a protobuf message is not.
        || format == "otlp_protobuf"
        || reject.head.is_empty()
        || reject.head.len() >= REJECT_HEAD_BYTES_MAX
        // A cut head can be shorter than the limit once a secret in it was replaced.
        || (reject.head.len() > REJECT_HEAD_BYTES_MAX / 2 && has_redaction(&reject.head));
    if is_cut {
        return Retried::Cut;
    }
    let stream = Arc::new(Stream {
        id: reject.id,
        format: format.into(),
        modified: reject.at,
        ..Stream::of_path(&reject.source, &reject.path)
    });
    let mut batch = Batch::new(Arc::clone(&stream), Flush::End);
    batch.push(&reject.head, reject.offset, shape(&reject.head, format));
    let mut decoder = Decoder::new(&stream, Arc::clone(settings));
    let mut out = Output::default();
    decoder.decode(&batch, &mut out);
    match (out.events.first(), out.rejects.first()) {
        (Some(event), _) => Retried::Readable { events: out.events.len(), class: event.class },
        (None, Some(again)) => {
            Retried::Rejected { reason: again.reason, detail: again.detail.clone() }
        }
        (None, None) => Retried::Waits,
    }
}

fn has_redaction(head: &[u8]) -> bool {
    memchr::memmem::find(head, b"<redacted:").is_some()
}

/// What the carrier said of the record, which is not kept, by its look: a document over several lines was split as a
/// document, an event as XML as such, a row has its header, all else was a line.
fn shape(head: &[u8], format: &str) -> Shape {
    if format == "csv" {
        return Shape::Csv;
    }
    if journal_export::recognise(head) {
        return Shape::JournalExport;
    }
    let text = head.trim_ascii_start();
    match text.first() {
        Some(b'{') if text.contains(&b'\n') => Shape::Json,
        Some(b'<') if xml_events::recognise(text) => Shape::Xml,
        _ => Shape::Line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stdx::id::Id128;
    use crate::stdx::time::Timestamp;

    fn reject(reason: &str, head: &str) -> StoredReject {
        StoredReject {
            sequence: 1,
            id: Id128([7; 16]),
            source: "auth".to_owned(),
            path: "/var/log/auth.log".to_owned(),
            offset: 0,
            at: Timestamp(1_795_334_400_000_000),
            reason: reason.to_owned(),
            detail: String::new(),
            head: head.as_bytes().to_vec(),
        }
    }

    #[test]
    fn each_head_is_judged_by_itself() {
        let long = "x".repeat(REJECT_HEAD_BYTES_MAX);
        let rejects = [
            reject(
                "unknown_format",
                "2026-11-22T08:00:00Z web01 sshd[7]: Server listening on :: port 22.",
            ),
            reject("unknown_format", "no time at all"),
            reject("not_json", "{\"a\": tru"),
            reject("unknown_format", &long),
            reject("damaged", "2026-11-22T08:00:00Z web01 sshd[7]: x"),
            reject("not_json", "{\n \"message\": \"hello\"\n}"),
        ];
        let checked = crate::config::check::check(&Default::default());
        let all = retry(&checked.config, &rejects).unwrap();
        assert!(matches!(all.first(), Some(Retried::Readable { events: 1, .. })), "{all:?}");
        assert!(matches!(all.get(1), Some(Retried::Rejected { reason: "unknown_format", .. })));
        assert!(matches!(all.get(2), Some(Retried::Rejected { .. })), "{all:?}");
        assert_eq!(all.get(3), Some(&Retried::Cut));
        assert_eq!(all.get(4), Some(&Retried::Cut));
        assert!(matches!(all.get(5), Some(Retried::Readable { .. })), "{all:?}");
    }
}
