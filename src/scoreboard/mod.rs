//! Layer 4: our decoders against other people's parser tests. A suite is recognised by its files, not by its
//! name; every test of it becomes a [`Case`] with a verdict, so that what differs can be listed, not only counted.
//!
//! A suite knows its own file form and what agreeing means there; [`feed`] runs the lines through the real decoder,
//! [`tables`] holds what a person decided (twins of field names, families, accepted differences), as data.

pub mod attacks;
pub mod clock;
pub mod crowdsec;
pub mod fail2ban;
pub mod failure;
pub mod feed;
pub mod golden;
pub mod plain;
pub mod tables;
pub mod wazuh;
pub mod wazuh_line;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use walkdir::WalkDir;

use crate::config::Config;
use crate::normalise::redact::RedactError;
use crate::scoreboard::feed::Feed;
use crate::scoreboard::tables::Tables;

/// A test file that is larger is no parser test.
const FILE_BYTES_MAX: u64 = 16 << 20;
/// Folders in folders that are looked into.
const DEPTH_MAX: usize = 6;

/// What came of one test.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// We say what the test expects.
    Agreed,
    /// We do not, and the reason is written down as right.
    Accepted(String),
    /// We do not.
    Differing(String),
    /// No decoder of ours claims to read this; with the reason.
    NotCovered(String),
}

/// One expectation of a suite.
#[derive(Clone, Debug)]
pub struct Case {
    /// The test file, below the folder that was given.
    pub file: String,
    /// The line in it, from 1.
    pub line: u64,
    /// What was decoded.
    pub input: String,
    /// How it went.
    pub verdict: Verdict,
}

/// The cases of one suite, in order of files and lines.
#[derive(Clone, Debug)]
pub struct Suite {
    /// Its name for tables and `--suite`.
    pub name: &'static str,
    /// What one case is.
    pub unit: &'static str,
    /// Everything it expects.
    pub cases: Vec<Case>,
}

/// How many cases went which way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Cases that agree.
    pub agreed: usize,
    /// Cases that differ for a reason that is written down.
    pub accepted: usize,
    /// Cases that differ.
    pub differing: usize,
    /// Cases that no decoder claims.
    pub not_covered: usize,
}

impl Counts {
    /// Count a verdict.
    pub fn add(&mut self, verdict: &Verdict) {
        match verdict {
            Verdict::Agreed => self.agreed += 1,
            Verdict::Accepted(_) => self.accepted += 1,
            Verdict::Differing(_) => self.differing += 1,
            Verdict::NotCovered(_) => self.not_covered += 1,
        }
    }

    /// All cases.
    pub fn cases(&self) -> usize {
        self.covered() + self.not_covered
    }

    /// Cases that a decoder claims.
    pub fn covered(&self) -> usize {
        self.agreed + self.accepted + self.differing
    }

    /// Of the covered cases, how many in a hundred agree or differ for a written reason; `None`: nothing is covered.
    pub fn percent(&self) -> Option<f64> {
        let covered = self.covered();
        (covered > 0).then(|| (self.agreed + self.accepted) as f64 * 100.0 / covered as f64)
    }
}

impl Suite {
    /// Over everything.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for case in &self.cases {
            counts.add(&case.verdict);
        }
        counts
    }

    /// By file.
    pub fn files(&self) -> BTreeMap<&str, Counts> {
        let mut files: BTreeMap<&str, Counts> = BTreeMap::new();
        for case in &self.cases {
            files.entry(&case.file).or_default().add(&case.verdict);
        }
        files
    }
}

/// Why the scoreboard cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ScoreError {
    /// A file of the suites cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: String,
        /// Why.
        source: std::io::Error,
    },
    /// An expectation file of a suite is wrong.
    #[error("{path}: {reason}")]
    Expectation {
        /// Which.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A table of the scoreboard is wrong.
    #[error("{file}: {source}")]
    Table {
        /// Which.
        file: String,
        /// Why.
        source: toml::de::Error,
    },
    /// The configuration holds a redaction pattern that is none.
    #[error(transparent)]
    Pattern(#[from] RedactError),
    /// No test suite lies there.
    #[error("no test suite that we know lies under {0}")]
    Nothing(String),
}

/// What is needed to judge a suite.
pub struct Board {
    feed: Feed,
    tables: Tables,
}

/// The text of a test file and what to call it.
pub struct TestFile<'a> {
    /// Where it lies.
    pub path: &'a Path,
    /// What it is called in results.
    pub name: &'a str,
    /// Its text; broken UTF-8 is replaced.
    pub text: &'a str,
}

impl Board {
    /// With the decoders of this configuration. `tables`: a folder whose tables are used instead of the embedded ones.
    pub fn new(config: &Config, tables: Option<&Path>) -> Result<Board, ScoreError> {
        Ok(Board { feed: Feed::new(config)?, tables: Tables::load(tables)? })
    }

    /// Judge every suite found under these folders, or only the one with this name.
    pub fn run(&self, folders: &[PathBuf], only: Option<&str>) -> Result<Vec<Suite>, ScoreError> {
        let mut suites = Vec::new();
        let mut add = |name: &'static str, unit: &'static str, cases: Vec<Case>| {
            if cases.is_empty() || only.is_some_and(|only| only != name) {
                return;
            }
            suites.push(Suite { name, unit, cases });
        };
        let files = files(folders)?;
        let (mut fail2ban, mut crowdsec, mut wazuh) = (Vec::new(), Vec::new(), Vec::new());
        let (mut golden, mut plain) = (Vec::new(), BTreeMap::<_, Vec<Case>>::new());
        for (path, name) in &files {
            let text = read(path)?;
            let file = TestFile { path, name, text: &text };
            if fail2ban::recognise(&file) {
                fail2ban.extend(fail2ban::judge(&file, &self.feed, &self.tables.fail2ban));
            } else if crowdsec::recognise(&file) {
                crowdsec.extend(crowdsec::judge(&file, &self.feed, &self.tables.crowdsec)?);
            } else if wazuh::recognise(&file) {
                wazuh.extend(wazuh::judge(&file, &self.feed, &self.tables.wazuh));
            } else if golden::recognise(&file) {
                golden.extend(golden::judge(&file, &self.feed, &self.tables.golden)?);
            } else if let Some(kind) = plain::recognise(&file) {
                let name = match kind {
                    plain::Kind::Kubernetes => "kubernetes",
                    plain::Kind::Nginx => "nginx",
                    plain::Kind::Access => "access",
                };
                plain.entry(name).or_default().extend(plain::judge(&file, kind, &self.feed)?);
            }
        }
        add("fail2ban", "annotated line", fail2ban);
        add("crowdsec", "asserted field", crowdsec);
        add("wazuh", "log line", wazuh);
        add("ops-agent", "record", golden);
        for (name, cases) in plain {
            add(name, "record", cases);
        }
        if suites.is_empty() {
            let names: Vec<String> =
                folders.iter().map(|path| path.display().to_string()).collect();
            return Err(ScoreError::Nothing(names.join(", ")));
        }
        Ok(suites)
    }
}

/// Every file below the folders with its name in results: the path below the folder, or the file's own name.
fn files(folders: &[PathBuf]) -> Result<Vec<(PathBuf, String)>, ScoreError> {
    let mut found = Vec::new();
    for folder in folders {
        for entry in WalkDir::new(folder).max_depth(DEPTH_MAX).sort_by_file_name() {
            let entry = entry.map_err(|error| ScoreError::Read {
                path: folder.display().to_string(),
                source: error.into(),
            })?;
            let small = entry.metadata().is_ok_and(|about| about.len() <= FILE_BYTES_MAX);
            if !entry.file_type().is_file() || !small {
                continue;
            }
            let below = entry.path().strip_prefix(folder).unwrap_or(entry.path());
            let name = if below.as_os_str().is_empty() { entry.path() } else { below };
            found.push((entry.path().to_owned(), name.to_string_lossy().into_owned()));
        }
    }
    Ok(found)
}

/// A file as text.
pub(crate) fn read(path: &Path) -> Result<String, ScoreError> {
    let bytes = std::fs::read(path)
        .map_err(|source| ScoreError::Read { path: path.display().to_string(), source })?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
