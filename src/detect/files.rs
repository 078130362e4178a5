//! Rule files: where they are, how a file falls into documents, and which are refused unread.
//!
//! A rule file comes from outside: its size is bounded, and YAML aliases are counted before the real parser
//! expands them, so that a file of a million aliases costs a scan of its bytes and nothing more.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Component, Path, PathBuf};

use include_dir::{Dir, include_dir};
use serde_saphyr::budget::{Budget, BudgetBreach, EnforcingPolicy, check_yaml_budget};

use crate::config::rules::PackPlace;
use crate::detect::load::RuleProblem;

/// The word in `rules.paths` that means the pack in the program.
pub const BUILTIN: &str = "builtin";
/// What stands before the name of an imported pack, in `rules.paths` and in the names of its files.
pub const PACK_PREFIX: &str = "pack:";
/// What stands before the name of a pack in the name of a file that is edited here.
pub const LOCAL_PREFIX: &str = "local:";
/// A rule file longer than this is refused. The longest file of the public packs has 50 KiB.
pub const RULE_FILE_BYTES_MAX: u64 = 1 << 20;
/// More aliases than this in one file are refused; public packs use none.
pub const RULE_ALIASES_MAX: usize = 16;
/// Most YAML nodes that may stand under anchors of one file.
const ANCHORED_EVENTS_MAX: usize = 1_000;
/// Folders deeper than this are not followed.
const DEPTH_MAX: usize = 32;

static PACK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/config/rules");

/// One YAML document of a rule file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The file, as a person would name it.
    pub file: String,
    /// Line of the file on which the document begins, from 1.
    pub line: u32,
    /// The document's text.
    pub text: String,
}

/// Every rule document under `paths` in the order of paths and names, then those of packs that `paths` does not name;
/// what could not be read is a problem.
pub fn documents(
    paths: &[String],
    packs: &[PackPlace],
    problems: &mut Vec<RuleProblem>,
) -> Vec<Document> {
    let mut out = Vec::new();
    for path in paths {
        if path == BUILTIN {
            builtin(&PACK, &mut out, problems);
        } else if let Some(inner) = in_pack(path) {
            match pack_file(inner) {
                Some(bytes) => add(path, bytes, &mut out, problems),
                None => problems.push(RuleProblem::new(
                    path.clone(),
                    0,
                    "is no file of the built-in pack".to_owned(),
                )),
            }
        } else if let Some(file) = on_disk(path, packs) {
            read(&file, path.clone(), &mut out, problems);
        } else if let Some(name) = path.strip_prefix(PACK_PREFIX) {
            match packs.iter().find(|pack| pack.name == name) {
                Some(pack) => from_pack(pack, &mut out, problems),
                None => problems.push(RuleProblem::new(
                    path.clone(),
                    0,
                    "is not imported or is off: see `watchfloor rules packs`".to_owned(),
                )),
            }
        } else {
            from_disk(Path::new(path), &mut out, problems);
        }
    }
    let named = |pack: &&PackPlace| {
        paths.iter().any(|path| path.strip_prefix(PACK_PREFIX) == Some(pack.name.as_str()))
    };
    packs.iter().filter(|pack| !named(pack)).for_each(|pack| from_pack(pack, &mut out, problems));
    out
}

/// The path inside the built-in pack of a name such as `builtin/linux/x.yml`.
pub fn in_pack(name: &str) -> Option<&str> {
    name.strip_prefix(BUILTIN)?.strip_prefix('/')
}

/// A file of the built-in pack.
pub fn pack_file(inner: &str) -> Option<&'static [u8]> {
    PACK.get_file(inner).map(include_dir::File::contents)
}

/// The pack that a file of a rule is of, if it is of one.
pub fn pack_of(file: &str) -> Option<&str> {
    let rest = file.strip_prefix(PACK_PREFIX).or_else(|| file.strip_prefix(LOCAL_PREFIX));
    match rest {
        Some(rest) => rest.split('/').next(),
        None => file.starts_with("builtin/").then_some(BUILTIN),
    }
}

/// Where a file of an imported pack lies that is shown as `pack:NAME/FILE` or `local:NAME/FILE`.
pub fn on_disk(name: &str, packs: &[PackPlace]) -> Option<PathBuf> {
    let local = name.strip_prefix(LOCAL_PREFIX);
    let (pack, file) = local.or_else(|| name.strip_prefix(PACK_PREFIX))?.split_once('/')?;
    let place = packs.iter().find(|place| place.name == pack)?;
    let inside = Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
    let folder = if local.is_some() { &place.local } else { &place.folder };
    inside.then(|| folder.join(file))
}

/// The rule files of a folder by their names in it, sorted. Links are not followed.
pub fn rule_files(folder: &Path, problems: &mut Vec<RuleProblem>) -> BTreeMap<PathBuf, PathBuf> {
    let mut files = BTreeMap::new();
    if !folder.exists() {
        return files;
    }
    for entry in walkdir::WalkDir::new(folder).max_depth(DEPTH_MAX) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && is_rule_file(entry.path()) => {
                if let Ok(name) = entry.path().strip_prefix(folder) {
                    files.insert(name.to_owned(), entry.path().to_owned());
                }
            }
            Ok(_) => {}
            Err(error) => {
                let place = error.path().unwrap_or(folder).display().to_string();
                problems.push(RuleProblem::of_file(place, 0, format!("cannot be read: {error}")));
            }
        }
    }
    files
}

/// A pack's files, with local ones in the place of those that they edit.
fn from_pack(pack: &PackPlace, out: &mut Vec<Document>, problems: &mut Vec<RuleProblem>) {
    if !pack.folder.is_dir() {
        let text = format!("the folder {} of the pack is gone", pack.folder.display());
        let name = format!("{PACK_PREFIX}{}", pack.name);
        problems.push(RuleProblem::of_file(name, 0, text));
    }
    let shipped = rule_files(&pack.folder, problems).into_iter();
    let mut files: BTreeMap<PathBuf, (&str, PathBuf)> =
        shipped.map(|(name, path)| (name, (PACK_PREFIX, path))).collect();
    let local = rule_files(&pack.local, problems).into_iter();
    files.extend(local.map(|(name, path)| (name, (LOCAL_PREFIX, path))));
    for (name, (prefix, path)) in files {
        let shown = format!("{prefix}{}/{}", pack.name, name.display());
        read(&path, shown, out, problems);
    }
}

fn builtin(folder: &Dir<'static>, out: &mut Vec<Document>, problems: &mut Vec<RuleProblem>) {
    for file in folder.files() {
        let name = format!("{BUILTIN}/{}", file.path().display());
        if is_rule_file(file.path()) {
            add(&name, file.contents(), out, problems);
        }
    }
    for inner in folder.dirs() {
        builtin(inner, out, problems);
    }
}

fn from_disk(path: &Path, out: &mut Vec<Document>, problems: &mut Vec<RuleProblem>) {
    let walk =
        walkdir::WalkDir::new(path).follow_links(true).max_depth(DEPTH_MAX).sort_by_file_name();
    for entry in walk {
        match entry {
            Ok(entry) => {
                let named = entry.depth() == 0;
                if entry.file_type().is_file() && (named || is_rule_file(entry.path())) {
                    read(entry.path(), entry.path().display().to_string(), out, problems);
                }
            }
            Err(error) => {
                let place = error.path().unwrap_or(path).display().to_string();
                problems.push(RuleProblem::of_file(place, 0, format!("cannot be read: {error}")));
            }
        }
    }
}

fn read(path: &Path, name: String, out: &mut Vec<Document>, problems: &mut Vec<RuleProblem>) {
    let mut bytes = Vec::new();
    let read = fs::File::open(path)
        .and_then(|file| file.take(RULE_FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => add(&name, &bytes, out, problems),
        Err(error) => {
            problems.push(RuleProblem::of_file(name, 0, format!("cannot be read: {error}")));
        }
    }
}

/// The documents of one file's bytes.
pub fn add(name: &str, bytes: &[u8], out: &mut Vec<Document>, problems: &mut Vec<RuleProblem>) {
    let mut refuse =
        |line, reason: String| problems.push(RuleProblem::of_file(name.to_owned(), line, reason));
    if bytes.is_empty() {
        // What a file looks like in the moment in which it is written again.
        return refuse(0, "is empty; remove it or write a rule".to_owned());
    }
    if bytes.len() as u64 > RULE_FILE_BYTES_MAX {
        return refuse(
            0,
            format!("is longer than {RULE_FILE_BYTES_MAX} bytes; split it into several files"),
        );
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text.strip_prefix('\u{feff}').unwrap_or(text),
        Err(error) => {
            let before = bytes.get(..error.valid_up_to()).unwrap_or_default();
            return refuse(1 + lines_in(before), "is not UTF-8; save it as UTF-8".to_owned());
        }
    };
    if let Some(reason) = too_many_aliases(text) {
        return refuse(0, reason);
    }
    split(name, text, out);
}

/// Is this the name of a rule file?
pub fn is_rule_file(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    let stem = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    matches!(extension, Some("yml" | "yaml"))
        && !stem.ends_with(".test.yml")
        && !stem.starts_with('.')
}

fn lines_in(bytes: &[u8]) -> u32 {
    u32::try_from(memchr::memchr_iter(b'\n', bytes).count()).unwrap_or(u32::MAX)
}

/// Why a file's anchors and aliases are refused, if they are.
fn too_many_aliases(text: &str) -> Option<String> {
    let mut budget = Budget::default();
    budget.max_aliases = RULE_ALIASES_MAX;
    budget.max_recorded_anchor_events = ANCHORED_EVENTS_MAX;
    if !may_have_anchors(text) {
        return None;
    }
    // What does not even scan is reported by the parser, with its line.
    let breached = check_yaml_budget(text, budget, EnforcingPolicy::AllContent).ok()?.breached?;
    let what = match breached {
        BudgetBreach::Aliases { .. } => format!("has more than {RULE_ALIASES_MAX} YAML aliases"),
        other => format!("uses YAML anchors beyond the limits ({other:?})"),
    };
    Some(format!("{what}; write the values out"))
}

fn may_have_anchors(text: &str) -> bool {
    let bytes = text.as_bytes();
    memchr::memchr_iter(b'&', bytes).any(|at| {
        let before = at.checked_sub(1).and_then(|index| bytes.get(index)).copied().unwrap_or(b'\n');
        let after = bytes.get(at + 1).copied().unwrap_or(b' ');
        (before.is_ascii_whitespace() || matches!(before, b'[' | b'{' | b',' | b':'))
            && !after.is_ascii_whitespace()
            && after != b'&'
    })
}

/// Cut a file at its `---` lines. A file that uses `action:` (one document changes the next) stays whole.
fn split(name: &str, text: &str, out: &mut Vec<Document>) {
    let whole = text.starts_with("action:") || text.contains("\naction:");
    let mut start = 0;
    let mut start_line = 1;
    let mut at = 0;
    for (line, row) in (1..).zip(text.split_inclusive('\n')) {
        let marker = row
            .strip_prefix("---")
            .is_some_and(|rest| rest.is_empty() || rest.starts_with(char::is_whitespace));
        if marker && !whole {
            push(name, start_line, text.get(start..at).unwrap_or_default(), out);
            start = at + row.len();
            start_line = line + 1;
        }
        at += row.len();
    }
    push(name, start_line, text.get(start..).unwrap_or_default(), out);
}

fn push(name: &str, line: u32, text: &str, out: &mut Vec<Document>) {
    let first = text.lines().position(|row| {
        let row = row.trim();
        !row.is_empty() && !row.starts_with('#') && row != "..."
    });
    if let Some(skipped) = first {
        let line = line.saturating_add(u32::try_from(skipped).unwrap_or(0));
        out.push(Document { file: name.to_owned(), line, text: text.to_owned() });
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::time::Instant;

    use super::*;

    fn read_text(text: &str) -> (Vec<Document>, Vec<RuleProblem>) {
        let (mut out, mut problems) = (Vec::new(), Vec::new());
        add("f.yml", text.as_bytes(), &mut out, &mut problems);
        (out, problems)
    }

    #[test]
    fn documents_know_their_lines() {
        let (documents, problems) =
            read_text("# c\ntitle: a\n---\n\ntitle: b\n---\n# only a comment\n");
        let lines: Vec<_> =
            documents.iter().map(|document| (document.line, document.text.trim())).collect();
        assert_eq!(lines, [(2, "# c\ntitle: a"), (5, "title: b")]);
        assert!(problems.is_empty());
        let (documents, _) = read_text("action: global\nlevel: low\n---\ntitle: b\n");
        assert_eq!(documents.len(), 1);
    }

    #[test]
    fn a_file_of_aliases_is_refused_without_expanding_it() {
        let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..12 {
            let _ = write!(text, "a{level}: &a{level} [");
            for _ in 0..9 {
                let _ = write!(text, "*a{}, ", level - 1);
            }
            text.push_str("]\n");
        }
        let started = Instant::now();
        let (documents, problems) = read_text(&text);
        assert!(documents.is_empty());
        assert!(problems[0].reason.contains("aliases"), "{problems:?}");

        let mut text = String::from("a: &a [x]\nb:\n");
        for _ in 0..1_000_000 / 8 {
            text.push_str("  - *a\n");
        }
        let (documents, problems) = read_text(&text);
        assert!(documents.is_empty());
        assert!(problems[0].reason.contains("aliases"), "{problems:?}");
        let (documents, problems) = read_text(&"- *a\n".repeat(1_000_000));
        assert!(documents.is_empty());
        assert!(problems[0].reason.contains("longer"), "{problems:?}");
        assert!(started.elapsed().as_secs() < 5);
    }

    #[test]
    fn a_few_anchors_are_allowed_and_urls_are_none() {
        let (documents, problems) =
            read_text("a: &a [x]\nb: *a\nu: http://h/?a=1&b=2\nc: 1 of sel*\n");
        assert_eq!((documents.len(), problems.len()), (1, 0));
    }

    #[test]
    fn broken_bytes_and_missing_folders_are_problems_with_their_place() {
        let (mut out, mut problems) = (Vec::new(), Vec::new());
        add("f.yml", b"title: a\nlevel: \xff\n", &mut out, &mut problems);
        from_disk(Path::new("/nowhere/at/all"), &mut out, &mut problems);
        assert!(out.is_empty());
        assert_eq!(problems[0].line, 2);
        assert!(problems[1].file.contains("/nowhere"));
    }

    #[test]
    fn the_pack_in_the_program_is_readable() {
        let mut problems = Vec::new();
        assert!(!documents(&[BUILTIN.to_owned()], &[], &mut problems).is_empty());
        assert_eq!(problems, []);
    }
}
