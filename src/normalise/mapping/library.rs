//! All mappings that are in force, and which of them is for a record.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};

use ahash::AHashMap;
use arc_swap::ArcSwapOption;
use include_dir::{Dir, DirEntry, include_dir};

use crate::model::field::FieldId;
use crate::normalise::mapping::MappingProblem;
use crate::normalise::mapping::compile::compile;
use crate::normalise::mapping::facts::Facts;
use crate::normalise::mapping::literals::Candidates;
use crate::normalise::mapping::rules::{Mapping, Pattern};

static PACK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/config/mappings");

/// The word in `mappings.paths` for what ships with the program.
pub const BUILTIN: &str = "builtin";
/// A mapping file of a user may have this many bytes.
pub const FILE_BYTES_MAX: u64 = 1 << 20;
/// Mapping files that are read below the configured paths.
pub const FILES_MAX: usize = 5_000;

/// Compiled mappings with the ways to find one.
#[derive(Debug, Default)]
pub struct Library {
    /// In order of their names.
    pub mappings: Vec<Mapping>,
    /// Files that were left out, with the reasons.
    pub problems: Vec<MappingProblem>,
    programs: AHashMap<String, Vec<usize>>,
    /// Beginnings of programs' names, longest first.
    stars: Vec<(String, usize)>,
    lines: Vec<(usize, usize)>,
    line_candidates: OnceLock<Candidates>,
    json: AHashMap<FieldId, Vec<(usize, usize)>>,
    vendors: AHashMap<(String, String), usize>,
    headers: Vec<usize>,
}

/// The mappings in force: read when a record first asks for them, exchanged as a whole when files change.
#[derive(Debug)]
pub struct Mappings {
    paths: Vec<String>,
    current: ArcSwapOption<Library>,
}

impl Mappings {
    /// From `mappings.paths`.
    pub fn new(paths: Vec<String>) -> Mappings {
        Mappings { paths, current: ArcSwapOption::empty() }
    }

    /// The paths.
    pub fn paths(&self) -> &[String] {
        &self.paths
    }

    /// What is in force.
    pub fn current(&self) -> Arc<Library> {
        if let Some(library) = self.current.load_full() {
            return library;
        }
        let library = Library::load(&self.paths);
        self.current.store(Some(Arc::clone(&library)));
        library
    }

    /// Read the files again. With problems the mappings that are in force stay, and the problems are given.
    ///
    /// # Errors
    /// What is wrong with the files.
    pub fn reload(&self) -> Result<(), Vec<MappingProblem>> {
        let library = Library::load(&self.paths);
        if !library.problems.is_empty() {
            return Err(library.problems.clone());
        }
        self.current.store(Some(library));
        Ok(())
    }
}

static SHIPPED: LazyLock<Arc<Library>> = LazyLock::new(|| {
    let mut mappings = Vec::new();
    let mut problems = Vec::new();
    for (name, file, text) in shipped_files() {
        add(&name, &file.into(), text, false, &mut mappings, &mut problems);
    }
    Arc::new(Library::of(mappings, problems))
});

/// Name, path and text of every shipped mapping.
pub fn shipped_files() -> Vec<(String, String, &'static str)> {
    fn walk(folder: &Dir<'static>, out: &mut Vec<(String, String, &'static str)>) {
        for entry in folder.entries() {
            match entry {
                DirEntry::Dir(inner) => walk(inner, out),
                DirEntry::File(file) => {
                    if let Some(name) = mapping_name(file.path())
                        && let Some(text) = file.contents_utf8()
                    {
                        out.push((name, format!("builtin/{}", file.path().display()), text));
                    }
                }
            }
        }
    }
    let mut out = Vec::new();
    walk(&PACK, &mut out);
    out
}

/// The tests beside the mappings of paths: name and text of every `.test` file.
pub fn tests_of(paths: &[String]) -> Vec<(String, String)> {
    let mut tests = Vec::new();
    for path in paths {
        if path == BUILTIN {
            tests.extend(shipped_tests());
            continue;
        }
        for file in files_below(Path::new(path), &mut Vec::new()) {
            let beside = file.with_extension("test");
            if let Ok(text) = fs::read_to_string(&beside) {
                tests.push((beside.display().to_string(), text));
            }
        }
    }
    tests
}

fn shipped_tests() -> Vec<(String, String)> {
    let test_of = |file: &str| {
        let path = Path::new(file.strip_prefix("builtin/")?).with_extension("test");
        let text = PACK.get_file(&path)?.contents_utf8()?;
        Some((format!("builtin/{}", path.display()), text.to_owned()))
    };
    shipped_files().iter().filter_map(|(_, file, _)| test_of(file)).collect()
}

fn mapping_name(path: &Path) -> Option<String> {
    let toml = path.extension().is_some_and(|end| end == "toml");
    Some(path.file_stem().filter(|_| toml)?.to_str()?.to_owned())
}

fn add(
    name: &str,
    file: &Arc<str>,
    text: &str,
    check: bool,
    mappings: &mut Vec<Mapping>,
    problems: &mut Vec<MappingProblem>,
) {
    match compile(name, file, text, check) {
        Ok(mapping) => {
            // A user's file replaces a shipped one of the same name.
            mappings.retain(|known| *known.name != *name);
            mappings.push(mapping);
        }
        Err(found) => problems.extend(found),
    }
}

impl Library {
    /// What ships with the program, read when it is first needed.
    pub fn shipped() -> Arc<Library> {
        Arc::clone(&SHIPPED)
    }

    /// The mappings of paths: `builtin`, files and folders. Files that cannot be used are listed in `problems`.
    pub fn load(paths: &[String]) -> Arc<Library> {
        if paths.iter().all(|path| path == BUILTIN) && !paths.is_empty() {
            return Library::shipped();
        }
        Arc::new(Library::read(paths, false))
    }

    /// The mappings of paths with every expression compiled, so that all problems are found.
    pub fn check(paths: &[String]) -> Library {
        Library::read(paths, true)
    }

    fn read(paths: &[String], check: bool) -> Library {
        let mut mappings = Vec::new();
        let mut problems = Vec::new();
        for path in paths {
            if path == BUILTIN {
                for (name, file, text) in shipped_files() {
                    add(&name, &file.into(), text, check, &mut mappings, &mut problems);
                }
                continue;
            }
            for file in files_below(Path::new(path), &mut problems) {
                read_file(&file, &mut mappings, &mut problems);
            }
        }
        Library::of(mappings, problems)
    }

    fn of(mut mappings: Vec<Mapping>, problems: Vec<MappingProblem>) -> Library {
        mappings.sort_by(|a, b| a.name.cmp(&b.name));
        let mut library = Library { problems, ..Library::default() };
        for (number, mapping) in mappings.iter().enumerate() {
            for program in &mapping.claim.programs {
                match program.strip_suffix('*') {
                    Some(begin) => library.stars.push((begin.to_owned(), number)),
                    None => library.programs.entry(program.clone()).or_default().push(number),
                }
            }
            let lines = 0..mapping.claim.lines.len();
            library.lines.extend(lines.map(|line| (number, line)));
            for (at, signature) in mapping.claim.json.iter().enumerate() {
                let first =
                    signature.has.first().or(signature.conditions.first().map(|(name, _)| name));
                if let Some(first) = first {
                    library.json.entry(*first).or_default().push((number, at));
                }
            }
            if mapping.header.is_some() {
                library.headers.push(number);
            }
            for vendor in &mapping.claim.vendors {
                library.vendors.insert(vendor.clone(), number);
            }
        }
        library.stars.sort_by_key(|(begin, _)| std::cmp::Reverse(begin.len()));
        library.mappings = mappings;
        library
    }

    /// A mapping by its number.
    pub fn get(&self, number: usize) -> Option<&Mapping> {
        self.mappings.get(number)
    }

    /// A mapping by its name.
    pub fn named(&self, name: &str) -> Option<usize> {
        self.mappings.iter().position(|mapping| &*mapping.name == name)
    }

    /// The mappings for a syslog program, by its full tag or its last part, in lower case.
    pub fn by_program(&self, program: &str) -> Vec<usize> {
        let tag = program.to_lowercase();
        let base = crate::normalise::linux::programs::base_name(&tag);
        let mut found: Vec<usize> = Vec::new();
        for name in [tag.as_str(), base] {
            if let Some(exact) = self.programs.get(name) {
                found.extend(
                    exact.iter().filter(|number| !found.contains(number)).collect::<Vec<_>>(),
                );
            }
            for (begin, number) in &self.stars {
                if name.starts_with(begin.as_str()) && !found.contains(number) {
                    found.push(*number);
                }
            }
        }
        found
    }

    /// The mapping whose expression for whole lines matches, and that expression.
    pub fn by_line(&self, line: &str) -> Option<(usize, &Pattern)> {
        let make = || {
            let patterns = self.lines.iter().filter_map(|(number, at)| self.line(*number, *at));
            Candidates::new(patterns.map(|pattern| pattern.source.as_str()))
        };
        let candidates = self.line_candidates.get_or_init(make).of(line);
        candidates.into_iter().find_map(|at| {
            let (number, at) = self.lines.get(at)?;
            let pattern = self.line(*number, *at)?;
            pattern.regex()?.is_match(line).then_some((*number, pattern))
        })
    }

    fn line(&self, number: usize, at: usize) -> Option<&Pattern> {
        self.mappings.get(number)?.claim.lines.get(at)
    }

    /// The mapping whose expression of a given mapping matches the line.
    pub fn line_of(&self, number: usize, line: &str) -> Option<&Pattern> {
        let list = &self.mappings.get(number)?.claim.lines;
        list.iter().find(|pattern| pattern.regex().is_some_and(|regex| regex.is_match(line)))
    }

    /// The mapping for which a line names columns, with the columns and what stands between them.
    pub fn by_header<'l>(&self, line: &'l str) -> Option<(usize, &'l str, char)> {
        self.headers.iter().find_map(|number| {
            let header = self.mappings.get(*number)?.header.as_ref()?;
            let groups = header.pattern.regex()?.captures(line)?;
            Some((*number, groups.name("columns")?.as_str(), header.between))
        })
    }

    /// The mapping of a JSON object: of those whose signature it has, the one that asks for most.
    pub fn by_keys(&self, facts: &Facts) -> Option<usize> {
        let mut best: Option<(usize, usize)> = None;
        for (name, _, _) in facts.iter() {
            let Some(candidates) = self.json.get(&name) else { continue };
            for (number, at) in candidates {
                let Some(signature) =
                    self.mappings.get(*number).and_then(|mapping| mapping.claim.json.get(*at))
                else {
                    continue;
                };
                let asks = signature.has.len() + 2 * signature.conditions.len();
                if best.is_some_and(|(_, most)| most >= asks) {
                    continue;
                }
                let there = |name: &FieldId| match name.name().strip_suffix('.') {
                    Some(object) => !facts.below(object).is_empty(),
                    None => facts.get(*name).is_some(),
                };
                let has = signature.has.iter().all(there);
                let holds = |(name, matcher): &(FieldId, super::rules::Matcher)| {
                    matcher.holds(facts.get(*name))
                };
                if has && signature.conditions.iter().all(holds) {
                    best = Some((*number, asks));
                }
            }
        }
        best.map(|(number, _)| number)
    }

    /// The mapping for a vendor and product of CEF or LEEF; else the one for any product of it.
    pub fn by_vendor(&self, vendor: &str, product: &str) -> Option<usize> {
        let vendor = vendor.to_lowercase();
        let exact = self.vendors.get(&(vendor.clone(), product.to_lowercase()));
        exact.or_else(|| self.vendors.get(&(vendor, String::new()))).copied()
    }
}

fn read_file(file: &Path, mappings: &mut Vec<Mapping>, problems: &mut Vec<MappingProblem>) {
    let shown: Arc<str> = file.display().to_string().into();
    let mut wrong = |message: String| {
        let file = Arc::clone(&shown);
        problems.push(MappingProblem { file, line: 0, key: String::new(), message });
    };
    let Some(name) = mapping_name(file) else { return };
    match fs::metadata(file) {
        Ok(about) if about.len() > FILE_BYTES_MAX => {
            return wrong(format!("longer than {FILE_BYTES_MAX} bytes"));
        }
        Ok(_) => {}
        Err(error) => return wrong(error.to_string()),
    }
    match fs::read_to_string(file) {
        Ok(text) => add(&name, &shown, &text, true, mappings, problems),
        Err(error) => wrong(error.to_string()),
    }
}

/// Every `.toml` file below a path, in order.
pub fn files_below(path: &Path, problems: &mut Vec<MappingProblem>) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in walkdir::WalkDir::new(path).sort_by_file_name().max_depth(8) {
        match entry {
            Ok(entry) if entry.file_type().is_file() && mapping_name(entry.path()).is_some() => {
                files.push(entry.into_path());
            }
            Ok(_) => {}
            Err(error) => problems.push(MappingProblem {
                file: path.display().to_string().into(),
                line: 0,
                key: "mappings.paths".to_owned(),
                message: error.to_string(),
            }),
        }
        if files.len() >= FILES_MAX {
            break;
        }
    }
    files
}
