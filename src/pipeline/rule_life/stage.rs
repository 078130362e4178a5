//! A pack is read, checked and laid down beside the others. It is not in use before the change is in the history.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use serde::Deserialize;

use crate::config::rules::{PackPlace, RulesConfig};
use crate::detect::check::check_all;
use crate::detect::files::{LOCAL_PREFIX, PACK_PREFIX};
use crate::model::desk::Problem;
use crate::pipeline::rule_life::unpack::{self, NOTES_MAX, Taken, is_licence};
use crate::pipeline::rule_life::{Folders, hash_of, invalid, io, is_name, sha256, sign};
use crate::stdx::time::Timestamp;
use crate::wire::pack_v1::{Counts, Manifest, Note};

/// The file that says what a pack is.
pub const MANIFEST: &str = "manifest.json";
/// What a pack may say of itself.
const PACK_FILE: &str = "pack.toml";
/// Letters of a hash that make a version.
const VERSION_HASH_LETTERS: usize = 12;
/// A line of a licence that is longer is cut.
const LICENCE_LETTERS_MAX: usize = 120;

/// What to import.
#[derive(Clone, Copy, Debug)]
pub struct Wanted<'a> {
    /// A folder, a `.zip` or a `.tar.zst`.
    pub from: &'a Path,
    /// The pack's name; else what it says of itself, else the file's name.
    pub name: Option<&'a str>,
    /// The signature file; else the one beside the archive, if there is one.
    pub signature: Option<&'a Path>,
    /// Who imports it.
    pub by: &'a str,
    /// Check only: nothing stays.
    pub dry_run: bool,
}

/// A pack that lies ready.
#[derive(Clone, Debug)]
pub struct Staged {
    /// The folder's name below `staging`; empty after a dry run.
    pub folder: String,
    /// What it is.
    pub manifest: Manifest,
}

/// `pack.toml`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct SelfSaid {
    name: Option<String>,
    version: Option<String>,
    licence: Option<String>,
    license: Option<String>,
    homepage: Option<String>,
    #[serde(default)]
    recommended: Vec<String>,
}

/// Read a pack, check it and lay it down.
pub fn stage(
    config: &RulesConfig,
    data_dir: &Path,
    wanted: &Wanted<'_>,
) -> Result<Staged, Problem> {
    let (taken, archive_sha256, signed_by) = read(config, wanted)?;
    if taken.files.is_empty() {
        return Err(invalid(format!("there is no rule in {}", wanted.from.display()))
            .hint("a pack holds .yml or .yaml files with Sigma rules"));
    }
    let said = said(&taken)?;
    let name = name(wanted, &said)?;
    let folders = Folders::of(data_dir);
    let scratch = if wanted.dry_run {
        Scratch::make(&std::env::temp_dir(), "watchfloor-import")?
    } else {
        Scratch::make(&folders.staging(), "import")?
    };
    let mut manifest = Manifest {
        name,
        from: wanted.from.display().to_string(),
        archive_sha256,
        imported: Timestamp::now().to_string(),
        by: wanted.by.to_owned(),
        signed_by: signed_by.unwrap_or_default(),
        licence: said.licence.or(said.license).unwrap_or_default(),
        homepage: said.homepage.unwrap_or_default(),
        recommended: said.recommended,
        refused: taken.refused,
        ..Manifest::default()
    };
    note_licence(&mut manifest, &taken.files);
    let mut files = taken.files;
    lay_down(&scratch.path, &files)?;
    let counts = check_pack(&scratch.path, &mut manifest, &mut files)?;
    manifest.counts = Counts { refused: taken.refused_count, skipped: taken.skipped, ..counts };
    let hashed = files.iter().map(|(name, bytes)| (name.as_str(), bytes.as_slice()));
    manifest.sha256 = hash_of(hashed);
    manifest.version = version(&folders, &manifest, said.version)?;
    let text = serde_json::to_vec_pretty(&manifest).unwrap_or_default();
    write(&scratch.path.join(MANIFEST), &text)?;
    if wanted.dry_run {
        return Ok(Staged { folder: String::new(), manifest });
    }
    hand_over(data_dir, &folders)?;
    sync(&scratch.path);
    Ok(Staged { folder: scratch.keep(), manifest })
}

fn read(
    config: &RulesConfig,
    wanted: &Wanted<'_>,
) -> Result<(Taken, String, Option<String>), Problem> {
    let path = wanted.from;
    let about = fs::metadata(path).map_err(|error| io("read", path, &error))?;
    if about.is_dir() {
        if config.require_signature {
            return Err(sign::required());
        }
        if wanted.signature.is_some() {
            return Err(invalid("a folder has no signature: name the archive"));
        }
        return Ok((unpack::folder(path)?, String::new(), None));
    }
    let bytes = unpack::archive(path)?;
    let beside = sign::beside(path);
    let file = wanted.signature.unwrap_or(&beside);
    let named = wanted.signature.is_some();
    let signed_by = match sign::verify(&bytes, file, named, &config.trusted_keys) {
        // A signature that nobody asked for and nobody can check says nothing.
        Err(_) if !config.require_signature && !named && config.trusted_keys.is_empty() => None,
        verified => verified?,
    };
    if config.require_signature && signed_by.is_none() {
        return Err(sign::required());
    }
    let lower = path.to_string_lossy().to_ascii_lowercase();
    let taken = match bytes.get(..4) {
        Some(b"PK\x03\x04" | b"PK\x05\x06") => unpack::zip(&bytes)?,
        Some([0x28, 0xb5, 0x2f, 0xfd]) => unpack::tar_zst(&bytes)?,
        _ if lower.ends_with(".zip") => unpack::zip(&bytes)?,
        _ => {
            return Err(invalid(format!("{} is no pack", path.display()))
                .hint("name a folder, a .zip or a .tar.zst"));
        }
    };
    Ok((taken, sha256(&bytes), signed_by))
}

fn said(taken: &Taken) -> Result<SelfSaid, Problem> {
    let Some(bytes) = taken.files.get(PACK_FILE) else { return Ok(SelfSaid::default()) };
    let text = String::from_utf8_lossy(bytes);
    toml::from_str(&text).map_err(|error| {
        invalid(format!("{PACK_FILE} of the pack cannot be read: {}", error.message()))
            .hint("it may have name, version, licence, homepage and recommended (a list of ids)")
    })
}

fn name(wanted: &Wanted<'_>, said: &SelfSaid) -> Result<String, Problem> {
    let named = wanted.name.map(str::to_owned).or_else(|| said.name.clone());
    let name = named.unwrap_or_else(|| {
        let base = wanted.from.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        let ends = [".tar.zst", ".tzst", ".zip"];
        let end = ends.iter().find_map(|end| base.strip_suffix(end));
        end.unwrap_or(&base).to_owned()
    });
    if is_name(&name) {
        return Ok(name);
    }
    Err(invalid(format!("{name:?} cannot be the name of a pack"))
        .hint("--name NAME, of small letters, digits, . _ and -; builtin is taken"))
}

/// The pack's own version or a hash; another content under a known version gets the hash behind it.
fn version(
    folders: &Folders,
    manifest: &Manifest,
    said: Option<String>,
) -> Result<String, Problem> {
    let hash = manifest.sha256.get(..VERSION_HASH_LETTERS).unwrap_or_default();
    let Some(version) = said else { return Ok(hash.to_owned()) };
    let version = version.to_ascii_lowercase();
    if !is_name(&version) {
        return Err(invalid(format!("the pack's version {version:?} cannot be used"))
            .hint("a version has letters, digits, . _ and -"));
    }
    let known = read_manifest(&folders.version(&manifest.name, &version));
    match known {
        Ok(known) if known.sha256 != manifest.sha256 => Ok(format!("{version}-{hash}")),
        _ => Ok(version),
    }
}

/// The manifest of a pack's folder.
pub fn read_manifest(folder: &Path) -> Result<Manifest, Problem> {
    let path = folder.join(MANIFEST);
    let bytes = fs::read(&path).map_err(|error| io("read", &path, &error))?;
    serde_json::from_slice(&bytes)
        .map_err(|error| invalid(format!("{} is damaged: {error}", path.display())))
}

fn note_licence(manifest: &mut Manifest, files: &BTreeMap<String, Vec<u8>>) {
    let mut found: Vec<&String> = files.keys().filter(|name| is_licence(name)).collect();
    // The one that is least deep speaks for the whole.
    found.sort_by_key(|name| (name.matches('/').count(), name.len()));
    let Some(file) = found.first() else { return };
    manifest.licence_file = (*file).clone();
    if manifest.licence.is_empty() {
        let text = files.get(*file).map(|bytes| String::from_utf8_lossy(bytes));
        manifest.licence = text.as_deref().map(licence_of).unwrap_or_default();
    }
}

/// The licence by its name where its text has a known one, else the text's first line.
fn licence_of(text: &str) -> String {
    const KNOWN: [(&str, &str); 8] = [
        ("detection rule license", "Detection Rule License (DRL)"),
        ("apache license", "Apache License"),
        ("mit license", "MIT License"),
        ("gnu affero general public license", "GNU AGPL"),
        ("gnu lesser general public license", "GNU LGPL"),
        ("gnu general public license", "GNU GPL"),
        ("mozilla public license", "Mozilla Public License"),
        ("creative commons", "Creative Commons"),
    ];
    let lower = text.to_lowercase();
    if let Some((_, name)) = KNOWN.iter().find(|(word, _)| lower.contains(word)) {
        return (*name).to_owned();
    }
    let plain = |line: &str| line.trim().trim_start_matches('#').trim().to_owned();
    let first = text.lines().map(plain).find(|line| !line.is_empty()).unwrap_or_default();
    first.chars().take(LICENCE_LETTERS_MAX).collect()
}

/// Compile everything. Files that are no rules at all are taken out again; what else does not run is listed.
fn check_pack(
    folder: &Path,
    manifest: &mut Manifest,
    files: &mut BTreeMap<String, Vec<u8>>,
) -> Result<Counts, Problem> {
    let place = PackPlace {
        name: manifest.name.clone(),
        folder: folder.to_owned(),
        ..PackPlace::default()
    };
    let config = RulesConfig { paths: Vec::new(), packs: vec![place], ..RulesConfig::default() };
    let report = check_all(&config);
    let used: BTreeSet<&str> =
        report.rules.iter().chain(&report.unbound).filter_map(|rule| in_pack(&rule.file)).collect();
    let mut problems = 0;
    let mut gone = BTreeSet::new();
    for problem in &report.problems {
        problems += 1;
        let file = in_pack(&problem.file).unwrap_or(&problem.file);
        let left_out = problem.whole_file && !used.contains(file);
        let mut reason = problem.reason.clone();
        if left_out {
            gone.insert(file.to_owned());
            reason.push_str("; the file is left out");
        }
        if manifest.problems.len() < NOTES_MAX {
            let note = Note { file: file.to_owned(), line: problem.line, reason };
            manifest.problems.push(note);
        }
    }
    for file in &gone {
        files.remove(file);
        let path = folder.join(file);
        fs::remove_file(&path).map_err(|error| io("remove", &path, &error))?;
    }
    if report.rules.is_empty() && report.unbound.is_empty() {
        let first = report.problems.first().map(ToString::to_string).unwrap_or_default();
        return Err(invalid("no rule of the pack can be used").detail(first));
    }
    Ok(Counts {
        files: files.len() as u64,
        rules: report.rules.len() as u64,
        correlations: report.correlations as u64,
        unbound: report.unbound.len() as u64,
        problems,
        ..Counts::default()
    })
}

/// `pack:NAME/FILE` without the pack.
fn in_pack(file: &str) -> Option<&str> {
    let rest = file.strip_prefix(PACK_PREFIX).or_else(|| file.strip_prefix(LOCAL_PREFIX))?;
    rest.split_once('/').map(|(_, file)| file)
}

/// Write files below a folder. The names were checked when they were read.
pub(super) fn lay_down(folder: &Path, files: &BTreeMap<String, Vec<u8>>) -> Result<(), Problem> {
    for (name, bytes) in files {
        let path = folder.join(name);
        if let Some(parent) = path.parent() {
            make_folder(parent)?;
        }
        write(&path, bytes)?;
    }
    Ok(())
}

pub(super) fn make_folder(path: &Path) -> Result<(), Problem> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
        .map_err(|error| io("make the folder", path, &error))
}

pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    fs::write(path, bytes).map_err(|error| io("write", path, &error))
}

/// Best effort: a folder whose rename is lost in a crash of the machine is imported again.
pub(super) fn sync(folder: &Path) {
    for entry in walkdir::WalkDir::new(folder).into_iter().flatten() {
        if let Ok(file) = fs::File::open(entry.path()) {
            let _ = file.sync_all();
        }
    }
}

/// Root imports for the daemon's user: what was laid down belongs to whose the data folder is.
pub(super) fn hand_over(data_dir: &Path, folders: &Folders) -> Result<(), Problem> {
    if !rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let about = fs::metadata(data_dir).map_err(|error| io("look at", data_dir, &error))?;
    if about.uid() == 0 {
        return Ok(());
    }
    let Some(root) = folders.staging().parent().map(Path::to_owned) else { return Ok(()) };
    if !root.exists() {
        return Ok(());
    }
    for entry in walkdir::WalkDir::new(&root).into_iter().flatten() {
        std::os::unix::fs::lchown(entry.path(), Some(about.uid()), Some(about.gid()))
            .map_err(|error| io("hand over", entry.path(), &error))?;
    }
    Ok(())
}

/// A folder of ours that goes away unless it is kept.
pub(super) struct Scratch {
    pub(super) path: PathBuf,
    kept: bool,
}

impl Scratch {
    pub(super) fn make(below: &Path, what: &str) -> Result<Scratch, Problem> {
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        make_folder(below)?;
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let now = Timestamp::now().micros();
        let path = below.join(format!("{what}-{}-{now}-{number}", std::process::id()));
        fs::DirBuilder::new()
            .mode(0o700)
            .create(&path)
            .map_err(|error| io("make the folder", &path, &error))?;
        Ok(Scratch { path, kept: false })
    }

    fn keep(mut self) -> String {
        self.kept = true;
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if !self.kept {
            // What is left of a killed import is removed when the store is opened later.
            let _ = fs::remove_dir_all(&self.path);
        }
    }
}
