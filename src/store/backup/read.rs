//! Reading an archive: checking it, and making a data folder of it.

use std::collections::BTreeMap;
use std::fs::DirBuilder;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::config::alert::AlertConfig;
use crate::config::alert_store;
use crate::config::store::StoreConfig;
use crate::stdx::time::Timestamp;
use crate::store::backup::load::Load;
use crate::store::backup::rows::{Filled, Filling};
use crate::store::backup::{
    BESIDE, BackupError, FORMAT_SERVER, FileRow, Head, Manifest, Progress, archive, server,
};
use crate::store::{Store, StoreError, event_log, folder, schema};

/// What a restore came to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// What the archive says of itself; all of it was found.
    pub manifest: Manifest,
    /// Where the folder was moved that stood there before.
    pub moved: Option<PathBuf>,
    /// What the schemas are called now that stood in the database before.
    pub schemas_moved: Vec<String>,
}

/// Where a backup is restored to.
#[derive(Clone, Copy, Debug)]
pub struct RestoreTo<'a> {
    /// The data folder to make.
    pub folder: &'a Path,
    /// The name of that folder, to have what is there moved aside.
    pub overwrite: Option<&'a str>,
    /// The database for the rows of a server.
    pub database: Option<&'a alert_store::Server>,
    /// The name of that database, to have our schemas in it renamed.
    pub overwrite_database: Option<&'a str>,
}

/// Make a data folder of an archive, and fill a database where it has the rows of one. A folder with something in it is
/// refused, unless the word is its name: then it is moved aside, never removed. So is what a database holds.
///
/// # Errors
/// A newer or damaged archive, a place that is taken or in use. Nothing is there then that was not there before.
pub async fn restore(
    file: &Path,
    at: &RestoreTo<'_>,
    progress: Progress<'_>,
) -> Result<Restored, BackupError> {
    let to = at.folder;
    let taken =
        std::fs::read_dir(to).is_ok_and(|mut entries| entries.next().is_some()) || to.is_file();
    let name = to.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    if taken && at.overwrite != Some(name.as_str()) {
        let hint = format!(
            "name an empty folder, or say --overwrite {name} to have what is there moved aside"
        );
        return Err(BackupError::Exists { path: to.to_owned(), hint });
    }
    if let Some(pid) = folder::owner(to) {
        let in_use = StoreError::InUse { dir: to.to_owned(), pid: Some(pid) };
        return Err(in_use.into());
    }
    let scratch = beside(to, "restoring");
    let unpacked = unpack(file, &scratch, Some(at), progress).await;
    let Unpacked { manifest, open, schemas_moved } = match unpacked {
        Ok(unpacked) => unpacked,
        Err(error) => {
            let _ = std::fs::remove_dir_all(&scratch);
            return Err(error);
        }
    };
    // The database first: its commit can fail in more ways than two renames, and both are whole by now.
    if let Some(open) = open
        && let Err(error) = open.commit().await
    {
        let _ = std::fs::remove_dir_all(&scratch);
        return Err(error);
    }
    let moved = taken.then(|| beside(to, "before-restore"));
    if let Some(moved) = &moved {
        std::fs::rename(to, moved).map_err(BackupError::io("move aside", to))?;
    } else {
        // An empty folder may stand there.
        let _ = std::fs::remove_dir(to);
    }
    std::fs::rename(&scratch, to).map_err(BackupError::io("make", to))?;
    Ok(Restored { manifest, moved, schemas_moved })
}

/// Restore into a scratch folder, open the store there, compare, and throw it away.
///
/// # Errors
/// Whatever differs from what was written.
pub async fn verify(
    file: &Path,
    scratch: &Path,
    progress: Progress<'_>,
) -> Result<Manifest, BackupError> {
    let place = scratch.join(format!(".verifying-{}", std::process::id()));
    let checked = async {
        let manifest = unpack(file, &place, None, progress).await?.manifest;
        let store = Store::open(&place, &StoreConfig::default(), &AlertConfig::default()).await?;
        let counts = store.counts();
        let alerts = manifest.alerts();
        if (counts.events, counts.alerts) != (manifest.events, alerts) {
            let what = format!(
                "it opens with {} events and {} alerts where {} and {alerts} were saved",
                counts.events, counts.alerts, manifest.events
            );
            return Err(BackupError::Damaged { file: file.to_owned(), what });
        }
        store.close().await?;
        Ok(manifest)
    }
    .await;
    let _ = std::fs::remove_dir_all(&place);
    checked
}

fn beside(to: &Path, why: &str) -> PathBuf {
    let mut name = to.as_os_str().to_owned();
    let now = Timestamp::now().to_jiff().strftime("%Y%m%dT%H%M%S");
    name.push(format!(".{why}-{now}"));
    PathBuf::from(name)
}

fn folder_of(path: &Path) -> Result<(), BackupError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(BackupError::io("create the folder", path))
}

/// What an archive was unpacked to.
struct Unpacked {
    manifest: Manifest,
    /// The transaction on a server, all checked.
    open: Option<Box<server::Filled>>,
    schemas_moved: Vec<String>,
}

/// Unpack into `place`, which is made, and check everything on the way. `at`: where rows of a server go; a trial without.
async fn unpack(
    file: &Path,
    place: &Path,
    at: Option<&RestoreTo<'_>>,
    progress: Progress<'_>,
) -> Result<Unpacked, BackupError> {
    let head = head_of(file)?;
    if head.format > FORMAT_SERVER || head.schema > schema::newest() {
        return Err(BackupError::Newer {
            file: file.to_owned(),
            version: head.version,
            form: head.format,
            tables: head.schema,
        });
    }
    folder_of(&folder::events_folder(place))?;
    let (mut rows, schemas_moved) = fill(file, place, at, &head).await?;
    let mut manifest: Option<Manifest> = None;
    let handle = tokio::runtime::Handle::current();
    let told = |done, _| progress(done, head.bytes.max(done));
    let entries = tokio::task::block_in_place(|| {
        archive::each(file, &told, &mut |name, from| {
            if name == "manifest.json" {
                manifest = Some(archive::json(file, from)?);
                return Ok(());
            }
            if let Some(table) =
                name.strip_prefix("tables/").and_then(|rest| rest.split('/').next())
            {
                handle.block_on(rows.part(table, from))?;
                return Ok(());
            }
            put(place, name, from)
        })
    })?;
    let damaged = |what: String| BackupError::Damaged { file: file.to_owned(), what };
    let manifest = manifest.ok_or_else(|| damaged("its end is missing".to_owned()))?;
    if let Some(what) = difference(&entries, &manifest) {
        return Err(damaged(what));
    }
    let filled = rows.finish(place, &manifest).await?;
    check_store(file, place, &manifest, &filled)?;
    Ok(Unpacked { manifest, open: filled.open, schemas_moved })
}

/// Make what takes the rows.
async fn fill(
    file: &Path,
    place: &Path,
    at: Option<&RestoreTo<'_>>,
    head: &Head,
) -> Result<(Filling, Vec<String>), BackupError> {
    let path = folder::database_path(place);
    match (&head.server, at) {
        (None, _) => {
            let load = Load::create(&path, head.schema, file).await?;
            Ok((Filling::File(load), Vec::new()))
        }
        (Some(server), None) => {
            let trial = server::Trial::create(&path, head.schema, server, file).await?;
            Ok((Filling::Trial(Box::new(trial)), Vec::new()))
        }
        (Some(server), Some(at)) => {
            let Some(database) = at.database else {
                let why = "is where the rows were: say --database postgres://USER@HOST/DATABASE, an empty one";
                let (database, why) = (server.at.clone(), why.to_owned());
                return Err(BackupError::Refused { database, why });
            };
            let word = at.overwrite_database;
            let load = server::Load::create(database, word, server, file).await?;
            let moved = load.moved.clone();
            Ok((Filling::Server(Box::new(load)), moved))
        }
    }
}

/// The numbers of rows, the audit log's chain and the lengths of the segments.
fn check_store(
    file: &Path,
    place: &Path,
    manifest: &Manifest,
    filled: &Filled,
) -> Result<(), BackupError> {
    let damaged = |what: String| BackupError::Damaged { file: file.to_owned(), what };
    let counts = &filled.counts;
    if *counts != manifest.tables {
        let differs = counts.iter().find(|(name, count)| manifest.tables.get(*name) != Some(count));
        let name = differs.map_or("", |(name, _)| name.as_str());
        return Err(damaged(format!("table {name} has another number of rows than was saved")));
    }
    let verdict = &filled.audit;
    if let Some((entry, how)) = verdict.broken {
        return Err(damaged(format!("the audit log is broken at entry {entry}: {how}")));
    }
    if (verdict.entries, verdict.head.as_str()) != (manifest.audit.0, manifest.audit.1.as_str()) {
        return Err(damaged("the audit log does not end where it did".to_owned()));
    }
    let number = |n: i64| u64::try_from(n).unwrap_or(0);
    let books: Vec<(u64, u64)> =
        filled.books.iter().map(|(n, length)| (number(*n), number(*length))).collect();
    let events = folder::events_folder(place);
    if !event_log::find_tails(&events, &books)?.is_empty() {
        return Err(damaged("a segment of events is longer than was saved".to_owned()));
    }
    Ok(())
}

/// The first entry of an archive: what it says of itself.
///
/// # Errors
/// The file cannot be read, or is no archive of ours.
pub fn head_of(file: &Path) -> Result<Head, BackupError> {
    let mut head: Option<Head> = None;
    let stop = || BackupError::Damaged { file: file.to_owned(), what: String::new() };
    // Only the first entry: what follows may be of a form that we do not know.
    let walked = archive::each(file, &|_, _| {}, &mut |name, from| {
        if name == "head.json" {
            head = Some(archive::json(file, from)?);
        }
        Err(stop())
    });
    match (head, walked) {
        (Some(head), _) => Ok(head),
        (None, Err(error @ BackupError::Io { .. })) => Err(error),
        (None, _) => Err(BackupError::Damaged {
            file: file.to_owned(),
            what: "it is no backup of Watchfloor".to_owned(),
        }),
    }
}

fn put(place: &Path, name: &str, from: &mut dyn Read) -> Result<(), BackupError> {
    let path = match name.split_once('/') {
        Some(("events", rest)) => folder::events_folder(place).join(rest),
        Some(("data", rest)) => place.join(rest),
        Some(("beside", rest)) => place.join(BESIDE).join(rest),
        // The head; its text is in the manifest again.
        _ => return Ok(()),
    };
    if let Some(parent) = path.parent() {
        folder_of(parent)?;
    }
    archive::put(&path, from)
}

/// How the entries are not those of the list.
fn difference(rows: &[FileRow], manifest: &Manifest) -> Option<String> {
    let wanted: BTreeMap<&str, &FileRow> =
        manifest.files.iter().map(|row| (row.name.as_str(), row)).collect();
    let found: BTreeMap<&str, &FileRow> = rows
        .iter()
        .filter(|row| row.name != "manifest.json")
        .map(|row| (row.name.as_str(), row))
        .collect();
    if let Some(name) = found.keys().find(|name| !wanted.contains_key(*name)) {
        return Some(format!("{name} is not in its list"));
    }
    for (name, row) in wanted {
        match found.get(name) {
            None => return Some(format!("{name} is missing")),
            Some(one) if one.sha256 != row.sha256 => {
                return Some(format!("{name} is not what was written"));
            }
            Some(_) => {}
        }
    }
    None
}
