//! The data folder: owner-only, locked by whoever owns the store, with enough space left.

use std::fs::{DirBuilder, File, OpenOptions, Permissions, TryLockError};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::config::store::StoreConfig;
use crate::store::StoreError;
use crate::store::event_log::sync_folder;
use crate::store::node;

/// Holds the store for this process until it is dropped.
#[derive(Debug)]
pub(crate) struct FolderLock {
    _file: File,
}

/// Make the folder (owner-only) if it is not there, and narrow it if it is wider.
pub(crate) fn prepare(dir: &Path) -> Result<(), StoreError> {
    for folder in [dir.to_owned(), events_folder(dir)] {
        if !folder.is_dir() {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(&folder)
                .and_then(|()| sync_folder(parent_of(&folder)))
                .map_err(|source| StoreError::io("create the folder", &folder, source))?;
        }
        let wide = std::fs::metadata(&folder)
            .map_err(|source| StoreError::io("look at the folder", &folder, source))?
            .permissions()
            .mode()
            & 0o077
            != 0;
        if wide {
            std::fs::set_permissions(&folder, Permissions::from_mode(0o700))
                .map_err(|source| StoreError::io("make owner-only the folder", &folder, source))?;
        }
    }
    Ok(())
}

/// Make a folder for the owner only.
pub(crate) fn make_private(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    sync_folder(parent_of(folder))
}

/// `…/index`
pub(crate) fn index_folder(dir: &Path) -> PathBuf {
    dir.join("index")
}

fn parent_of(folder: &Path) -> &Path {
    match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) => Path::new("."),
        None => folder,
    }
}

/// `…/events`
pub(crate) fn events_folder(dir: &Path) -> PathBuf {
    dir.join("events")
}

/// `…/watchfloor.db`
pub(crate) fn database_path(dir: &Path) -> PathBuf {
    dir.join("watchfloor.db")
}

/// A file to lock, made if it is not there.
pub(crate) fn lock_file(path: &Path) -> Result<File, StoreError> {
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| StoreError::io("open for locking", path, source))
}

/// Take the store, or say who has it.
pub(crate) fn lock(dir: &Path) -> Result<FolderLock, StoreError> {
    let path = dir.join("lock");
    let io = |source| StoreError::io("lock", &path, source);
    let mut file = OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)
        .map_err(io)?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            return Err(StoreError::InUse { dir: dir.to_owned(), pid: read_pid(&mut file) });
        }
        Err(TryLockError::Error(source)) => return Err(io(source)),
    }
    file.set_len(0).map_err(io)?;
    file.rewind().map_err(io)?;
    writeln!(file, "{}", std::process::id()).map_err(io)?;
    Ok(FolderLock { _file: file })
}

/// Is there a store in `dir`? Touches nothing, asks no server. One that we may not look into is there.
pub fn is_made(dir: &Path, config: &StoreConfig) -> bool {
    let file = config.alerts.file(dir).unwrap_or_else(|| dir.join(node::FILE));
    file.try_exists().unwrap_or(true)
}

/// The process that owns the store in `dir`, if one does. Touches nothing.
pub fn owner(dir: &Path) -> Option<u32> {
    let mut file = File::open(dir.join("lock")).ok()?;
    match file.try_lock_shared() {
        Err(TryLockError::WouldBlock) => read_pid(&mut file).or(Some(0)),
        _ => None,
    }
}

fn read_pid(file: &mut File) -> Option<u32> {
    let mut text = String::new();
    file.take(32).read_to_string(&mut text).ok()?;
    text.trim().parse().ok()
}

/// Refuse to write when less than `bytes_min` are free.
pub(crate) fn check_space(dir: &Path, bytes_min: u64) -> Result<(), StoreError> {
    let Ok(disk) = rustix::fs::statvfs(dir) else { return Ok(()) };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if free < bytes_min {
        let detail = format!("{free} bytes are free, {bytes_min} are kept (store.free_bytes_min)");
        return Err(StoreError::DiskFull { dir: dir.to_owned(), detail });
    }
    Ok(())
}

/// A sentence of warning when the folder is not on a local disk: SQLite's locks and WAL need one.
pub(crate) fn filesystem_warning(dir: &Path) -> Option<String> {
    const REMOTE: [(u32, &str); 8] = [
        (0x6969, "NFS"),
        (0x517b, "SMB"),
        (0xff53_4d42, "CIFS"),
        (0xfe53_4d42, "SMB2"),
        (0x6573_5546, "FUSE"),
        (0x0102_1997, "9P"),
        (0x00c3_6400, "Ceph"),
        (0x5346_414f, "AFS"),
    ];
    let kind = rustix::fs::statfs(dir).ok()?.f_type;
    // Kernels differ in the width and sign of the number; the low 32 bits name the kind.
    let kind = u32::try_from(kind & 0xffff_ffff).ok()?;
    let (_, name) = REMOTE.into_iter().find(|(number, _)| *number == kind)?;
    Some(format!(
        "{} is on a {name} file system: the store needs a local disk, set data_dir to one",
        dir.display()
    ))
}
