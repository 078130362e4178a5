//! What is saved of a followed file: one row, JSON, version 1. Written by hand from what the file is known
//! by, so that the saved form does not follow the code.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::source::file::identity::{Inode, Print};
use crate::stdx::id::Id128;

/// How the file is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Lines; the offset is the file's.
    Lines,
    /// Compressed lines; the offset is that of the decompressed stream.
    Packed,
    /// Read as a whole when it has come to rest (event logs, JSON arrays, archives); records are counted.
    Whole,
    /// Seen, and still being written by a rotator: looked at again when it has come to rest.
    Waiting,
    /// A copy, or the compressed form, of a file that is or was read under another row. Not read.
    Copy,
}

/// What a file is known by and how far it was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// How it is read.
    pub kind: Kind,
    /// Where it was last seen.
    pub path: PathBuf,
    /// Which file that was; `None` when it is known to be gone.
    pub inode: Option<Inode>,
    /// Print of its first bytes, as far as they were read.
    pub head: Print,
    /// Print of the bytes before `offset`.
    pub tail: Print,
    /// Where the next record begins.
    pub offset: u64,
    /// Records handed on; what a [`Kind::Whole`] is resumed by.
    pub records: u64,
    /// Its size and time of change when it was last read to its end.
    pub size: u64,
    /// See `size`; microseconds since the epoch.
    pub modified: i64,
    /// The id of its stream, once there was a record.
    pub stream: Option<Id128>,
    /// Hash of its first line, once it was complete.
    pub line: Option<Id128>,
    /// How many files of this name and first line there were before it.
    pub nth: u64,
    /// Records before this offset are old logs.
    pub backfill_until: u64,
    /// Read to its end and not expected to grow.
    pub finished: bool,
    /// For a [`Kind::Copy`]: the key of the row it is a copy of.
    pub of: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct RowV1 {
    v: u32,
    kind: Kind,
    path: String,
    device: Option<u64>,
    inode: Option<u64>,
    head_len: usize,
    head: String,
    tail_len: usize,
    tail: String,
    offset: u64,
    records: u64,
    size: u64,
    modified: i64,
    stream: Option<String>,
    line: Option<String>,
    nth: u64,
    backfill_until: u64,
    finished: bool,
    of: Option<u64>,
}

impl Row {
    /// A file of which nothing was read yet.
    pub fn new(kind: Kind, path: &Path, inode: Inode) -> Row {
        Row {
            kind,
            path: path.to_owned(),
            inode: Some(inode),
            head: Print::default(),
            tail: Print::default(),
            offset: 0,
            records: 0,
            size: 0,
            modified: 0,
            stream: None,
            line: None,
            nth: 0,
            backfill_until: 0,
            finished: false,
            of: None,
        }
    }

    /// The saved form.
    pub fn to_json(&self) -> Option<String> {
        let text = |id: &Id128| id.to_string();
        let row = RowV1 {
            v: 1,
            kind: self.kind,
            path: self.path.to_string_lossy().into_owned(),
            device: self.inode.map(|inode| inode.device),
            inode: self.inode.map(|inode| inode.number),
            head_len: self.head.len,
            head: text(&self.head.hash),
            tail_len: self.tail.len,
            tail: text(&self.tail.hash),
            offset: self.offset,
            records: self.records,
            size: self.size,
            modified: self.modified,
            stream: self.stream.as_ref().map(text),
            line: self.line.as_ref().map(text),
            nth: self.nth,
            backfill_until: self.backfill_until,
            finished: self.finished,
            of: self.of,
        };
        serde_json::to_string(&row).ok()
    }

    /// Read the saved form; `None` if it is not one this version wrote.
    pub fn from_json(text: &str) -> Option<Row> {
        let row: RowV1 = serde_json::from_str(text).ok()?;
        let id = |text: &Option<String>| text.as_deref().and_then(Id128::parse);
        let inode = row.device.zip(row.inode);
        (row.v == 1).then_some(Row {
            kind: row.kind,
            path: PathBuf::from(row.path),
            inode: inode.map(|(device, number)| Inode { device, number }),
            head: Print { len: row.head_len, hash: Id128::parse(&row.head)? },
            tail: Print { len: row.tail_len, hash: Id128::parse(&row.tail)? },
            offset: row.offset,
            records: row.records,
            size: row.size,
            modified: row.modified,
            stream: id(&row.stream),
            line: id(&row.line),
            nth: row.nth,
            backfill_until: row.backfill_until,
            finished: row.finished,
            of: row.of,
        })
    }
}

/// The name a log had before a rotator gave it a number, a date or a compression suffix:
/// `auth.log.2.gz`, `auth.log-20261123` and `auth-20261123.log` were `auth.log`.
pub fn base_name(name: &str) -> String {
    let mut name = name;
    for suffix in [".gz", ".zst", ".zip", ".bz2", ".xz"] {
        name = name.strip_suffix(suffix).unwrap_or(name);
    }
    let whole = name;
    for suffix in ["~", ".old", ".bak", ".prev"] {
        name = name.strip_suffix(suffix).unwrap_or(name);
    }
    let is_stamp = |text: &str, digits_min: usize| {
        text.bytes().filter(u8::is_ascii_digit).count() >= digits_min
            && text.bytes().all(|byte| byte.is_ascii_digit() || b"-_T:Z".contains(&byte))
    };
    let cut = name.rfind(|c: char| !(c.is_ascii_digit() || "-_T:Z".contains(c)));
    let cut = cut.map_or(0, |at| {
        at + name.get(at..).and_then(|rest| rest.chars().next()).map_or(1, char::len_utf8)
    });
    let (stem, stamp) = name.split_at_checked(cut).unwrap_or((name, ""));
    if stem.ends_with('.') && stem.len() > 1 && is_stamp(stamp, 1) {
        return stem.trim_end_matches('.').to_owned();
    }
    if let Some(number) = stamp.strip_prefix(['-', '_'])
        && !stem.is_empty()
        && is_stamp(number, 1)
    {
        return stem.to_owned();
    }
    // A date before the extension.
    if let Some((stem, extension)) = name.rsplit_once('.') {
        let cut = stem.rfind(|c: char| !(c.is_ascii_digit() || "-_T:Z".contains(c)));
        let (first, stamp) =
            stem.split_at_checked(cut.map_or(0, |at| at + 1)).unwrap_or((stem, ""));
        if let Some(date) = stamp.strip_prefix(['-', '_'])
            && !first.is_empty()
            && is_stamp(date, 8)
        {
            return format!("{first}.{extension}");
        }
    }
    if name.is_empty() { whole.to_owned() } else { name.to_owned() }
}

/// The path a rotated file had before, by its name.
pub fn base_path(path: &Path) -> PathBuf {
    match path.file_name() {
        Some(name) => path.with_file_name(base_name(&name.to_string_lossy())),
        None => path.to_owned(),
    }
}

/// Is `path` what a rotator would call an earlier `base`?
pub fn is_rotation_of(path: &Path, base: &Path) -> bool {
    path != base && path.parent() == base.parent() && base_path(path) == base
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rotated_names_lead_back_to_the_log() {
        for (name, base) in [
            ("auth.log", "auth.log"),
            ("auth.log.1", "auth.log"),
            ("auth.log.12.gz", "auth.log"),
            ("auth.log.gz", "auth.log"),
            ("auth.log-20261123", "auth.log"),
            ("auth.log-20261123-1700.zst", "auth.log"),
            ("auth.log.2026-11-23T10:00:00Z", "auth.log"),
            ("auth-20261123.log", "auth.log"),
            ("auth.log.old", "auth.log"),
            ("messages-20261123", "messages"),
            ("web-1.log", "web-1.log"),
            ("1", "1"),
            ("2026", "2026"),
            (".1", ".1"),
            ("é-1", "é"),
            ("", ""),
        ] {
            assert_eq!(base_name(name), base, "{name}");
        }
        assert!(is_rotation_of(Path::new("/a/x.1"), Path::new("/a/x")));
        assert!(!is_rotation_of(Path::new("/b/x.1"), Path::new("/a/x")));
        assert!(!is_rotation_of(Path::new("/a/x"), Path::new("/a/x")));
    }

    #[test]
    fn rows_round_trip_and_others_are_refused() {
        let mut row =
            Row::new(Kind::Packed, Path::new("/a/x.1.gz"), Inode { device: 1, number: 2 });
        row.head = Print::of(b"head");
        row.stream = Some(Print::of(b"x").hash);
        row.of = Some(7);
        let text = row.to_json().unwrap();
        assert_eq!(Row::from_json(&text), Some(row));
        assert_eq!(Row::from_json(&text.replace("\"v\":1", "\"v\":2")), None);
        assert_eq!(Row::from_json("nonsense"), None);
    }

    proptest::proptest! {
        #[test]
        fn any_name_has_a_base(name in ".{0,20}") {
            let _ = base_name(&name);
        }
    }
}
