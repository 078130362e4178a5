//! What a requested change makes of the book and of local edits. Files are laid down where nothing uses them yet; the
//! change itself is the row in the history that follows.

use std::fs;
use std::path::Path;

use crate::model::desk::{Problem, ProblemKind};
use crate::model::rule_life::{
    PackInUse, RuleBook, RuleChange, RuleRequest, RuleState, Selector, StateRow, Take,
};
use crate::pipeline::rule_life::adopt::Replaced;
use crate::pipeline::rule_life::overlay::{self, Files};
use crate::pipeline::rule_life::stage::{make_folder, read_manifest};
use crate::pipeline::rule_life::{Folders, invalid, io, is_name};

/// A change that is ready to be made.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    /// Its kind, for the history.
    pub kind: String,
    /// What it is about, for a person.
    pub subject: String,
    /// The book after it.
    pub book: RuleBook,
    /// Edits that it replaces.
    pub replaced: Vec<Replaced>,
}

/// What is known when a change is planned.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// The data folder.
    pub data_dir: &'a Path,
    /// The book as it is.
    pub book: &'a RuleBook,
    /// The change whose book is wanted back, for a rollback.
    pub target: Option<&'a RuleChange>,
}

/// Edits made by hand since the last change, brought into the book. `None`: there are none.
pub fn edits_by_hand(data_dir: &Path, book: &RuleBook) -> Result<Option<Plan>, Problem> {
    let folders = Folders::of(data_dir);
    let mut plan = Plan { kind: "edit".to_owned(), book: book.clone(), ..Plan::default() };
    let mut names = Vec::new();
    for pack in &book.packs {
        let files = overlay::read(&folders.local(&pack.name))?;
        let hash = overlay::keep(&folders, &pack.name, &files)?;
        if hash != pack.local {
            names.push(pack.name.clone());
            plan.book.put_pack(PackInUse { local: hash, ..pack.clone() });
        }
    }
    plan.subject = format!("local edits of {}", names.join(", "));
    Ok((!names.is_empty()).then_some(plan))
}

/// What a decision about states makes of the book. `None`: it is that way already.
pub fn state(
    book: &RuleBook,
    selector: &Selector,
    state: Option<RuleState>,
    row: StateRow,
) -> Option<Plan> {
    let mut book = book.clone();
    let row = state.map(|state| StateRow { state, selector: selector.clone(), ..row });
    let word = row.as_ref().map_or("no decision", |row| row.state.as_str());
    let subject = format!("{selector}: {word}");
    book.put_state(selector, row).then_some(Plan {
        kind: "state".to_owned(),
        subject,
        book,
        replaced: Vec::new(),
    })
}

/// What another request makes of it. `None`: it is that way already.
pub fn plan(known: &Known<'_>, request: &RuleRequest) -> Result<Option<Plan>, Problem> {
    match request {
        RuleRequest::State { .. } | RuleRequest::Release { .. } => Ok(None),
        RuleRequest::Pack { staged } => pack(known, staged).map(Some),
        RuleRequest::Remove { pack } => remove(known, pack).map(Some),
        RuleRequest::Resolve { pack, file, take } => resolve(known, pack, file, take).map(Some),
        RuleRequest::Rollback { .. } => rollback(known),
    }
}

fn no_pack(name: &str) -> Problem {
    Problem::new(ProblemKind::NotFound, format!("no pack {name} is in use"))
        .hint("watchfloor rules packs lists them")
}

fn pack(known: &Known<'_>, staged: &str) -> Result<Plan, Problem> {
    let folders = Folders::of(known.data_dir);
    if !is_name(staged) {
        return Err(invalid(format!("{staged:?} is no staged pack")));
    }
    let from = folders.staging().join(staged);
    let manifest = read_manifest(&from)?;
    let (name, version) = (manifest.name.as_str(), manifest.version.as_str());
    if !is_name(name) || !is_name(version) {
        return Err(invalid("the staged pack has no usable name or version"));
    }
    let place = folders.version(name, version);
    if place.is_dir() {
        let there = read_manifest(&place)?;
        if there.sha256 != manifest.sha256 {
            let text = format!("the pack {name} {version} is there with other content");
            return Err(Problem::new(ProblemKind::Conflict, text));
        }
        // The same files: those that are there stay, and what was staged is not needed.
        let _ = fs::remove_dir_all(&from);
    } else {
        if let Some(parent) = place.parent() {
            make_folder(parent)?;
        }
        fs::rename(&from, &place).map_err(|error| io("move the pack to", &place, &error))?;
    }
    let fresh = PackInUse { name: name.to_owned(), ..PackInUse::default() };
    let old = known.book.pack(name);
    let edits = overlay::read(&folders.local(name))?;
    let moved = overlay::upgrade(&folders, old.unwrap_or(&fresh), &edits, version)?;
    let local = overlay::keep(&folders, name, &moved.files)?;
    let mut subject = match old {
        Some(old) => format!("{name} {} to {version}", old.version),
        None => format!("{name} {version}"),
    };
    if moved.merged > 0 {
        subject.push_str(&format!(", {} edits merged", moved.merged));
    }
    if !moved.conflicts.is_empty() {
        subject.push_str(&format!(", {} files wait for a decision", moved.conflicts.len()));
    }
    let mut book = known.book.clone();
    let conflicts = moved.conflicts;
    let new = PackInUse { version: version.to_owned(), local: local.clone(), conflicts, ..fresh };
    book.put_pack(new);
    let kind = if old.is_some() { "upgrade" } else { "import" };
    let replaced = replaced(name, &edits, &local);
    Ok(Plan { kind: kind.to_owned(), subject, book, replaced })
}

fn replaced(pack: &str, edits: &Files, to: &str) -> Vec<Replaced> {
    let from = overlay::hash(edits);
    let one = Replaced { pack: pack.to_owned(), to: to.to_owned(), from };
    if one.from == one.to { Vec::new() } else { vec![one] }
}

fn remove(known: &Known<'_>, name: &str) -> Result<Plan, Problem> {
    let folders = Folders::of(known.data_dir);
    let old = known.book.pack(name).ok_or_else(|| no_pack(name))?;
    let mut book = known.book.clone();
    book.packs.retain(|pack| pack.name != name);
    let edits = overlay::read(&folders.local(name))?;
    let subject = format!("{name} {}", old.version);
    Ok(Plan { kind: "remove".to_owned(), subject, book, replaced: replaced(name, &edits, "") })
}

fn resolve(known: &Known<'_>, name: &str, file: &str, take: &Take) -> Result<Plan, Problem> {
    let folders = Folders::of(known.data_dir);
    let old = known.book.pack(name).ok_or_else(|| no_pack(name))?;
    let waits = old.conflicts.iter().any(|conflict| conflict.file == file);
    if !waits {
        let text = format!("{file} of {name} does not wait for a decision");
        return Err(Problem::new(ProblemKind::NotFound, text)
            .hint("watchfloor rules conflicts lists what does"));
    }
    let edits = overlay::read(&folders.local(name))?;
    let mut files = edits.clone();
    match take {
        Take::Mine => {}
        Take::Theirs => {
            files.remove(file);
        }
        Take::Text(text) => {
            if text.lines().any(|line| line.starts_with("<<<<<<<") || line.starts_with(">>>>>>>")) {
                return Err(invalid("the text still has marks of a conflict")
                    .hint("decide each place and remove the lines with <<<<<<<, |||||||, ======= and >>>>>>>"));
            }
            files.insert(file.to_owned(), text.clone().into_bytes());
        }
    }
    let local = overlay::keep(&folders, name, &files)?;
    let mut pack = PackInUse { local: local.clone(), ..old.clone() };
    pack.conflicts.retain(|conflict| conflict.file != file);
    let mut book = known.book.clone();
    book.put_pack(pack);
    let word = match take {
        Take::Mine => "the local text stays",
        Take::Theirs => "the pack's text",
        Take::Text(_) => "a new text",
    };
    let subject = format!("{name}/{file}: {word}");
    Ok(Plan { kind: "resolve".to_owned(), subject, book, replaced: replaced(name, &edits, &local) })
}

fn rollback(known: &Known<'_>) -> Result<Option<Plan>, Problem> {
    let folders = Folders::of(known.data_dir);
    let Some(target) = known.target else {
        return Err(Problem::new(ProblemKind::NotFound, "there is no such change of rules")
            .hint("watchfloor rules history lists them"));
    };
    let book = target.after.clone();
    if book == *known.book {
        return Ok(None);
    }
    let mut all = Vec::new();
    let names = book.packs.iter().chain(&known.book.packs).map(|pack| pack.name.as_str());
    let names: std::collections::BTreeSet<&str> = names.collect();
    for name in names {
        let wanted = book.pack(name);
        if let Some(pack) = wanted {
            let place = folders.version(name, &pack.version);
            let kept = folders.kept(name, &pack.local);
            let gone = if place.is_dir() { kept } else { place.clone() };
            if !place.is_dir() || !(pack.local.is_empty() || gone.is_dir()) {
                let text = format!("the folder {} is gone", gone.display());
                return Err(Problem::new(ProblemKind::NotFound, text)
                    .hint("import that version again, then roll back"));
            }
        }
        let edits = overlay::read(&folders.local(name))?;
        let to = wanted.map_or("", |pack| pack.local.as_str());
        all.extend(replaced(name, &edits, to));
    }
    let subject = format!("to what change {} left", target.id);
    Ok(Some(Plan { kind: "rollback".to_owned(), subject, book, replaced: all }))
}
