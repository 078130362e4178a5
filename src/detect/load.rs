//! From rule documents to a [`RuleSet`]; what cannot be used is listed with file, line and reason.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use ahash::{AHashMap, AHashSet};
use rsigma_parser::{CorrelationRule, FilterRule, Level, SigmaRule, Status, parse_sigma_yaml};

use crate::config::rules::RulesConfig;
use crate::detect::correlate::circle::{self, Waiting};
use crate::detect::correlate::{compile as correlation, condition};
use crate::detect::files::{self, Document};
use crate::detect::library;
use crate::detect::logsource::Binding;
use crate::detect::placeholders;
use crate::detect::rewrite;
use crate::detect::rules::{Compiled, Parts, RuleSet};
use crate::detect::shape;
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
    /// What runs and is probably not meant so.
    pub warnings: Vec<RuleProblem>,
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

    /// As [`RuleSet::load_for_comparison`], of the bytes of one file; for tests and random input.
    pub fn load_bytes(name: &str, bytes: &[u8]) -> Loaded {
        let (mut documents, mut problems) = (Vec::new(), Vec::new());
        files::add(name, bytes, &mut documents, &mut problems);
        let config = RulesConfig::default();
        let parsed = parse_all(documents.iter(), &config.placeholders, &mut problems);
        assemble(parsed, problems, &config, &BTreeSet::new(), true)
    }
}

/// Where a rule stands.
#[derive(Clone, Debug)]
pub struct Place {
    /// The file, as a person would name it.
    pub file: String,
    /// The line on which it begins, from 1.
    pub line: u32,
}

/// Rules as the parser understands them, before they are compiled.
#[derive(Debug, Default)]
pub struct Parsed {
    /// Detection rules, filters joined to them.
    pub rules: Vec<(SigmaRule, Place)>,
    /// Correlations.
    pub correlations: Vec<(CorrelationRule, Place)>,
    /// Filters.
    pub filters: Vec<(FilterRule, Place)>,
    /// What runs and is probably not meant so.
    pub warnings: Vec<RuleProblem>,
}

/// Read every rule of a configuration without compiling any: packs with their local edits, filters joined, placeholders
/// filled in. What is said of a rule in its own words (why it held, what it covers) comes from here, and what runs is
/// compiled from the same.
pub fn read(config: &RulesConfig, problems: &mut Vec<RuleProblem>) -> Parsed {
    read_some(config, &|_| true, problems)
}

/// As [`read`], but only the documents that `wanted` keeps: parsing is the costly part.
pub fn read_some(
    config: &RulesConfig,
    wanted: &dyn Fn(&Document) -> bool,
    problems: &mut Vec<RuleProblem>,
) -> Parsed {
    let documents = files::documents(&config.paths, &config.packs, problems);
    parse_all(documents.iter().filter(|document| wanted(document)), &config.placeholders, problems)
}

fn parse_all<'d>(
    documents: impl Iterator<Item = &'d Document>,
    values: &BTreeMap<String, Vec<String>>,
    problems: &mut Vec<RuleProblem>,
) -> Parsed {
    let mut parsed = Parsed::default();
    for document in documents {
        parse(document, &mut parsed, problems);
    }
    parsed.filters.retain_mut(|(filter, place)| {
        let refused = library::ready(filter, values).err();
        let problem = refused
            .map(|error| RuleProblem::new(place.file.clone(), place.line, error.to_string()));
        let used = problem.is_none();
        problems.extend(problem);
        used
    });
    library::apply_filters(
        &mut parsed.rules.iter_mut().map(|(rule, _)| rule),
        &parsed.filters,
        |place| (place.file.clone(), place.line),
        problems,
        &mut parsed.warnings,
    );
    parsed.rules.retain_mut(|(rule, place)| {
        let expanded = placeholders::expand(rule, values);
        let reason = expanded.as_ref().err().map(ToString::to_string);
        let problem = reason.map(|reason| RuleProblem::new(place.file.clone(), place.line, reason));
        problems.extend(problem);
        expanded.is_ok()
    });
    parsed
}

fn load(config: &RulesConfig, off: &BTreeSet<String>, for_comparison: bool) -> Loaded {
    let mut problems = Vec::new();
    let parsed = read(config, &mut problems);
    assemble(parsed, problems, config, off, for_comparison)
}

fn assemble(
    parsed: Parsed,
    problems: Vec<RuleProblem>,
    config: &RulesConfig,
    off: &BTreeSet<String>,
    for_comparison: bool,
) -> Loaded {
    let mut loader = Loader {
        config,
        off,
        for_comparison,
        problems,
        parts: Parts::default(),
        ids: AHashMap::new(),
        needed: AHashSet::new(),
        silent: AHashSet::new(),
        loud: AHashSet::new(),
        absent: AHashMap::new(),
    };
    loader.note_references(&parsed.correlations);
    for (rule, place) in parsed.rules {
        loader.add_rule(&rule, place);
    }
    loader.add_correlations(parsed.correlations);
    Loaded {
        rules: RuleSet::new(loader.parts),
        problems: loader.problems,
        warnings: parsed.warnings,
    }
}

fn parse(document: &Document, parsed: &mut Parsed, problems: &mut Vec<RuleProblem>) {
    let place = Place { file: document.file.clone(), line: document.line };
    let mut collection = match parse_sigma_yaml(&document.text) {
        Ok(collection) => collection,
        Err(error) => {
            problems.push(RuleProblem::of_file(place.file, place.line, error.to_string()));
            return;
        }
    };
    let line_of = |row: u32| first_line(document).saturating_add(row.saturating_sub(1));
    let misread = shape::misread(&document.text, &collection);
    if !misread.is_empty() {
        let problem = |(row, reason)| RuleProblem::new(place.file.clone(), line_of(row), reason);
        problems.extend(misread.into_iter().map(problem));
        return;
    }
    for remark in shape::settle(&mut collection) {
        parsed.warnings.push(RuleProblem::new(place.file.clone(), place.line, remark));
    }
    for error in &collection.errors {
        let line = inner_line(error).map_or(place.line, line_of);
        problems.push(RuleProblem::of_file(place.file.clone(), line, with_fix(error)));
    }
    parsed.rules.extend(collection.rules.into_iter().map(|rule| (rule, place.clone())));
    parsed.correlations.extend(collection.correlations.into_iter().map(|mut rule| {
        rule.rules = condition::references(&rule);
        (rule, place.clone())
    }));
    parsed.filters.extend(collection.filters.into_iter().map(|rule| (rule, place.clone())));
}

/// The parser's words, and what to write instead where they do not say it.
fn with_fix(error: &str) -> String {
    // Names of pySigma's inner workings that people take for types.
    let extended = error.contains("correlation type: temporal") && error.contains("_extended");
    let fix = "; write the type without `_extended`, and the condition as a text over the rules";
    format!("{error}{}", if extended { fix } else { "" })
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
    /// Of these, the ones that are no findings by themselves, unless they are among the next.
    silent: AHashSet<String>,
    /// Those of a correlation that says `generate`.
    loud: AHashSet<String>,
    /// Ids and names of rules that do not run, and why.
    absent: AHashMap<String, &'static str>,
}

impl Loader<'_> {
    fn note_references(&mut self, correlations: &[(CorrelationRule, Place)]) {
        for (rule, _) in correlations {
            self.needed.extend(rule.rules.iter().cloned());
            let list = if rule.generate { &mut self.loud } else { &mut self.silent };
            list.extend(rule.rules.iter().cloned());
        }
    }

    /// Whether matches of the rule are only for correlations. One correlation may name it by its id and another,
    /// which says `generate`, by its name.
    fn is_silent(&self, id: &str, name: Option<&str>) -> bool {
        Self::in_list(&self.silent, id, name) && !Self::in_list(&self.loud, id, name)
    }

    fn note_absent(&mut self, id: &str, name: Option<&str>, why: &'static str) {
        for name in std::iter::once(id).chain(name) {
            self.absent.entry(name.to_owned()).or_insert(why);
        }
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
        if self.off.contains(id) {
            self.note_absent(id, name, "is off");
            return false;
        }
        if level < self.config.min_level && !needed {
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
        let compiled = match rewrite::compile(rule) {
            Ok(compiled) => compiled,
            Err(error) => {
                self.note_absent(&info.id, rule.name.as_deref(), "does not run");
                return self.problem(&place, error.to_string());
            }
        };
        if let Some(name) = library::missing_detection(&rule.detection) {
            self.note_absent(&info.id, rule.name.as_deref(), "does not run");
            return self.problem(
                &place,
                format!("the condition names {name}, which is no detection of the rule"),
            );
        }
        let Some(binding) = Binding::of(&rule.logsource) else {
            self.note_absent(&info.id, rule.name.as_deref(), "is for logs that are not read");
            self.parts.unbound.push(Arc::new(info));
            return;
        };
        self.parts.slots.enter(binding.namespaces());
        let Some(node) = tree::compile(&compiled, &mut self.parts.slots) else {
            return self
                .problem(&place, "the rules name more than 65,535 different fields".to_owned());
        };
        self.note_recommended(&info, rule.status);
        let silent = self.is_silent(&info.id, rule.name.as_deref());
        let below = info.level < self.config.min_level;
        let library = self.for_comparison.then(|| Box::new(compiled));
        self.parts.compiled.push(Compiled { node, binding, alerts: !silent && !below, library });
        self.remember(info, rule.name.clone());
    }

    /// Correlations may refer to correlations: those whose references are all known come first.
    fn add_correlations(&mut self, mut waiting: Vec<(CorrelationRule, Place)>) {
        self.parts.slots.enter(&[]);
        // One that is off is not asked what it refers to.
        waiting.retain(|(rule, _)| {
            let id = correlation_id(rule);
            let off = self.off.contains(&id);
            if off {
                self.note_absent(&id, rule.name.as_deref(), "is off");
            }
            !off
        });
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
                return self.explain_waiting(&later);
            }
            waiting = later;
        }
    }

    fn explain_waiting(&mut self, later: &[(CorrelationRule, Place)]) {
        let ids: Vec<String> = later.iter().map(|(rule, _)| correlation_id(rule)).collect();
        let waiting = later.iter().zip(&ids).map(|((rule, place), id)| Waiting {
            names: std::iter::once(id).chain(&rule.name).map(String::as_str).collect(),
            missing: rule
                .rules
                .iter()
                .filter(|name| !self.ids.contains_key(*name))
                .map(String::as_str)
                .collect(),
            place: format!("{}:{}", place.file, place.line),
        });
        let waiting: Vec<Waiting<'_>> = waiting.collect();
        let reasons = circle::reasons(&waiting, |name| self.absent.get(name).copied());
        for ((_, place), reason) in later.iter().zip(reasons) {
            self.problem(place, reason);
        }
    }

    fn add_correlation(&mut self, rule: &CorrelationRule, place: &Place) {
        let info = RuleInfo {
            id: correlation_id(rule),
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
        let known = correlation::Known { ids: &self.ids, correlations: &self.parts.correlations };
        match correlation::compile(rule, &info.id, number, &known, &mut self.parts.slots) {
            Ok(mut compiled) => {
                let silent = self.is_silent(&info.id, rule.name.as_deref());
                compiled.alerts = !silent && info.level >= self.config.min_level;
                self.note_recommended(&info, rule.status);
                self.parts.correlations.push(compiled);
                self.remember(info, rule.name.clone());
            }
            Err(reason) => {
                self.note_absent(&info.id, rule.name.as_deref(), "does not run");
                self.problem(place, reason.to_string());
            }
        }
    }
}

fn correlation_id(rule: &CorrelationRule) -> String {
    rule.id.clone().unwrap_or_else(|| id_of(&rule.title))
}

fn severity(level: Option<Level>) -> Severity {
    level.and_then(|level| Severity::parse(level.as_str())).unwrap_or(Severity::Medium)
}

/// The id of a rule that has none.
pub fn id_of(title: &str) -> String {
    IdHasher::new("rule").text(title).finish().to_string()
}
