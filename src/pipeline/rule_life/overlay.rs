//! Local edits: files in `local/NAME` that stand in for those of a pack. They are kept as every change left them, and
//! brought to a new version of the pack by a three-way merge.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use rsigma_parser::parse_sigma_yaml;

use crate::detect::files::rule_files;
use crate::model::desk::Problem;
use crate::model::rule_life::{Conflict, PackInUse};
use crate::pipeline::rule_life::stage::{Scratch, lay_down, make_folder};
use crate::pipeline::rule_life::{Folders, hash_of, invalid, io};

/// Letters of the hash that names kept edits.
const HASH_LETTERS: usize = 16;

/// Files by path.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// The rule files of a folder.
pub(super) fn read(folder: &Path) -> Result<Files, Problem> {
    let mut problems = Vec::new();
    let mut files = Files::new();
    for (name, path) in rule_files(folder, &mut problems) {
        let bytes = fs::read(&path).map_err(|error| io("read", &path, &error))?;
        files.insert(name.to_string_lossy().into_owned(), bytes);
    }
    match problems.first() {
        Some(problem) => Err(invalid(problem.to_string())),
        None => Ok(files),
    }
}

/// The name under which edits are kept; empty for none.
pub(super) fn hash(files: &Files) -> String {
    if files.is_empty() {
        return String::new();
    }
    let hash = hash_of(files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice())));
    hash.get(..HASH_LETTERS).unwrap_or_default().to_owned()
}

/// Keep edits for the way back. Returns their name.
pub(super) fn keep(folders: &Folders, pack: &str, files: &Files) -> Result<String, Problem> {
    let hash = hash(files);
    if hash.is_empty() {
        return Ok(hash);
    }
    let place = folders.kept(pack, &hash);
    if place.is_dir() {
        return Ok(hash);
    }
    let scratch = Scratch::make(&folders.staging(), "kept")?;
    let new = scratch.path.join("files");
    lay_down(&new, files)?;
    if let Some(parent) = place.parent() {
        make_folder(parent)?;
    }
    fs::rename(&new, &place).map_err(|error| io("keep", &place, &error))?;
    Ok(hash)
}

/// Put kept edits in the place of those that are there, in one step.
pub(super) fn swap(folders: &Folders, pack: &str, hash: &str) -> Result<(), Problem> {
    let place = folders.local(pack);
    let scratch = Scratch::make(&folders.staging(), "local")?;
    let new = scratch.path.join("files");
    make_folder(&new)?;
    if !hash.is_empty() {
        let kept = folders.kept(pack, hash);
        let files = read(&kept)?;
        lay_down(&new, &files)?;
    }
    let failed = |error: &std::io::Error| io("replace", &place, error);
    if !place.exists() {
        if let Some(parent) = place.parent() {
            make_folder(parent)?;
        }
        return fs::rename(&new, &place).map_err(|error| failed(&error));
    }
    let here = rustix::fs::CWD;
    let exchange = rustix::fs::RenameFlags::EXCHANGE;
    if rustix::fs::renameat_with(here, &new, here, &place, exchange).is_ok() {
        return Ok(());
    }
    // A file system that cannot exchange: for a moment there are no edits.
    fs::rename(&place, scratch.path.join("old"))
        .and_then(|()| fs::rename(&new, &place))
        .map_err(|error| failed(&error))
}

/// How one file with a local edit meets a new version of its pack.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Met {
    /// The edit is no longer needed: the new version says the same.
    Dropped,
    /// The edit stays as it is.
    Kept,
    /// Both changes fit together.
    Merged(Vec<u8>),
    /// They do not.
    Conflict,
}

/// Three texts of one file: what the edit was made from, the edit, and the new one.
pub(super) fn meet(base: Option<&[u8]>, mine: &[u8], theirs: Option<&[u8]>) -> Met {
    match (base, theirs) {
        (_, Some(theirs)) if theirs == mine => Met::Dropped,
        (Some(base), Some(_)) if base == mine => Met::Dropped,
        (base, theirs) if base == theirs => Met::Kept,
        (Some(base), Some(theirs)) => {
            let texts = [base, mine, theirs].map(std::str::from_utf8);
            let [Ok(base), Ok(mine), Ok(theirs)] = texts else { return Met::Conflict };
            match diffy::merge(base, mine, theirs) {
                // Lines that fit together need not make a rule.
                Ok(merged) if is_rule(&merged) => Met::Merged(merged.into_bytes()),
                _ => Met::Conflict,
            }
        }
        _ => Met::Conflict,
    }
}

fn is_rule(text: &str) -> bool {
    parse_sigma_yaml(text).is_ok_and(|parsed| parsed.errors.is_empty())
}

/// What becomes of the edits of a pack when another version comes into use.
#[derive(Debug, Default)]
pub(super) struct Moved {
    pub(super) files: Files,
    pub(super) conflicts: Vec<Conflict>,
    pub(super) merged: usize,
}

/// Bring edits to another version.
pub(super) fn upgrade(
    folders: &Folders,
    old: &PackInUse,
    edits: &Files,
    version: &str,
) -> Result<Moved, Problem> {
    let mut moved = Moved::default();
    let text =
        |version: &str, file: &str| fs::read(folders.version(&old.name, version).join(file)).ok();
    for (file, mine) in edits {
        // An edit that still waits was made from an older version.
        let waiting = old.conflicts.iter().find(|conflict| conflict.file == *file);
        let base_version = waiting.map_or(old.version.as_str(), |conflict| conflict.base.as_str());
        let (base, theirs) = (text(base_version, file), text(version, file));
        match meet(base.as_deref(), mine, theirs.as_deref()) {
            Met::Dropped => {}
            Met::Kept => {
                moved.files.insert(file.clone(), mine.clone());
            }
            Met::Merged(bytes) => {
                moved.merged += 1;
                if theirs.as_deref() != Some(bytes.as_slice()) {
                    moved.files.insert(file.clone(), bytes);
                }
            }
            Met::Conflict => {
                moved.files.insert(file.clone(), mine.clone());
                let base = base_version.to_owned();
                moved.conflicts.push(Conflict { file: file.clone(), base });
            }
        }
    }
    Ok(moved)
}
