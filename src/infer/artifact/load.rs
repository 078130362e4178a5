//! Where models are, and how one becomes usable: manifest, hashes, shapes, golden window, in this order; every fault of
//! every model is told at once.

use std::borrow::Cow;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};
use sha2::{Digest, Sha256};

use crate::config::infer::InferConfig;
use crate::infer::artifact::golden::{GOLDEN_BYTES_MAX, Golden};
use crate::infer::artifact::manifest::{
    FileEntry, Inputs, MANIFEST_BYTES_MAX, MANIFEST_FILE, Manifest,
};
use crate::infer::artifact::{Fault, check};
use crate::infer::features::rarity::Snapshot;
use crate::infer::features::{EDGE_FEATURES, FEATURE_VERSION, NODE_FEATURES};
use crate::infer::graph::{EDGE_KINDS, NODE_KINDS};
use crate::infer::scorer::feed;
use crate::infer::track::Track;
use crate::model::platform::Platform;

/// The word in `infer.models` that means the models in the program.
pub const BUILTIN: &str = "builtin";
/// An ONNX file longer than this is refused unread; ours have less than 1 MB.
pub const MEMBER_BYTES_MAX: u64 = 16 << 20;
/// A file of counts longer than this is refused unread.
pub const HISTORY_BYTES_MAX: u64 = 64 << 20;
const AGAIN: &str = "copy the folder again from where it was made";

static PACK: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/config/models");

/// Where models are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// In the program.
    Builtin,
    /// A folder with a manifest, or one of such folders.
    Folder(PathBuf),
}

impl Source {
    /// What `infer.models` means.
    pub fn parse(text: &str) -> Source {
        if text == BUILTIN { Source::Builtin } else { Source::Folder(PathBuf::from(text)) }
    }
}

impl std::fmt::Display for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Source::Builtin => f.write_str(BUILTIN),
            Source::Folder(folder) => write!(f, "{}", folder.display()),
        }
    }
}

/// What the program makes of events: a model made for anything else is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The version of its features.
    pub feature_version: String,
    /// Their widths.
    pub inputs: Inputs,
    /// `infer.window` in seconds.
    pub window_s: u64,
    /// `infer.interval` in seconds.
    pub interval_s: u64,
}

impl Expected {
    /// What this program makes, with windows as they are configured.
    pub fn of(config: &InferConfig) -> Expected {
        Expected {
            feature_version: FEATURE_VERSION.to_string(),
            inputs: Inputs {
                node_features: NODE_FEATURES,
                edge_features: EDGE_FEATURES,
                node_kinds: NODE_KINDS,
                edge_kinds: 2 * EDGE_KINDS,
            },
            window_s: config.window.as_secs(),
            interval_s: config.interval.as_secs(),
        }
    }
}

/// A model that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// Where it was read, for people.
    pub place: String,
    /// What it says about itself.
    pub manifest: Manifest,
    /// Its ONNX files, in the order of the manifest.
    pub members: Vec<Member>,
    /// What is common in its training environments.
    pub history: Option<Arc<Snapshot>>,
    /// A window and what was said of it.
    pub golden: Golden,
}

/// One ONNX file.
#[derive(Clone, PartialEq, Eq)]
pub struct Member {
    /// Its name in the folder.
    pub file: String,
    /// What it holds.
    pub bytes: Arc<[u8]>,
}

impl std::fmt::Debug for Member {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Member").field("file", &self.file).finish_non_exhaustive()
    }
}

impl Model {
    /// The platform and track that it is for.
    pub fn role(&self) -> (Platform, Track) {
        (self.manifest.platform(), self.manifest.track)
    }

    /// A file of it, as a person would name it.
    pub fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.place)
    }
}

/// The models that are there: of several for one platform and track the last by name. One fault refuses all, so that
/// nothing is judged by half of what was meant.
pub fn load(source: &Source, expected: &Expected) -> Result<Vec<Model>, Vec<Fault>> {
    let places = match source {
        Source::Builtin => PACK
            .dirs()
            .filter(|dir| dir.get_file(dir.path().join(MANIFEST_FILE)).is_some())
            .map(|dir| Place::Embedded(dir.clone()))
            .collect(),
        Source::Folder(folder) => folders(folder).map_err(|fault| vec![fault])?,
    };
    let mut models: Vec<Model> = Vec::new();
    let mut faults = Vec::new();
    for place in places {
        match read(&place, expected) {
            Ok(model) => {
                models.retain(|other| other.role() != model.role());
                models.push(model);
            }
            Err(fault) => faults.push(fault),
        }
    }
    if faults.is_empty() { Ok(models) } else { Err(faults) }
}

fn folders(folder: &Path) -> Result<Vec<Place>, Fault> {
    let name = folder.display().to_string();
    if folder.join(MANIFEST_FILE).is_file() {
        return Ok(vec![Place::Folder(folder.to_owned())]);
    }
    let listed = std::fs::read_dir(folder)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| {
            let fix = "name a folder with a model, or infer.models = \"builtin\"";
            Fault::new(&name, format!("cannot be read: {error}"), fix)
        })?;
    let mut inner: Vec<PathBuf> = listed.into_iter().map(|entry| entry.path()).collect();
    inner.retain(|path| path.join(MANIFEST_FILE).is_file());
    inner.sort();
    if inner.is_empty() {
        let text = format!("holds no {MANIFEST_FILE}, nor does a folder in it");
        return Err(Fault::new(
            name,
            text,
            "name a folder with a model, or infer.models = \"builtin\"",
        ));
    }
    Ok(inner.into_iter().map(Place::Folder).collect())
}

/// A folder with one model.
enum Place {
    Embedded(Dir<'static>),
    Folder(PathBuf),
}

impl Place {
    fn name(&self) -> String {
        match self {
            Place::Embedded(dir) => format!("{BUILTIN}/{}", dir.path().display()),
            Place::Folder(folder) => folder.display().to_string(),
        }
    }

    /// What a file holds; one that is longer than `most` is refused.
    fn read(&self, name: &str, most: u64) -> Result<Cow<'static, [u8]>, Fault> {
        let file = format!("{}/{name}", self.name());
        match self {
            Place::Embedded(dir) => match dir.get_file(dir.path().join(name)) {
                Some(found) => Ok(Cow::Borrowed(found.contents())),
                None => Err(Fault::new(file, "is missing", AGAIN)),
            },
            Place::Folder(folder) => {
                let mut bytes = Vec::new();
                File::open(folder.join(name))
                    .and_then(|open| open.take(most + 1).read_to_end(&mut bytes))
                    .map_err(|error| {
                        Fault::new(&file, format!("cannot be read: {error}"), AGAIN)
                    })?;
                if bytes.len() as u64 > most {
                    let text = format!("has more than {most} bytes, the most that is read");
                    return Err(Fault::new(file, text, "use a smaller model"));
                }
                Ok(Cow::Owned(bytes))
            }
        }
    }
}

fn read(place: &Place, expected: &Expected) -> Result<Model, Fault> {
    let name = place.name();
    let file = |inner: &str| format!("{name}/{inner}");
    let bytes = place.read(MANIFEST_FILE, MANIFEST_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|error| Fault::new(file(MANIFEST_FILE), format!("is no text: {error}"), AGAIN))?;
    let manifest = Manifest::parse(&file(MANIFEST_FILE), text)?;
    check::program(&file(MANIFEST_FILE), &manifest, expected)?;
    let mut members = Vec::new();
    for entry in &manifest.members {
        let bytes = place.read(&entry.file, MEMBER_BYTES_MAX)?;
        hash(&file(&entry.file), &bytes, &entry.sha256)?;
        check::onnx(&file(&entry.file), &bytes, &manifest)?;
        members.push(Member { file: entry.file.clone(), bytes: Arc::from(&*bytes) });
    }
    let bytes = place.read(&manifest.golden.file, GOLDEN_BYTES_MAX)?;
    if let Some(said) = &manifest.golden.sha256 {
        hash(&file(&manifest.golden.file), &bytes, said)?;
    }
    let golden = Golden::parse(&file(&manifest.golden.file), &bytes)?;
    let history = manifest.history.as_ref().map(|entry| history(place, entry)).transpose()?;
    let model = Model { place: name.clone(), manifest, members, history, golden };
    fits(&model)
        .map_or(Ok(()), |text| Err(Fault::new(file(&model.manifest.golden.file), text, AGAIN)))?;
    Ok(model)
}

fn history(place: &Place, entry: &FileEntry) -> Result<Arc<Snapshot>, Fault> {
    let file = format!("{}/{}", place.name(), entry.file);
    let bytes = place.read(&entry.file, HISTORY_BYTES_MAX)?;
    hash(&file, &bytes, &entry.sha256)?;
    let snapshot = Snapshot::from_bytes(&bytes);
    snapshot
        .map(Arc::new)
        .ok_or_else(|| Fault::new(file, "holds no counts of what is common", AGAIN))
}

fn hash(file: &str, bytes: &[u8], said: &str) -> Result<(), Fault> {
    let found = Sha256::digest(bytes);
    let found: String = found.iter().map(|byte| format!("{byte:02x}")).collect();
    if found.eq_ignore_ascii_case(said) {
        return Ok(());
    }
    let text = format!(
        "has sha256 {found}, and the manifest says {said}: {} bytes, changed or cut off",
        bytes.len()
    );
    Err(Fault::new(file, text, AGAIN))
}

/// A golden window that a member cannot take, or that says nothing of one.
fn fits(model: &Model) -> Option<String> {
    let Model { golden, manifest, .. } = model;
    let inputs = &manifest.inputs;
    let windows = [Some(&golden.tensors), golden.window.as_ref()];
    let wrong = windows.into_iter().flatten().find_map(|window| feed::check(window, inputs).err());
    if let Some(error) = wrong {
        return Some(error.to_string());
    }
    let queries = golden.query_type.len();
    let kinds = i64::try_from(inputs.edge_kinds / 2).unwrap_or(i64::MAX);
    let nodes = i64::try_from(golden.tensors.nodes).unwrap_or(i64::MAX);
    let inside = |values: &[i64], bound| values.iter().all(|v| (0..bound).contains(v));
    if golden.query_index.len() != 2 * queries
        || !inside(&golden.query_index, nodes)
        || !inside(&golden.query_type, kinds)
    {
        return Some("query_index and query_type do not fit the window".to_owned());
    }
    let promised = manifest.outputs;
    let head = promised.attack_logit.then_some("attack_logit");
    let surprise = promised.query_nll.then_some("query_nll");
    let silent = |member: &&Member| {
        let said = golden.outputs.get(&member.file);
        [head, surprise]
            .into_iter()
            .flatten()
            .any(|name| said.is_none_or(|said| !said.contains_key(name)))
    };
    let silent = model.members.iter().find(silent);
    silent.map(|member| format!("does not say what {} should say", member.file))
}
