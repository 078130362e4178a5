//! `[[sources]]`: where records come from.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

/// One configured source.
#[derive(Clone, Debug, PartialEq)]
pub struct SourceConfig {
    /// Names the row in the ledger; unique.
    pub name: String,
    /// What it is.
    pub kind: SourceKind,
    /// `auto` or a name from `watchfloor formats list`.
    pub format: String,
    /// For records that do not name their host.
    pub host: HostRule,
    /// Alias → the name to use, both lower case.
    pub host_aliases: BTreeMap<String, String>,
    /// Added to every event; the key `tenant` sets `organization.id`.
    pub labels: BTreeMap<String, String>,
}

/// The kinds of source.
#[derive(Clone, Debug, PartialEq)]
pub enum SourceKind {
    /// Files and folders.
    File(FileSource),
    /// Standard input, read to its end.
    Stdin,
}

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

/// How to name the host of records that do not say.
#[derive(Clone, Debug, PartialEq, Default)]
pub enum HostRule {
    /// Records name it, or it stays empty… for live files of this machine: its host name.
    #[default]
    Record,
    /// Always this one: `host = "name"`.
    Fixed(String),
    /// The n-th component of the path from its end, 1 = the file's folder: `host_from_path = 1`.
    PathComponent(usize),
}

impl SourceConfig {
    /// A file source with every default, as the command line makes them.
    pub fn files(name: &str, paths: Vec<PathBuf>) -> SourceConfig {
        let paths = paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        SourceConfig {
            name: name.to_owned(),
            kind: SourceKind::File(FileSource { paths, ..FileSource::default() }),
            format: "auto".to_owned(),
            host: HostRule::default(),
            host_aliases: BTreeMap::new(),
            labels: BTreeMap::new(),
        }
    }
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
