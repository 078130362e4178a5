//! Signal files: where they are, and which are refused unread. A file may hold several documents, cut at `---`.

use std::fs;
use std::io::Read;
use std::path::Path;

use include_dir::{Dir, include_dir};

use crate::signal::load::SignalProblem;

/// The word in `signals.paths` that means the signals in the program.
pub const BUILTIN: &str = "builtin";
/// A longer file is refused.
pub const FILE_BYTES_MAX: u64 = 256 << 10;
/// Files read at most; the rest is a problem.
pub const FILES_MAX: usize = 10_000;
/// Folders deeper than this are not followed.
const DEPTH_MAX: usize = 16;

static PACK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/config/signals");

/// One document of a signal file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Document {
    /// The file, as a person would name it.
    pub file: String,
    /// How many lines stand before the document's text.
    pub skipped: u32,
    /// The text.
    pub text: String,
}

/// Every document under `paths`, in the order of paths and names; what could not be read is a problem.
pub fn documents(paths: &[String], problems: &mut Vec<SignalProblem>) -> Vec<Document> {
    let mut out = Vec::new();
    let mut files = 0;
    for path in paths {
        if path == BUILTIN {
            builtin(&PACK, &mut out, problems);
        } else if let Some(bytes) = in_pack(path).and_then(pack_file) {
            add(path, bytes, &mut out, problems);
        } else {
            from_disk(Path::new(path), &mut files, &mut out, problems);
        }
    }
    out
}

/// The path inside the program's own signals of a name such as `builtin/web/x.yml`.
pub fn in_pack(name: &str) -> Option<&str> {
    name.strip_prefix(BUILTIN)?.strip_prefix('/')
}

/// The bytes of a file of the program's own signals.
pub fn pack_file(inner: &str) -> Option<&'static [u8]> {
    PACK.get_file(inner).map(include_dir::File::contents)
}

fn builtin(folder: &Dir<'static>, out: &mut Vec<Document>, problems: &mut Vec<SignalProblem>) {
    for file in folder.files().filter(|file| is_signal_file(file.path())) {
        let name = format!("{BUILTIN}/{}", file.path().display());
        add(&name, file.contents(), out, problems);
    }
    for inner in folder.dirs() {
        builtin(inner, out, problems);
    }
}

fn from_disk(
    path: &Path,
    files: &mut usize,
    out: &mut Vec<Document>,
    problems: &mut Vec<SignalProblem>,
) {
    let walk =
        walkdir::WalkDir::new(path).follow_links(true).max_depth(DEPTH_MAX).sort_by_file_name();
    for entry in walk {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) => {
                let place = error.path().unwrap_or(path).display().to_string();
                problems.push(SignalProblem::of_file(place, format!("cannot be read: {error}")));
                continue;
            }
        };
        let named = entry.depth() == 0;
        if !entry.file_type().is_file() || !(named || is_signal_file(entry.path())) {
            continue;
        }
        *files += 1;
        if *files > FILES_MAX {
            let reason =
                format!("more than {FILES_MAX} signal files; this and the rest are not read");
            problems.push(SignalProblem::of_file(entry.path().display().to_string(), reason));
            return;
        }
        read(entry.path(), out, problems);
    }
}

fn read(path: &Path, out: &mut Vec<Document>, problems: &mut Vec<SignalProblem>) {
    let name = path.display().to_string();
    let mut bytes = Vec::new();
    let read =
        fs::File::open(path).and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes));
    match read {
        Ok(_) => add(&name, &bytes, out, problems),
        Err(error) => {
            problems.push(SignalProblem::of_file(name, format!("cannot be read: {error}")));
        }
    }
}

/// The documents of one file's bytes.
pub fn add(name: &str, bytes: &[u8], out: &mut Vec<Document>, problems: &mut Vec<SignalProblem>) {
    let mut refuse =
        |reason: String| problems.push(SignalProblem::of_file(name.to_owned(), reason));
    if bytes.is_empty() {
        // What a file looks like in the moment in which it is written again.
        return refuse("is empty; remove it or write a signal".to_owned());
    }
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return refuse(format!(
            "is longer than {FILE_BYTES_MAX} bytes; split it into several files"
        ));
    }
    let Ok(text) = std::str::from_utf8(bytes) else {
        return refuse("is not UTF-8; save it as UTF-8".to_owned());
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let (mut start, mut at, mut skipped) = (0, 0, 0);
    for (line, row) in (1..).zip(text.split_inclusive('\n')) {
        let end = at + row.len();
        if row.trim_end() == "---" {
            push(name, skipped, text.get(start..at).unwrap_or_default(), out);
            (start, skipped) = (end, line);
        }
        at = end;
    }
    push(name, skipped, text.get(start..).unwrap_or_default(), out);
}

fn push(name: &str, skipped: u32, text: &str, out: &mut Vec<Document>) {
    let says = |row: &str| !row.trim().is_empty() && !row.trim_start().starts_with('#');
    if text.lines().any(says) {
        out.push(Document { file: name.to_owned(), skipped, text: text.to_owned() });
    }
}

fn is_signal_file(path: &Path) -> bool {
    let hidden = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with('.'));
    let end = path.extension().and_then(|extension| extension.to_str());
    !hidden && matches!(end, Some("yml" | "yaml"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_are_cut_and_know_their_lines() {
        let (mut out, mut problems) = (Vec::new(), Vec::new());
        add("f.yml", b"# c\ntitle: a\n---\n# only this\n---\ntitle: b\n", &mut out, &mut problems);
        let lines: Vec<_> = out.iter().map(|d| (d.skipped, d.text.trim())).collect();
        assert_eq!(lines, [(0, "# c\ntitle: a"), (5, "title: b")]);
        add("g.yml", b"title: \xff\n", &mut out, &mut problems);
        add("h.yml", &vec![b'a'; FILE_BYTES_MAX as usize + 1], &mut out, &mut problems);
        from_disk(Path::new("/nowhere/at/all"), &mut 0, &mut out, &mut problems);
        add("i.yml", b"", &mut out, &mut problems);
        add("j.yml", b"# nothing yet\n", &mut out, &mut problems);
        assert_eq!(problems.len(), 4, "a file of comments is meant so: {problems:?}");
    }
}
