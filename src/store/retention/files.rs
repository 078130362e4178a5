//! Files of segments, around the transaction that says what is real: what went is removed, what is kept of a segment gets
//! its name, and a crash in between is made good at the next start.

use std::path::{Path, PathBuf};

use hashbrown::HashSet;

use crate::store::event_log::{segment_path, sync_folder};
use crate::store::events::Segment;
use crate::store::{StoreError, read_segments, sql};

/// Where the transaction says which files are left to remove.
const LEFT_KEY: &str = "segments_dropped";
/// The ending of a file that becomes a segment when the books say so.
const KEPT: &str = "kept";

/// `…/0000000001.kept`: what is kept, until the books know it.
pub(super) fn kept_path(folder: &Path, number: u64) -> PathBuf {
    segment_path(folder, number).with_extension(KEPT)
}

/// Note files that are to be removed, in the transaction in which they go.
pub(super) async fn note_left(
    link: &mut sql::Connection,
    numbers: impl IntoIterator<Item = u64>,
) -> Result<(), StoreError> {
    let mut left = files_left(link).await?;
    left.extend(numbers);
    let text = serde_json::json!(left).to_string();
    sql::query("INSERT INTO meta (key, value) VALUES ($1, $2) ON CONFLICT (key) DO UPDATE SET value = excluded.value")
        .bind(LEFT_KEY)
        .bind(text)
        .execute(&mut *link)
        .await
        .map_err(|source| StoreError::sql("remove what is old", source))?;
    Ok(())
}

async fn files_left(link: &mut sql::Connection) -> Result<Vec<u64>, StoreError> {
    let text: Option<String> = sql::scalar("SELECT value FROM meta WHERE key = $1")
        .bind(LEFT_KEY)
        .fetch_optional(&mut *link)
        .await
        .map_err(|source| StoreError::sql("read which files are left to remove", source))?;
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default())
}

/// Give what is kept its name where the books know it, and drop it where they do not. At start, and whenever the books are
/// read again.
pub(crate) fn name_kept(events: &Path, books: &[Segment]) -> Result<(), StoreError> {
    let kept = kept_files(events)
        .map_err(|source| StoreError::io("list the event segments in", events, source))?;
    let copied: HashSet<u64> =
        books.iter().filter(|one| one.copied).map(|one| one.number).collect();
    if kept.is_empty() {
        return Ok(());
    }
    for (path, number) in kept {
        // What the books know as a copy is this file, whatever else has its name: a commit that failed leaves such. All
        // others never became real.
        let done = match number.filter(|number| copied.contains(number)) {
            Some(number) => std::fs::rename(&path, segment_path(events, number)),
            None => std::fs::remove_file(&path),
        };
        done.map_err(|source| StoreError::io("settle the event segment", &path, source))?;
    }
    sync_folder(events).map_err(|source| StoreError::io("sync the folder", events, source))
}

/// Remove the files of segments that are gone by the books. Whoever reads segments must know before that they are.
pub(crate) async fn remove_left(
    link: &mut sql::Connection,
    events: &Path,
) -> Result<(), StoreError> {
    let left = files_left(link).await?;
    if left.is_empty() {
        return Ok(());
    }
    let books = read_segments(link).await?;
    // Where a disk took back what it had said to hold, the old files may be all there is.
    let is_short = |one: &&Segment| {
        let length = std::fs::metadata(segment_path(events, one.number)).map(|meta| meta.len());
        one.copied && length.unwrap_or(0) < one.length
    };
    if let Some(short) = books.iter().find(is_short) {
        let path = segment_path(events, short.number);
        tracing::error!(path = %path.display(), ?left, "what was kept of these segments is missing: they stay on the disk");
        return Ok(());
    }
    let known: HashSet<u64> = books.iter().map(|one| one.number).collect();
    // A number that is in the books again (a restored database) is no file to remove.
    for number in left.iter().filter(|number| !known.contains(*number)) {
        let path = segment_path(events, *number);
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(StoreError::io("remove the event segment", &path, error));
            }
            _ => {}
        }
    }
    sync_folder(events).map_err(|source| StoreError::io("sync the folder", events, source))?;
    sql::query("DELETE FROM meta WHERE key = $1")
        .bind(LEFT_KEY)
        .execute(&mut *link)
        .await
        .map_err(|source| StoreError::sql("note that files are removed", source))?;
    Ok(())
}

/// The same while the store is open: what cannot be removed now is removed later, and keeps nobody.
pub(crate) async fn remove_or_say(link: &mut sql::Connection, events: &Path) {
    if let Err(error) = remove_left(link, events).await {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(error, "files of segments that are gone stay for now");
    }
}

/// With the number that each is for, if it has one yet.
fn kept_files(events: &Path) -> std::io::Result<Vec<(PathBuf, Option<u64>)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(events)? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == KEPT) {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            let number = stem.and_then(|stem| stem.parse().ok());
            found.push((path, number));
        }
    }
    Ok(found)
}

/// Per cent of the disk in use, rounded down, and its bytes, as `df` counts: of what is used and what we may still use. What
/// is kept for root, or by the layer below, counts as neither. Unknown: nothing is in use.
pub fn disk_used(dir: &Path) -> (u64, u64) {
    let Ok(disk) = rustix::fs::statvfs(dir) else { return (0, 0) };
    let used = disk.f_blocks.saturating_sub(disk.f_bfree);
    let total = used.saturating_add(disk.f_bavail);
    let per_cent = if total == 0 { 0 } else { u128::from(used) * 100 / u128::from(total) };
    (u64::try_from(per_cent).unwrap_or(0), total.saturating_mul(disk.f_frsize))
}
