//! A change that is in the history becomes true in the data folder, also after a crash between the two.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

use crate::model::desk::Problem;
use crate::model::rule_life::RuleBook;
use crate::pipeline::rule_life::plan::Plan;
use crate::pipeline::rule_life::stage::{hand_over, make_folder, write};
use crate::pipeline::rule_life::{Folders, io, overlay, resolve};

/// What lies in `staging` for longer is of an import that was killed.
const LEFT_OVER_AFTER: Duration = Duration::from_secs(24 * 3_600);

/// Edits that a change replaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// The pack.
    pub pack: String,
    /// Name of the kept edits that are there.
    pub from: String,
    /// Name of the kept edits that come.
    pub to: String,
}

/// Say which edits will be replaced, before the change is in the history.
pub fn promise(data_dir: &Path, plan: &Plan) -> Result<(), Problem> {
    if plan.replaced.is_empty() {
        return Ok(());
    }
    let path = Folders::of(data_dir).promised();
    if let Some(parent) = path.parent() {
        make_folder(parent)?;
    }
    write(&path, &serde_json::to_vec(&plan.replaced).unwrap_or_default())
}

/// Make the folder say what the history says.
pub fn fulfil(data_dir: &Path, plan: &Plan) -> Result<(), Problem> {
    let folders = Folders::of(data_dir);
    for replaced in &plan.replaced {
        overlay::swap(&folders, &replaced.pack, &replaced.to)?;
    }
    resolve::write_book(data_dir, &plan.book)?;
    forget(&folders);
    hand_over(data_dir, &folders)
}

fn forget(folders: &Folders) {
    // Where it is not there, nothing was promised.
    let _ = fs::remove_file(folders.promised());
}

/// At the start: finish what a crash interrupted, write down what holds, and clear away what killed imports left.
pub fn recover(data_dir: &Path, book: &RuleBook) -> Result<(), Problem> {
    let folders = Folders::of(data_dir);
    let promised = fs::read(folders.promised()).unwrap_or_default();
    let promised: Vec<Replaced> = serde_json::from_slice(&promised).unwrap_or_default();
    for replaced in promised {
        let wanted = book.pack(&replaced.pack).map_or("", |pack| pack.local.as_str());
        let there = overlay::hash(&overlay::read(&folders.local(&replaced.pack))?);
        // Edits made by hand since are nobody's to replace.
        if wanted == replaced.to && there == replaced.from {
            overlay::swap(&folders, &replaced.pack, &replaced.to)?;
        }
    }
    resolve::write_book(data_dir, book)?;
    forget(&folders);
    clear(&folders.staging())?;
    hand_over(data_dir, &folders)
}

fn clear(staging: &Path) -> Result<(), Problem> {
    let entries = match fs::read_dir(staging) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(io("read", staging, &error)),
    };
    for entry in entries.flatten() {
        let changed = entry.metadata().and_then(|about| about.modified());
        let old = changed.ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        if old.is_some_and(|age| age > LEFT_OVER_AFTER) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}
