//! `[rules]`: which rules run.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::config::noise::{self, NoiseConfig};
use crate::config::reader::Reader;
use crate::model::severity::Severity;

/// Where rules come from.
#[derive(Clone, Debug, PartialEq)]
pub struct RulesConfig {
    /// `builtin`, `pack:NAME` and paths of files or folders.
    pub paths: Vec<String>,
    /// Rules below this level are not loaded.
    pub min_level: Severity,
    /// What `%Name%` stands for in values with `expand`.
    pub placeholders: BTreeMap<String, Vec<String>>,
    /// How often the files of rules are looked at for changes; zero: never.
    pub watch: Duration,
    /// Public keys whose signatures of packs count.
    pub trusted_keys: Vec<String>,
    /// Only signed packs are imported.
    pub require_signature: bool,
    /// What keeps alerts few.
    pub noise: NoiseConfig,
    /// Load only the packs that `paths` names. Not written by people: commands that are given paths say it.
    pub only_named: bool,
    /// Imported packs that are in use. Not written by people: whoever loads rules fills it in from the data folder.
    pub packs: Vec<PackPlace>,
}

/// Where an imported pack lies.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PackPlace {
    /// Its name.
    pub name: String,
    /// The folder of the version in use.
    pub folder: PathBuf,
    /// The folder of local edits, whose files stand in for those of the pack.
    pub local: PathBuf,
    /// Rules that the pack recommends, by id; empty: by status and level.
    pub recommended: Vec<String>,
}

impl RulesConfig {
    /// Where rules come from, for people: paths, and packs that no path names.
    pub fn places(&self) -> Vec<String> {
        let packs = self.packs.iter().map(|pack| format!("pack:{}", pack.name));
        let more = packs.filter(|pack| !self.paths.contains(pack));
        self.paths.iter().cloned().chain(more).collect()
    }
}

impl Default for RulesConfig {
    fn default() -> RulesConfig {
        RulesConfig {
            paths: vec!["builtin".to_owned()],
            min_level: Severity::Info,
            placeholders: BTreeMap::new(),
            watch: WATCH_DEFAULT,
            trusted_keys: Vec::new(),
            require_signature: false,
            noise: NoiseConfig::default(),
            only_named: false,
            packs: Vec::new(),
        }
    }
}

/// How often files are looked at when nobody says.
const WATCH_DEFAULT: Duration = Duration::from_millis(250);

/// Take the section's keys.
pub fn read(reader: &mut Reader) -> RulesConfig {
    let paths = reader.texts(
        "rules.paths",
        &["builtin"],
        "`builtin`, `pack:NAME` and files or folders with Sigma rules; all are loaded. Imported packs are loaded also when they are not named here.",
    );
    let levels = Severity::ALL.map(|severity| (severity.as_str(), severity));
    let min_level =
        reader.choice("rules.min_level", "info", &levels, "Rules below this level are not loaded.");
    let watch = reader.duration(
        "rules.watch",
        WATCH_DEFAULT,
        "How often a daemon looks for changed rule files; a change is taken up when a file is the same in two looks. `0s`: never.",
    );
    let trusted_keys = reader.texts(
        "rules.trusted_keys",
        &[],
        "Public keys (from `watchfloor rules keygen`) whose signatures of rule packs count.",
    );
    let require_signature = reader.truth(
        "rules.require_signature",
        false,
        "Refuse to import rule packs without a signature by a trusted key.",
    );
    if require_signature && trusted_keys.is_empty() {
        let hint = "add the public key of whoever signs your packs".to_owned();
        reader.complain(
            "rules.require_signature",
            "no pack could be imported: rules.trusted_keys is empty".to_owned(),
            hint,
        );
    }
    RulesConfig {
        paths,
        placeholders: reader.lists("rules.placeholders"),
        min_level: min_level.unwrap_or(Severity::Info),
        watch,
        trusted_keys,
        require_signature,
        noise: noise::read(reader),
        only_named: false,
        packs: Vec::new(),
    }
}
