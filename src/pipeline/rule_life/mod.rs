//! The life of rules in the data folder: packs come in ([`stage`], [`adopt`]), people edit and decide, versions change
//! ([`overlay`], [`plan`]), and a running daemon takes up what changed ([`reload`]).
//!
//! ```text
//! DATA/rules/book.json                what holds now, for commands that do not open the store
//! DATA/rules/packs/NAME/VERSION/      imported packs, never changed once they lie there
//! DATA/rules/local/NAME/              local edits: files that stand in for those of the pack
//! DATA/rules/kept/NAME/HASH/          local edits as some change left them, for the way back
//! DATA/rules/staging/                 what is being imported
//! ```
//!
//! The store's history of changes is what counts; the folder follows it. Nothing here writes into a folder of
//! `rules.paths`.

pub mod adopt;
pub mod conflicts;
pub mod overlay;
pub mod plan;
pub(crate) mod reload;
pub mod resolve;
pub mod sign;
pub mod stage;
mod unpack;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};

use crate::model::desk::{Problem, ProblemKind};

/// Letters of a pack's name or version.
pub const NAME_LETTERS_MAX: usize = 64;

/// The folders of the life of rules in a data folder.
#[derive(Clone, Debug)]
pub struct Folders {
    root: PathBuf,
}

impl Folders {
    /// Those of a data folder.
    pub fn of(data_dir: &Path) -> Folders {
        Folders { root: data_dir.join("rules") }
    }

    /// The file that says what holds.
    pub fn book(&self) -> PathBuf {
        self.root.join("book.json")
    }

    /// A version of a pack.
    pub fn version(&self, name: &str, version: &str) -> PathBuf {
        self.root.join("packs").join(name).join(version)
    }

    /// The local edits of a pack.
    pub fn local(&self, name: &str) -> PathBuf {
        self.root.join("local").join(name)
    }

    /// Local edits as some change left them.
    pub fn kept(&self, name: &str, hash: &str) -> PathBuf {
        self.root.join("kept").join(name).join(hash)
    }

    /// What is being imported.
    pub fn staging(&self) -> PathBuf {
        self.root.join("staging")
    }

    /// Overlays that a change has promised and that may not be in place yet.
    pub fn promised(&self) -> PathBuf {
        self.root.join("promised.json")
    }
}

/// Can this be the name or version of a pack, and of a folder? Small letters, digits, `.`, `_`, `-`.
pub fn is_name(text: &str) -> bool {
    let inner =
        |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '_' | '-');
    !text.is_empty()
        && text.len() <= NAME_LETTERS_MAX
        && text.chars().all(inner)
        && text.starts_with(|c: char| c.is_ascii_alphanumeric())
        && text != "builtin"
}

/// SHA-256 over names and contents, each with its length, in the order of the names.
pub(crate) fn hash_of<'a>(files: impl IntoIterator<Item = (&'a str, &'a [u8])>) -> String {
    let mut hasher = Sha256::new();
    for (name, bytes) in files {
        for part in [name.as_bytes(), bytes] {
            hasher.update((part.len() as u64).to_le_bytes());
            hasher.update(part);
        }
    }
    hex(&hasher.finalize())
}

/// SHA-256 of bytes, as `sha256sum` prints it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A file operation that failed.
pub(crate) fn io(what: &str, path: &Path, error: &std::io::Error) -> Problem {
    let kind = match error.kind() {
        std::io::ErrorKind::NotFound => ProblemKind::NotFound,
        std::io::ErrorKind::PermissionDenied => ProblemKind::Forbidden,
        _ => ProblemKind::Unavailable,
    };
    let problem = Problem::new(kind, format!("cannot {what} {}: {error}", path.display()));
    match kind {
        ProblemKind::Forbidden => {
            problem.hint("run the command as the user whose data folder it is")
        }
        ProblemKind::Unavailable => problem.hint("nothing was changed; free space and try again"),
        _ => problem,
    }
}

pub(crate) fn invalid(message: impl Into<String>) -> Problem {
    Problem::new(ProblemKind::Invalid, message)
}
