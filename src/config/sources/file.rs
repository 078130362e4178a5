//! `type = "file"`: files and folders.

use std::time::Duration;

use crate::config::reader::Reader;

/// `type = "file"`.
#[derive(Clone, Debug, PartialEq)]
pub struct FileSource {
    /// Files, folders (read recursively) and globs.
    pub paths: Vec<String>,
    /// Globs to leave out.
    pub exclude: Vec<String>,
    /// Where to begin in files never seen before.
    pub from: From,
    /// A live file that is quiet this long closes what waits for more records.
    pub idle: Duration,
    /// How often to look for files that native events did not report.
    pub rescan: Duration,
}

/// Where to begin in a file never seen before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum From {
    /// At its first byte.
    #[default]
    Start,
    /// At its end.
    End,
}

impl Default for FileSource {
    fn default() -> FileSource {
        FileSource {
            paths: Vec::new(),
            exclude: Vec::new(),
            from: From::Start,
            idle: Duration::from_secs(2),
            rescan: Duration::from_secs(10),
        }
    }
}

/// Take the keys of a file source.
pub(super) fn read(reader: &mut Reader, index: usize) -> FileSource {
    let key = |name: &str| format!("sources[{index}].{name}");
    let default = FileSource::default();
    let paths = reader.texts(&key("paths"), &[], "Files, folders (read recursively) and globs.");
    if paths.is_empty() {
        let hint = "for example paths = [\"/var/log/auth.log\"]".to_owned();
        reader.complain(&key("paths"), "a file source needs at least one path".to_owned(), hint);
    }
    let from = [("start", From::Start), ("end", From::End)];
    FileSource {
        paths,
        exclude: reader.texts(&key("exclude"), &[], "Globs to leave out."),
        from: reader
            .choice(&key("from"), "start", &from, "Where to begin in files never seen before.")
            .unwrap_or_default(),
        idle: reader.duration(
            &key("idle"),
            default.idle,
            "A live file that is quiet this long closes what waits for more records.",
        ),
        rescan: reader.duration(
            &key("rescan"),
            default.rescan,
            "How often to look for files that native events did not report.",
        ),
    }
}
