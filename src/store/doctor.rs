//! Repairs that a person asks for: taking in events that lie beyond the books, after a database was
//! restored beside newer segments.

use std::path::Path;

use crate::config::store::StoreConfig;
use crate::stdx::time::Timestamp;
use crate::store::audit::{self, NewEntry};
use crate::store::event_log::{self, Tail, find_tails, segment_path};
use crate::store::local::{self, Grown};
use crate::store::sql::{self, Connection};
use crate::store::verbs::By;
use crate::store::{StoreError, folder, lengths, read_segments, retention, schema};

/// What [`adopt_tail`] took in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Adopted {
    /// Segments that were longer than recorded.
    pub segments: u64,
    /// Batches taken in.
    pub frames: u64,
    /// Events taken in.
    pub events: u64,
    /// Bytes behind the last whole batch that were cut.
    pub bytes_cut: u64,
}

/// Take the whole batches that lie beyond the books into them, and cut what is torn behind them. The
/// events become searchable; they are not judged again, and the ledger of their sources does not move.
pub async fn adopt_tail(
    dir: &Path,
    config: &StoreConfig,
    by: By<'_>,
    now: Timestamp,
) -> Result<Adopted, StoreError> {
    folder::prepare(dir)?;
    let _lock = folder::lock(dir)?;
    let mut sql = schema::open(dir, config).await?.writer;
    let segments = read_segments(&mut sql).await?;
    let books = lengths(&segments);
    let events_folder = folder::events_folder(dir);
    retention::name_kept(&events_folder, &segments)?;
    retention::remove_left(&mut sql, &events_folder).await?;
    let tails = find_tails(&events_folder, &books)?;
    if let Some(tail) = tails.iter().find(|tail| tail.more) {
        let file = segment_path(&events_folder, tail.number);
        let what = format!(
            "whole batches stand behind damaged bytes at {}: move the file aside",
            tail.whole_end
        );
        return Err(StoreError::Damaged { file, what });
    }
    let mut adopted = Adopted::default();
    let mut head = audit::read_head(&mut sql).await?;
    sql::begin(&mut sql).await?;
    let outcome = async {
        for tail in &tails {
            adopt_one(&mut sql, tail, &mut adopted).await?;
        }
        let detail = serde_json::json!({
            "segments": adopted.segments, "batches": adopted.frames, "events": adopted.events,
            "bytes_cut": adopted.bytes_cut,
        })
        .to_string();
        let entry = NewEntry {
            at: now,
            actor: by.actor,
            place: by.place,
            subject: "store",
            subject_id: "events",
            action: "adopt_tail",
            detail: &detail,
        };
        audit::append(&mut sql, &mut head, entry).await
    }
    .await;
    sql::end(&mut sql, outcome).await?;
    for tail in tails.iter().filter(|tail| tail.rest > 0) {
        let path = segment_path(&events_folder, tail.number);
        event_log::truncate(&path, tail.whole_end)
            .map_err(|source| StoreError::io("cut the event segment", &path, source))?;
    }
    Ok(adopted)
}

async fn adopt_one(
    sql: &mut Connection,
    tail: &Tail,
    adopted: &mut Adopted,
) -> Result<(), StoreError> {
    adopted.bytes_cut += tail.rest;
    let (Some(first), Some(last)) = (
        tail.frames.iter().map(|frame| frame.first_us).min(),
        tail.frames.iter().map(|frame| frame.last_us).max(),
    ) else {
        return Ok(());
    };
    let events: u64 = tail.frames.iter().map(|frame| frame.count).sum();
    let raw_bytes: u64 = tail.frames.iter().map(|frame| frame.raw_bytes).sum();
    let grown = Grown {
        number: tail.number,
        length: tail.whole_end,
        events,
        raw_bytes,
        first_us: first,
        last_us: last,
    };
    local::grow_segment(sql, &grown).await?;
    adopted.segments += 1;
    adopted.frames += tail.frames.len() as u64;
    adopted.events += events;
    Ok(())
}
