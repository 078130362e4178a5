//! Mending files: whole lines, only where they still read as they did, and the file is replaced in one step.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use crate::detect::lint::Finding;

/// Why a file could not be mended. The file is as it was.
#[derive(Debug, thiserror::Error)]
#[error("{}: cannot be mended: {source}", path.display())]
pub struct FixError {
    path: PathBuf,
    source: std::io::Error,
}

/// Make the edits of these findings; how many lines were changed. Where what the rule says changes, a `modified` date
/// that is there becomes `today`.
pub(super) fn apply(path: &Path, findings: &[&Finding], today: &str) -> Result<usize, FixError> {
    let wrong = |source| FixError { path: path.to_owned(), source };
    let text = fs::read_to_string(path).map_err(wrong)?;
    let (text, changed) = mended(&text, findings, today);
    if changed > 0 {
        replace(path, text.as_bytes()).map_err(wrong)?;
    }
    Ok(changed)
}

/// The text with the edits made, and how many lines changed.
pub(super) fn mended(text: &str, findings: &[&Finding], today: &str) -> (String, usize) {
    let mut lines: Vec<(String, &str)> = text
        .split_inclusive('\n')
        .map(|line| {
            let bare = line.trim_end_matches(['\n', '\r']);
            (bare.to_owned(), line.get(bare.len()..).unwrap_or("\n"))
        })
        .collect();
    let (mut changed, mut content) = (0, false);
    for finding in findings {
        let (Some(edit), Some(at)) = (&finding.edit, finding.line.checked_sub(1)) else { continue };
        let Some((line, _)) = lines.get_mut(at as usize) else { continue };
        // Two edits of one line: the second is made to what the first left, where it still fits.
        if line.trim_end() != edit.old.trim_end() {
            continue;
        }
        let new = edit.new.join("\n");
        if *line != new {
            *line = new;
            changed += 1;
            content |= edit.content;
        }
    }
    if content {
        for (line, _) in &mut lines {
            if line.starts_with("modified:") {
                *line = format!("modified: {today}");
            }
        }
    }
    (lines.into_iter().map(|(line, end)| line + end).collect(), changed)
}

/// Write a new file beside the old and put it in its place.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    // Through a link the file itself is replaced, not the link.
    let path = path.canonicalize()?;
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or("rule");
    let fresh = path.with_file_name(format!(".{name}.new-{}", std::process::id()));
    let write = || {
        let mut file = fs::OpenOptions::new().write(true).create_new(true).open(&fresh)?;
        file.set_permissions(fs::metadata(&path)?.permissions())?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&fresh, &path)
    };
    let done = write();
    if done.is_err() {
        // What was begun is of no use to anybody.
        let _ = fs::remove_file(&fresh);
    }
    done
}
