//! Rule packs as they come from outside (a folder, a zip, a compressed tar) become files in memory, within limits.
//!
//! What no honest pack has (a path that leaves the archive, a bomb) refuses the whole; what an honest one may have (a
//! link, a file of another encoding) is left out and listed.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Read};
use std::path::Path;

use crate::detect::files::{RULE_FILE_BYTES_MAX, is_rule_file};
use crate::model::desk::Problem;
use crate::pipeline::rule_life::{invalid, io};
use crate::wire::pack_v1::Note;

/// Bytes of an archive.
pub const ARCHIVE_BYTES_MAX: u64 = 128 << 20;
/// Bytes of everything in a pack, unpacked, other files than rules included.
pub const PACK_BYTES_MAX: u64 = 512 << 20;
/// Entries of a pack, folders and other files than rules included.
pub const PACK_ENTRIES_MAX: usize = 100_000;
/// Unpacked bytes for each packed one; asked when more than [`RATIO_ASKED_FROM`] bytes came out.
pub const PACK_RATIO_MAX: u64 = 200;
/// So much may come out of any archive.
const RATIO_ASKED_FROM: u64 = 16 << 20;
/// Folders in folders.
pub const PACK_DEPTH_MAX: usize = 16;
/// Bytes of a path in a pack.
const PATH_BYTES_MAX: usize = 1_024;
/// Bytes of one name in a path.
const COMPONENT_BYTES_MAX: usize = 255;
/// Notes that are kept of one pack.
pub const NOTES_MAX: usize = 1_000;
/// The largest window a compressed tar may ask memory for: 128 MiB.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;

/// What was taken out of a pack.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// The files, by path with `/`.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// What was left out because of what it is.
    pub(super) refused: Vec<Note>,
    /// How many that were, also when not all are listed.
    pub(super) refused_count: u64,
    /// Files that are no rules.
    pub(super) skipped: u64,
    entries: usize,
    bytes: u64,
}

impl Taken {
    fn refuse(&mut self, file: &str, reason: impl Into<String>) {
        self.refused_count += 1;
        if self.refused.len() < NOTES_MAX {
            self.refused.push(Note { file: file.to_owned(), line: 0, reason: reason.into() });
        }
    }

    fn count_entry(&mut self) -> Result<(), Problem> {
        self.entries += 1;
        if self.entries > PACK_ENTRIES_MAX {
            return Err(bomb(format!("it has more than {PACK_ENTRIES_MAX} entries")));
        }
        Ok(())
    }

    /// Take a file's bytes if it is wanted. The reader may say less about its length than it gives.
    fn take(&mut self, name: &str, reader: &mut dyn Read) -> Result<(), Problem> {
        if !is_wanted(name) {
            self.skipped += 1;
            return Ok(());
        }
        let mut bytes = Vec::new();
        if let Err(error) = reader.take(RULE_FILE_BYTES_MAX + 1).read_to_end(&mut bytes) {
            if is_cap(&error) {
                return Err(bomb(error.to_string()));
            }
            self.refuse(name, format!("cannot be read: {error}"));
            return Ok(());
        }
        self.bytes += bytes.len() as u64;
        if self.bytes > PACK_BYTES_MAX {
            return Err(bomb(format!("its files have more than {PACK_BYTES_MAX} bytes")));
        }
        if bytes.len() as u64 > RULE_FILE_BYTES_MAX {
            self.refuse(name, format!("is longer than {RULE_FILE_BYTES_MAX} bytes"));
        } else if std::str::from_utf8(&bytes).is_err() {
            self.refuse(name, "is not UTF-8; save it as UTF-8");
        } else if self.files.contains_key(name) {
            self.refuse(name, "stands twice in the archive; the first one is taken");
        } else {
            self.files.insert(name.to_owned(), bytes);
        }
        Ok(())
    }

    /// An archive that holds one folder with everything in it: that folder's name says nothing about the files.
    fn strip_top(&mut self) {
        let mut tops = self.files.keys().map(|name| name.split_once('/').map(|(top, _)| top));
        let first = tops.next().flatten().map(str::to_owned);
        let Some(top) = first.filter(|first| tops.all(|top| top == Some(first.as_str()))) else {
            return;
        };
        let files = std::mem::take(&mut self.files);
        let cut = |name: String| name.get(top.len() + 1..).unwrap_or_default().to_owned();
        self.files = files.into_iter().map(|(name, bytes)| (cut(name), bytes)).collect();
    }
}

/// A folder's files. Links are listed, not followed.
pub(super) fn folder(path: &Path) -> Result<Taken, Problem> {
    let mut taken = Taken::default();
    for entry in walkdir::WalkDir::new(path).max_depth(PACK_DEPTH_MAX + 1).sort_by_file_name() {
        taken.count_entry()?;
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let place = error.path().unwrap_or(path).display().to_string();
                taken.refuse(&place, format!("cannot be read: {error}"));
                continue;
            }
        };
        let relative = entry.path().strip_prefix(path).unwrap_or(entry.path());
        let Some(name) = relative.to_str() else {
            taken.refuse(&relative.to_string_lossy(), "has a name that is not UTF-8");
            continue;
        };
        if entry.path_is_symlink() {
            if is_wanted(name) || !name.contains('.') {
                taken.refuse(name, "is a link; links are not followed");
            }
        } else if entry.depth() > PACK_DEPTH_MAX {
            taken.refuse(name, format!("lies more than {PACK_DEPTH_MAX} folders deep"));
        } else if entry.file_type().is_file() {
            match fs::File::open(entry.path()) {
                Ok(mut file) => taken.take(name, &mut file)?,
                Err(error) => taken.refuse(name, format!("cannot be read: {error}")),
            }
        }
    }
    Ok(taken)
}

/// The files of a zip.
pub(super) fn zip(bytes: &[u8]) -> Result<Taken, Problem> {
    let mut taken = Taken::default();
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes))
        .map_err(|error| invalid(format!("the zip cannot be read: {error}")))?;
    let mut cap = Cap::of(bytes.len());
    for index in 0..archive.len() {
        taken.count_entry()?;
        let mut entry = match archive.by_index(index) {
            Ok(entry) => entry,
            Err(error) => {
                taken.refuse(&format!("entry {index}"), format!("cannot be read: {error}"));
                continue;
            }
        };
        let Some(name) = checked(entry.name_raw(), &mut taken)? else { continue };
        if entry.is_dir() {
            continue;
        }
        if !entry.is_file() {
            taken.refuse(&name, "is a link or a special file; these are not taken");
            continue;
        }
        taken.take(&name, &mut Capped { inner: &mut entry, cap: &mut cap })?;
    }
    taken.strip_top();
    Ok(taken)
}

/// The files of a tar, compressed by zstd.
pub(super) fn tar_zst(bytes: &[u8]) -> Result<Taken, Problem> {
    let broken = |error: &std::io::Error| {
        if is_cap(error) {
            return bomb(error.to_string());
        }
        invalid(format!("the archive cannot be read: {error}"))
            .hint("it must be a tar compressed by zstd (.tar.zst), a .zip or a folder")
    };
    let mut decoder =
        zstd::Decoder::with_buffer(Cursor::new(bytes)).map_err(|error| broken(&error))?;
    decoder.window_log_max(ZSTD_WINDOW_LOG_MAX).map_err(|error| broken(&error))?;
    let mut cap = Cap::of(bytes.len());
    let mut archive = tar::Archive::new(Capped { inner: &mut decoder, cap: &mut cap });
    let mut taken = Taken::default();
    for entry in archive.entries().map_err(|error| broken(&error))? {
        taken.count_entry()?;
        let mut entry = entry.map_err(|error| broken(&error))?;
        let kind = entry.header().entry_type();
        if matches!(kind, tar::EntryType::XGlobalHeader) {
            continue;
        }
        let raw = entry.path_bytes().into_owned();
        let Some(name) = checked(&raw, &mut taken)? else { continue };
        match kind {
            tar::EntryType::Regular | tar::EntryType::Continuous => {
                taken.take(&name, &mut entry)?
            }
            tar::EntryType::Directory => {}
            _ => taken.refuse(&name, "is a link or a special file; these are not taken"),
        }
    }
    taken.strip_top();
    Ok(taken)
}

/// A path of an archive in its plain form. `None`: it was left out and listed. An error: the archive is refused.
fn checked(raw: &[u8], taken: &mut Taken) -> Result<Option<String>, Problem> {
    let Ok(text) = std::str::from_utf8(raw) else {
        taken.refuse(&String::from_utf8_lossy(raw), "has a name that is not UTF-8");
        return Ok(None);
    };
    let hostile = |what: &str| {
        invalid(format!("the archive is refused: {text:?} {what}"))
            .hint("an honest pack names its files below its own folder; get it from somewhere else")
    };
    let drive = text.as_bytes().get(1) == Some(&b':');
    if text.starts_with('/') || text.starts_with('\\') || drive {
        return Err(hostile("is an absolute path"));
    }
    if text.split(['/', '\\']).any(|part| part == "..") {
        return Err(hostile("leads out of the archive"));
    }
    let parts: Vec<&str> =
        text.split('/').filter(|part| !part.is_empty() && *part != ".").collect();
    if parts.len() > PACK_DEPTH_MAX + 1 {
        return Err(bomb(format!("{text:?} lies more than {PACK_DEPTH_MAX} folders deep")));
    }
    let long = text.len() > PATH_BYTES_MAX || parts.iter().any(|p| p.len() > COMPONENT_BYTES_MAX);
    if long || text.contains('\\') || text.chars().any(char::is_control) {
        taken.refuse(text, "has a name that is too long, or has a backslash or control letters");
        return Ok(None);
    }
    Ok(Some(parts.join("/")).filter(|name| !name.is_empty()))
}

/// Rules, their tests, licences and the pack's own description; nothing in hidden folders.
fn is_wanted(name: &str) -> bool {
    if name.split('/').any(|part| part.starts_with('.')) {
        return false;
    }
    let path = Path::new(name);
    let base = name.rsplit('/').next().unwrap_or(name);
    is_rule_file(path)
        || base.ends_with(".test.yml")
        || base.ends_with(".test")
        || name == "pack.toml"
        || name.ends_with("/pack.toml")
        || is_licence(name)
}

/// Is it the text of a licence?
pub(super) fn is_licence(name: &str) -> bool {
    let base = name.rsplit('/').next().unwrap_or(name).to_ascii_uppercase();
    ["LICENSE", "LICENCE", "COPYING", "NOTICE"].iter().any(|word| base.starts_with(word))
}

fn bomb(what: String) -> Problem {
    invalid(format!("the pack is refused: {what}"))
        .hint("import the part that you need, as a folder")
}

/// How much may come out of an archive.
struct Cap {
    out: u64,
    most: u64,
}

impl Cap {
    fn of(packed: usize) -> Cap {
        let by_ratio = (packed as u64).saturating_mul(PACK_RATIO_MAX).max(RATIO_ASKED_FROM);
        Cap { out: 0, most: by_ratio.min(PACK_BYTES_MAX) }
    }
}

/// More came out than may.
#[derive(Debug, thiserror::Error)]
#[error(
    "more than {0} bytes come out of it, which is {PACK_RATIO_MAX} times its size or {PACK_BYTES_MAX} bytes"
)]
struct TooMuch(u64);

struct Capped<'a, R> {
    inner: &'a mut R,
    cap: &'a mut Cap,
}

impl<R: Read> Read for Capped<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.cap.out += count as u64;
        if self.cap.out > self.cap.most {
            return Err(std::io::Error::other(TooMuch(self.cap.most)));
        }
        Ok(count)
    }
}

fn is_cap(error: &std::io::Error) -> bool {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(now) = cause {
        if now.is::<TooMuch>() {
            return true;
        }
        let inner = now.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => now.source(),
        };
    }
    false
}

/// An archive's bytes, read once: what was checked is what is unpacked.
pub(super) fn archive(path: &Path) -> Result<Vec<u8>, Problem> {
    let mut bytes = Vec::new();
    fs::File::open(path)
        .and_then(|file| file.take(ARCHIVE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|error| io("read", path, &error))?;
    if bytes.len() as u64 > ARCHIVE_BYTES_MAX {
        return Err(bomb(format!("the archive has more than {ARCHIVE_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}
