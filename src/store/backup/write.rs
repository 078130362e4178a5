//! Writing the archive, beside a running daemon or without one.

use std::fs::File;
use std::path::{Path, PathBuf};

use crate::config::store::StoreConfig;
use crate::stdx::time::Timestamp;
use crate::store::backup::archive::Writer;
use crate::store::backup::rows::Moment;
use crate::store::backup::{BESIDE, BackupError, Head, LOCK, Manifest, Progress};
use crate::store::{event_log, folder};

/// Files of one named path at most; a rules folder is a few thousand.
const FILES_MAX: usize = 100_000;
/// A longer file is no rule, key or configuration.
const FILE_BYTES_MAX: u64 = 64 << 20;

/// What to save.
#[derive(Clone, Debug, Default)]
pub struct What {
    /// The data folder.
    pub data_dir: PathBuf,
    /// Where alerts are.
    pub store: StoreConfig,
    /// Files and folders elsewhere: the configuration, rules, keys. (A name of ours, the path.)
    pub beside: Vec<(String, PathBuf)>,
}

/// Write everything to `out`, which must not be there.
///
/// # Errors
/// What could not be read or written; nothing is left at `out` then.
pub async fn write(
    what: &What,
    out: &Path,
    progress: Progress<'_>,
) -> Result<Manifest, BackupError> {
    if out.exists() {
        let hint = "a backup never writes over a file, name another".to_owned();
        return Err(BackupError::Exists { path: out.to_owned(), hint });
    }
    let mut partial = out.as_os_str().to_owned();
    partial.push(".partial");
    let partial = PathBuf::from(partial);
    // What a crash left of an earlier try.
    let _ = std::fs::remove_file(&partial);
    let written = write_to(what, &partial, progress).await;
    let written = written.and_then(|manifest| {
        std::fs::rename(&partial, out).map_err(BackupError::io("name", out))?;
        let parent = out.parent().filter(|parent| !parent.as_os_str().is_empty());
        let parent = parent.unwrap_or(Path::new("."));
        event_log::sync_folder(parent).map_err(BackupError::io("sync", parent))?;
        Ok(manifest)
    });
    if written.is_err() {
        let _ = std::fs::remove_file(&partial);
    }
    written
}

async fn write_to(
    what: &What,
    partial: &Path,
    progress: Progress<'_>,
) -> Result<Manifest, BackupError> {
    let dir = &what.data_dir;
    // Shared with other backups, against retention; closed with the file.
    let lock = folder::lock_file(&dir.join(LOCK))?;
    lock.lock_shared().map_err(BackupError::io("lock", &dir.join(LOCK)))?;
    let mut dump = Moment::open(dir, &what.store).await?;
    let segments = dump.segments().await?;
    let bytes = dump.bytes().await? + segments.iter().map(|segment| segment.length).sum::<u64>();
    let mut head = Head {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        made: Timestamp::now().to_string(),
        data_dir: dir.display().to_string(),
        bytes,
        ..Head::default()
    };
    dump.describe(&mut head);
    let mut archive = Writer::create(partial, progress)?;
    archive.expect(bytes);
    archive.add("head.json", &to_json(&head))?;
    let mut manifest = Manifest { head, audit: dump.audit_head().await?, ..Manifest::default() };
    for table in dump.tables() {
        let mut number = 0;
        let mut add = |part: &[u8]| {
            number += 1;
            archive.add(&format!("tables/{table}/{number:06}.ndjson"), part)
        };
        let rows = dump.table::<BackupError>(&table, &mut add).await?;
        manifest.tables.insert(table, rows);
    }
    // Segments only grow, and the lock keeps them: the database need not wait for their copies.
    dump.close().await?;
    for segment in &segments {
        let path = event_log::segment_path(&folder::events_folder(dir), segment.number);
        let mut file = File::open(&path).map_err(BackupError::io("open", &path))?;
        let name = format!("events/{:010}.seg", segment.number);
        archive.add_from(&name, "", segment.length, &mut file)?;
        manifest.segments += 1;
        manifest.events += segment.events;
    }
    add_folder(&mut archive, "data", dir, &|path| !is_of_the_store(dir, path))?;
    for (name, path) in &what.beside {
        add_folder(&mut archive, &format!("beside/{name}"), path, &|_| true)?;
    }
    manifest.files = archive.files.clone();
    archive.add("manifest.json", &to_json(&manifest))?;
    archive.finish()?;
    Ok(manifest)
}

fn to_json(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec_pretty(value).unwrap_or_default()
}

/// What is saved in another way, belongs to the running process, or is what an earlier restore laid beside.
fn is_of_the_store(dir: &Path, path: &Path) -> bool {
    let Ok(inner) = path.strip_prefix(dir) else { return true };
    let Some(first) = inner.components().next() else { return true };
    let name = first.as_os_str().to_string_lossy();
    name.starts_with("watchfloor.")
        || matches!(&*name, "events" | "lock" | LOCK | "index" | "backups" | BESIDE)
}

/// Add a file, or everything below a folder. Sockets, links and what vanishes meanwhile are left out.
fn add_folder(
    archive: &mut Writer<'_>,
    name: &str,
    path: &Path,
    wanted: &dyn Fn(&Path) -> bool,
) -> Result<(), BackupError> {
    let mut count = 0;
    for entry in walkdir::WalkDir::new(path).sort_by_file_name().into_iter().filter_map(Result::ok)
    {
        if !entry.file_type().is_file() || !wanted(entry.path()) {
            continue;
        }
        let inner = entry.path().strip_prefix(path).unwrap_or(Path::new(""));
        let last = entry.path().file_name().unwrap_or_default();
        let inner = if inner.as_os_str().is_empty() { Path::new(last) } else { inner };
        let Ok(mut file) = File::open(entry.path()) else {
            tracing::warn!(path = %entry.path().display(), "cannot be read and is not in the backup");
            continue;
        };
        let length = file.metadata().map_or(0, |meta| meta.len());
        count += 1;
        if length > FILE_BYTES_MAX || count > FILES_MAX {
            tracing::warn!(path = %entry.path().display(), "too large for a backup, left out");
            continue;
        }
        let origin = entry.path().display().to_string();
        archive.add_from(&format!("{name}/{}", inner.display()), &origin, length, &mut file)?;
    }
    Ok(())
}
