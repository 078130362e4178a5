//! Paths as people write them (files, folders, globs) to the files they mean.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::unix::fs::FileTypeExt;
use std::path::{Path, PathBuf};

use globset::{GlobBuilder, GlobMatcher, GlobSet, GlobSetBuilder};
use walkdir::WalkDir;

use crate::source::SourceError;

/// One written path, understood.
#[derive(Clone, Debug)]
pub enum Pattern {
    /// A file, or a folder that is read recursively.
    Path(PathBuf),
    /// A glob, and the folder above everything it can match.
    Glob(PathBuf, GlobMatcher),
}

/// What a source reads: its paths without what is excluded.
#[derive(Clone, Debug)]
pub struct Selection {
    patterns: Vec<Pattern>,
    exclude: GlobSet,
}

impl Selection {
    /// Understand paths and exclusions.
    ///
    /// # Errors
    /// A pattern that is not a glob.
    pub fn new(paths: &[String], exclude: &[String]) -> Result<Selection, SourceError> {
        let patterns = paths.iter().map(|path| Pattern::new(path)).collect::<Result<_, _>>()?;
        let mut set = GlobSetBuilder::new();
        for pattern in exclude {
            // `*.tmp` means every file of that name, wherever it lies.
            let anywhere =
                if pattern.contains('/') { pattern.clone() } else { format!("**/{pattern}") };
            set.add(glob(&anywhere)?);
        }
        let exclude = set.build().map_err(|source| bad_pattern("exclude", source))?;
        Ok(Selection { patterns, exclude })
    }

    /// The files there are now, sorted, each once, and what could not be looked at.
    pub fn find(&self) -> (Vec<PathBuf>, Vec<SourceError>) {
        let mut found = BTreeSet::new();
        let mut problems = Vec::new();
        for pattern in &self.patterns {
            match pattern {
                Pattern::Path(path) => self.walk(path, None, &mut found, &mut problems),
                Pattern::Glob(folder, matcher) => {
                    if folder.exists() {
                        self.walk(folder, Some(matcher), &mut found, &mut problems);
                    }
                }
            }
        }
        (found.into_iter().collect(), problems)
    }

    /// The written paths, understood.
    pub fn patterns(&self) -> &[Pattern] {
        &self.patterns
    }

    fn walk(
        &self,
        root: &Path,
        matcher: Option<&GlobMatcher>,
        found: &mut BTreeSet<PathBuf>,
        problems: &mut Vec<SourceError>,
    ) {
        for entry in WalkDir::new(root).follow_links(true) {
            let entry = match entry {
                Ok(entry) => entry,
                Err(error) => {
                    let path = error.path().unwrap_or(root).to_owned();
                    if matcher.is_none_or(|matcher| matcher.is_match(&path)) {
                        problems.push(walk_error(path, error));
                    }
                    continue;
                }
            };
            let path = entry.path();
            if entry.file_type().is_dir() || self.exclude.is_match(path) {
                continue;
            }
            if matcher.is_some_and(|matcher| !matcher.is_match(path)) {
                continue;
            }
            match special(entry.file_type()) {
                Some(kind) => problems.push(SourceError::NotAFile { path: path.to_owned(), kind }),
                None => {
                    found.insert(path.to_owned());
                }
            }
        }
    }
}

impl Pattern {
    fn new(text: &str) -> Result<Pattern, SourceError> {
        let path = PathBuf::from(text);
        // A file that is really called `a[1].log` is meant as such.
        if !text.contains(['*', '?', '[', '{']) || fs::symlink_metadata(&path).is_ok() {
            return Ok(Pattern::Path(path));
        }
        let literal = path
            .components()
            .take_while(|part| !part.as_os_str().to_string_lossy().contains(['*', '?', '[', '{']));
        let mut folder: PathBuf = literal.collect();
        if folder.as_os_str().is_empty() {
            // `*.log` is walked as `./a.log`.
            folder.push(".");
            return Ok(Pattern::Glob(folder, glob(&format!("./{text}"))?.compile_matcher()));
        }
        Ok(Pattern::Glob(folder, glob(text)?.compile_matcher()))
    }
}

fn glob(text: &str) -> Result<globset::Glob, SourceError> {
    GlobBuilder::new(text)
        .literal_separator(true)
        .build()
        .map_err(|source| bad_pattern(text, source))
}

fn bad_pattern(text: &str, source: globset::Error) -> SourceError {
    SourceError::Pattern { pattern: text.to_owned(), source }
}

fn walk_error(path: PathBuf, error: walkdir::Error) -> SourceError {
    if error.loop_ancestor().is_some() {
        return SourceError::Loop { path };
    }
    let source = error.into_io_error().unwrap_or_else(|| io::Error::from(io::ErrorKind::Other));
    SourceError::from_io(&path, source)
}

/// The name of a kind of file that cannot be read to an end, with its article.
pub fn special(kind: fs::FileType) -> Option<&'static str> {
    if kind.is_file() {
        None
    } else if kind.is_dir() {
        Some("a folder")
    } else if kind.is_fifo() {
        Some("a named pipe")
    } else if kind.is_socket() {
        Some("a socket")
    } else {
        Some("a device")
    }
}

/// The files that paths mean: recursion into folders, globs, each file once; and what is wrong with the
/// paths. A glob that matches nothing is an error here, because somebody typed it just now.
pub fn expand(paths: &[String], exclude: &[String]) -> (Vec<PathBuf>, Vec<SourceError>) {
    let mut found = BTreeSet::new();
    let mut problems = Vec::new();
    for path in paths {
        match Selection::new(std::slice::from_ref(path), exclude) {
            Ok(selection) => {
                let (files, errors) = selection.find();
                let is_glob = matches!(selection.patterns(), [Pattern::Glob(..)]);
                if is_glob && files.is_empty() && errors.is_empty() {
                    problems.push(SourceError::Missing { path: PathBuf::from(path) });
                }
                found.extend(files);
                problems.extend(errors);
            }
            Err(error) => problems.push(error),
        }
    }
    (found.into_iter().collect(), problems)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(paths: &[PathBuf], root: &Path) -> Vec<String> {
        let name = |path: &PathBuf| path.strip_prefix(root).unwrap().to_string_lossy().into_owned();
        paths.iter().map(name).collect()
    }

    #[test]
    fn folders_globs_files_and_what_is_wrong() {
        let root = tempfile::tempdir().unwrap();
        let at = |name: &str| root.path().join(name);
        let text = |name: &str| at(name).to_string_lossy().into_owned();
        fs::create_dir_all(at("sub/deep")).unwrap();
        for name in ["a.log", "b.log", "b.tmp", "sub/c.log", "sub/deep/d.log", "e[1].log"] {
            fs::write(at(name), "x").unwrap();
        }
        std::os::unix::fs::symlink(at("sub"), at("sub/deep/loop")).unwrap();
        std::os::unix::fs::symlink(at("nowhere"), at("sub/broken")).unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("sub/socket")).unwrap();

        let (files, problems) = expand(&[text("*.log")], &[]);
        assert_eq!(names(&files, root.path()), ["a.log", "b.log", "e[1].log"]);
        assert!(problems.is_empty());

        let (files, problems) = expand(&[text("sub"), text("sub/c.log"), text("e[1].log")], &[]);
        assert_eq!(names(&files, root.path()), ["e[1].log", "sub/c.log", "sub/deep/d.log"]);
        let mut kinds: Vec<String> = problems.iter().map(ToString::to_string).collect();
        kinds.sort();
        assert_eq!(kinds.len(), 3, "{kinds:?}");
        assert!(kinds[0].contains("no such file"), "{kinds:?}");
        assert!(kinds[1].contains("leads back"), "{kinds:?}");
        assert!(kinds[2].contains("a socket"), "{kinds:?}");

        let (files, _) = expand(&[text("**/*.log")], &["sub/**".into(), "b.*".into()]);
        assert_eq!(
            names(&files, root.path()).len(),
            4,
            "an exclusion with a slash is a whole path"
        );
        let (files, _) = expand(&[text("**/*.log")], &[text("sub/**"), "b.*".into()]);
        assert_eq!(names(&files, root.path()), ["a.log", "e[1].log"]);

        let (files, problems) = expand(&[text("no/*.log"), text("gone"), text("a{")], &[]);
        assert!(files.is_empty());
        assert_eq!(problems.len(), 3, "{problems:?}");
    }
}
