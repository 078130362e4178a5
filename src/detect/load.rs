//! From rule documents to a [`RuleSet`]; what cannot be used is listed with file, line and reason.

use std::collections::BTreeSet;
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use rsigma_parser::{CorrelationRule, FilterRule, Level, SigmaRule, Status, parse_sigma_yaml};

use crate::config::rules::RulesConfig;
use crate::detect::correlate::compile as correlation;
use crate::detect::files::{self, Document};
use crate::detect::library;
use crate::detect::logsource::Binding;
use crate::detect::rules::{Compiled, Parts, RuleSet};
use crate::detect::tree;
use crate::model::finding::RuleInfo;
use crate::model::severity::Severity;
use crate::stdx::id::IdHasher;

/// Why something in a rule file is not used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleProblem {
    /// The file.
    pub file: String,
    /// The line, from 1; 0 when the whole file is meant.
    pub line: u32,
    /// What is wrong.
    pub reason: String,
    /// The file as text is meant: it cannot be read, or is no YAML. A file that is being written looks like that.
    pub whole_file: bool,
}

impl RuleProblem {
    /// A problem with a place.
    pub fn new(file: String, line: u32, reason: String) -> RuleProblem {
        RuleProblem { file, line, reason, whole_file: false }
    }

    /// A problem with a file as text.
    pub fn of_file(file: String, line: u32, reason: String) -> RuleProblem {
        RuleProblem { file, line, reason, whole_file: true }
    }
}

impl std::fmt::Display for RuleProblem {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}:{}: {}", self.file, self.line, self.reason)
    }
}

/// What came of loading.
#[derive(Debug, Default)]
pub struct Loaded {
    /// The rules that run.
    pub rules: RuleSet,
    /// What could not be used.
    pub problems: Vec<RuleProblem>,
}

impl RuleSet {
    /// Load every rule under `config.paths`, but those whose ids are in `off`.
    pub fn load(config: &RulesConfig, off: &BTreeSet<String>) -> Loaded {
        load(config, off, false)
    }

    /// As [`RuleSet::load`], keeping what [`RuleSet::judge_by_library`] needs; for tests.
    pub fn load_for_comparison(config: &RulesConfig) -> Loaded {
        load(config, &BTreeSet::new(), true)
    }
}

/// Where a rule stands.
#[derive(Clone, Debug)]
struct Place {
    file: String,
    line: u32,
}

#[derive(Default)]
struct Parsed {
    rules: Vec<(SigmaRule, Place)>,
    correlations: Vec<(CorrelationRule, Place)>,
    filters: Vec<(FilterRule, Place)>,
}

fn load(config: &RulesConfig, off: &BTreeSet<String>, for_comparison: bool) -> Loaded {
    let mut problems = Vec::new();
    let documents = files::documents(&config.paths, &config.packs, &mut problems);
    let mut parsed = Parsed::default();
    for document in documents {
        parse(&document, &mut parsed, &mut problems);
    }
    library::apply_filters(
        &mut parsed.rules.iter_mut().map(|(rule, _)| rule),
        &parsed.filters,
        |place| (place.file.clone(), place.line),
        &mut problems,
    );
    let mut loader = Loader {
        config,
        off,
        for_comparison,
        problems,
        parts: Parts::default(),
        ids: AHashMap::new(),
        needed: AHashSet::new(),
        silent: AHashSet::new(),
    };
    loader.note_references(&parsed.correlations);
    for (rule, place) in parsed.rules {
        loader.add_rule(&rule, place);
    }
    loader.add_correlations(parsed.correlations);
    Loaded { rules: RuleSet::new(loader.parts), problems: loader.problems }
}

fn parse(document: &Document, parsed: &mut Parsed, problems: &mut Vec<RuleProblem>) {
    let place = Place { file: document.file.clone(), line: document.line };
    let collection = match parse_sigma_yaml(&document.text) {
        Ok(collection) => collection,
        Err(error) => {
            problems.push(RuleProblem::of_file(place.file, place.line, error.to_string()));
            return;
        }
    };
    for error in &collection.errors {
        let line = inner_line(error)
            .map_or(place.line, |line| first_line(document).saturating_add(line - 1));
        problems.push(RuleProblem::of_file(place.file.clone(), line, error.clone()));
    }
    parsed.rules.extend(collection.rules.into_iter().map(|rule| (rule, place.clone())));
    parsed
        .correlations
        .extend(collection.correlations.into_iter().map(|rule| (rule, place.clone())));
    parsed.filters.extend(collection.filters.into_iter().map(|rule| (rule, place.clone())));
}

/// The line that a YAML error names, counted from the start of the document's text.
fn inner_line(error: &str) -> Option<u32> {
    let (_, after) = error.split_once(" line ")?;
    after
        .split(|letter: char| !letter.is_ascii_digit())
        .next()?
        .parse()
        .ok()
        .filter(|line| *line > 0)
}

/// The line of the file on which the document's text (with its leading comments) begins.
fn first_line(document: &Document) -> u32 {
    let skipped = document.text.lines().take_while(|row| {
        let row = row.trim();
        row.is_empty() || row.starts_with('#') || row == "..."
    });
    document.line.saturating_sub(u32::try_from(skipped.count()).unwrap_or(0)).max(1)
}

struct Loader<'a> {
    config: &'a RulesConfig,
    off: &'a BTreeSet<String>,
    for_comparison: bool,
    problems: Vec<RuleProblem>,
    parts: Parts,
    /// Id or name → rule number.
    ids: AHashMap<String, u32>,
    /// Ids and names that correlations refer to: loaded whatever their level.
    needed: AHashSet<String>,
    /// Of these, the ones that are no findings by themselves.
    silent: AHashSet<String>,
}

impl Loader<'_> {
    fn note_references(&mut self, correlations: &[(CorrelationRule, Place)]) {
        let mut loud = AHashSet::new();
        for (rule, _) in correlations {
            self.needed.extend(rule.rules.iter().cloned());
            let list = if rule.generate { &mut loud } else { &mut self.silent };
            list.extend(rule.rules.iter().cloned());
        }
        self.silent.retain(|name| !loud.contains(name));
    }

    fn problem(&mut self, place: &Place, reason: String) {
        self.problems.push(RuleProblem::new(place.file.clone(), place.line, reason));
    }

    fn in_list(list: &AHashSet<String>, id: &str, name: Option<&str>) -> bool {
        list.contains(id) || name.is_some_and(|name| list.contains(name))
    }

    /// Is the rule wanted, and new? Says why not, where that is not the user's own wish.
    fn admit(&mut self, id: &str, name: Option<&str>, level: Severity, place: &Place) -> bool {
        let needed = Self::in_list(&self.needed, id, name);
        if self.off.contains(id) || (level < self.config.min_level && !needed) {
            return false;
        }
        if let Some(known) = self.ids.get(id) {
            let known =
                self.parts.infos.get(*known as usize).map(|info| (info.file.clone(), info.line));
            let (file, line) = known.unwrap_or_default();
            self.problem(
                place,
                format!("has the id {id} of the rule in {file}:{line}; only that one runs"),
            );
            return false;
        }
        true
    }

    fn remember(&mut self, info: RuleInfo, name: Option<String>) {
        let Ok(number) = u32::try_from(self.parts.infos.len()) else { return };
        self.ids.insert(info.id.clone(), number);
        if let Some(name) = name {
            self.ids.entry(name).or_insert(number);
        }
        self.parts.infos.push(Arc::new(info));
    }

    /// A pack says itself what it recommends; else it is what is tested and serious, as in SigmaHQ's core package.
    fn note_recommended(&mut self, info: &RuleInfo, status: Option<Status>) {
        let pack = files::pack_of(&info.file);
        let place = self.config.packs.iter().find(|place| Some(place.name.as_str()) == pack);
        let recommended = match place {
            Some(place) if !place.recommended.is_empty() => place.recommended.contains(&info.id),
            None if pack == Some(files::BUILTIN) => true,
            _ => {
                matches!(status, Some(Status::Stable | Status::Test))
                    && info.level >= Severity::High
            }
        };
        if recommended {
            self.parts.recommended.insert(info.id.clone());
        }
    }

    fn add_rule(&mut self, rule: &SigmaRule, place: Place) {
        let info = RuleInfo {
            id: rule.id.clone().unwrap_or_else(|| id_of(&rule.title)),
            title: rule.title.clone(),
            level: severity(rule.level),
            tags: rule.tags.clone(),
            description: rule.description.clone().unwrap_or_default(),
            false_positives: rule.falsepositives.clone(),
            file: place.file.clone(),
            line: place.line,
            group_by: Vec::new(),
        };
        if !self.admit(&info.id, rule.name.as_deref(), info.level, &place) {
            return;
        }
        let compiled = match rsigma_eval::compile_rule(rule) {
            Ok(compiled) => compiled,
            Err(error) => return self.problem(&place, error.to_string()),
        };
        if let Some(name) = library::missing_detection(&rule.detection) {
            return self.problem(
                &place,
                format!("the condition names {name}, which is no detection of the rule"),
            );
        }
        let Some(binding) = Binding::of(&rule.logsource) else {
            self.parts.unbound.push(Arc::new(info));
            return;
        };
        let Some(node) = tree::compile(&compiled, &mut self.parts.slots) else {
            return self
                .problem(&place, "the rules name more than 65,535 different fields".to_owned());
        };
        self.note_recommended(&info, rule.status);
        let silent = Self::in_list(&self.silent, &info.id, rule.name.as_deref());
        let below = info.level < self.config.min_level;
        let library = self.for_comparison.then(|| Box::new(compiled));
        self.parts.compiled.push(Compiled { node, binding, alerts: !silent && !below, library });
        self.remember(info, rule.name.clone());
    }

    /// Correlations may refer to correlations: those whose references are all known come first.
    fn add_correlations(&mut self, mut waiting: Vec<(CorrelationRule, Place)>) {
        while !waiting.is_empty() {
            let before = waiting.len();
            let mut later = Vec::new();
            for (rule, place) in waiting {
                if rule.rules.iter().all(|name| self.ids.contains_key(name)) {
                    self.add_correlation(&rule, &place);
                } else {
                    later.push((rule, place));
                }
            }
            if later.len() == before {
                for (rule, place) in &later {
                    let missing = rule.rules.iter().find(|name| !self.ids.contains_key(*name));
                    let missing = missing.map(String::as_str).unwrap_or_default();
                    self.problem(
                        place,
                        format!("refers to the rule {missing}, which is not loaded or is off"),
                    );
                }
                return;
            }
            waiting = later;
        }
    }

    fn add_correlation(&mut self, rule: &CorrelationRule, place: &Place) {
        let info = RuleInfo {
            id: rule.id.clone().unwrap_or_else(|| id_of(&rule.title)),
            title: rule.title.clone(),
            level: severity(rule.level),
            tags: rule.tags.clone(),
            description: rule.description.clone().unwrap_or_default(),
            false_positives: rule.falsepositives.clone(),
            file: place.file.clone(),
            line: place.line,
            group_by: rule.group_by.clone(),
        };
        if !self.admit(&info.id, rule.name.as_deref(), info.level, place) {
            return;
        }
        let Ok(number) = u32::try_from(self.parts.infos.len()) else { return };
        match correlation::compile(rule, &info.id, number, &self.ids, &mut self.parts.slots) {
            Ok(mut compiled) => {
                let silent = Self::in_list(&self.silent, &info.id, rule.name.as_deref());
                compiled.alerts = !silent && info.level >= self.config.min_level;
                self.note_recommended(&info, rule.status);
                self.parts.correlations.push(compiled);
                self.remember(info, rule.name.clone());
            }
            Err(reason) => self.problem(place, reason.to_string()),
        }
    }
}

fn severity(level: Option<Level>) -> Severity {
    level.and_then(|level| Severity::parse(level.as_str())).unwrap_or(Severity::Medium)
}

fn id_of(title: &str) -> String {
    IdHasher::new("rule").text(title).finish().to_string()
}
