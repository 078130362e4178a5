//! `manifest.json` of an imported rule pack: what it is and where it comes from. Fields are only added, with a default.

use serde::{Deserialize, Serialize};

/// Something about one file of a pack, for a person.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The file, as the pack names it.
    pub file: String,
    /// The line, from 1; 0: the whole file.
    #[serde(default)]
    pub line: u32,
    /// What is wrong with it.
    pub reason: String,
}

/// How much is in a pack.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Files that were taken.
    pub files: u64,
    /// Rules that run, correlations among them.
    pub rules: u64,
    /// Of them correlations.
    pub correlations: u64,
    /// Rules for logs that are not read.
    pub unbound: u64,
    /// Rules and files that do not run.
    pub problems: u64,
    /// Files that were left out because of what they are.
    pub refused: u64,
    /// Files that are no rules and were left out without further words.
    pub skipped: u64,
}

/// What a pack is and where it comes from.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The folder or archive it was made from.
    pub from: String,
    /// SHA-256 of the archive; empty for a folder.
    #[serde(default)]
    pub archive_sha256: String,
    /// SHA-256 over names and contents of the files that were taken.
    pub sha256: String,
    /// When it was imported.
    pub imported: String,
    /// Who imported it.
    pub by: String,
    /// The key that signed the archive; empty: unsigned.
    #[serde(default)]
    pub signed_by: String,
    /// The file of its licence; empty: none was found.
    #[serde(default)]
    pub licence_file: String,
    /// The first line of that file, or what the pack says of itself.
    #[serde(default)]
    pub licence: String,
    /// Its homepage or repository, as the pack says.
    #[serde(default)]
    pub homepage: String,
    /// Rules that the pack recommends, by id; empty: by status and level.
    #[serde(default)]
    pub recommended: Vec<String>,
    /// How much is in it.
    pub counts: Counts,
    /// What does not run, bounded.
    #[serde(default)]
    pub problems: Vec<Note>,
    /// What was left out because of what it is, bounded.
    #[serde(default)]
    pub refused: Vec<Note>,
}
