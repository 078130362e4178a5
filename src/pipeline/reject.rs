//! A record that is kept with its reason before a decoder sees it.

use std::sync::Arc;

use crate::model::record::{Batch, Record, Reject};
use crate::normalise::Settings;
use crate::normalise::redact::Counts;
use crate::stdx::id::IdHasher;
use crate::stdx::limits::REJECT_HEAD_BYTES_MAX;
use crate::stdx::time::Timestamp;

/// The record of a batch, its head without secrets.
pub(crate) fn reject(
    batch: &Batch,
    record: &Record,
    settings: &Settings,
    at: Timestamp,
    (reason, detail): (&'static str, String),
) -> Reject {
    let stream = &batch.stream;
    let bytes = batch.bytes(record);
    let head = String::from_utf8_lossy(bytes.get(..REJECT_HEAD_BYTES_MAX).unwrap_or(bytes));
    let head = settings.redactor.text(&head, &mut Counts::default()).into_owned();
    let mut id = IdHasher::new("reject");
    id.text(&stream.tenant).bytes(stream.place().as_bytes()).number(record.offset);
    Reject {
        id: id.text(reason).finish(),
        source: Arc::clone(&stream.source),
        path: Arc::clone(&stream.path),
        offset: record.offset,
        at,
        reason,
        detail,
        head: head.into_bytes(),
    }
}
