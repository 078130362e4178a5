//! What a person decided about scenarios, as data: `config/scoreboard/attacks.toml`, embedded, and replaceable by a file
//! for those who work on it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::Deserialize;

use crate::scoreboard::{ScoreError, read};

/// The map of scenarios.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Map {
    /// Class → what counts as a finding of it.
    pub class: BTreeMap<String, Class>,
    /// crowdsec's scenarios.
    pub crowdsec: Crowdsec,
    /// fail2ban's filters.
    pub fail2ban: Fail2ban,
    /// wazuh's rule tests.
    pub wazuh: Wazuh,
    /// Differences that stay, with the reason.
    #[serde(default)]
    pub difference: Vec<Difference>,
}

/// A class of attack.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// In a person's words.
    pub about: String,
    /// Ids of our rules and signals that say that this attack happens.
    pub by: BTreeSet<String>,
}

/// crowdsec's scenarios.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Crowdsec {
    /// Scenario → class.
    pub class: BTreeMap<String, String>,
    /// Scenario → why it is none of the classes.
    #[serde(default)]
    pub skip: BTreeMap<String, String>,
}

/// fail2ban's filters.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fail2ban {
    /// How often a line comes: as often as a jail waits for before it bans.
    pub tries: u64,
    /// Class → filters of that class.
    pub class: BTreeMap<String, BTreeSet<String>>,
    /// Filter → why it cannot be compared.
    #[serde(default)]
    pub skip: BTreeMap<String, String>,
    /// Filters whose lines are each of a class of their own: filter → part of the line → class, or `skip: reason`.
    #[serde(default)]
    pub line: Vec<LineClass>,
}

/// Lines of a filter that are of another class than the rest.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LineClass {
    /// The filter.
    pub filter: String,
    /// A part of the line.
    pub contains: String,
    /// Their class.
    pub class: Option<String>,
    /// Or why they cannot be compared.
    pub skip: Option<String>,
}

/// wazuh's rule tests.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Wazuh {
    /// How often a line comes where it is one try of many.
    pub tries: u64,
    /// Rules of this level and below are no attack.
    pub quiet_level: u64,
    /// Sections that are scenarios.
    pub section: Vec<Section>,
    /// Ini file → why its quiet sections are not compared.
    #[serde(default)]
    pub skip: BTreeMap<String, String>,
}

/// A section of an ini file that is a scenario.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Section {
    /// The ini file.
    pub file: String,
    /// The section's title.
    pub title: String,
    /// Its class; `no_attack` expects that nobody is accused.
    #[serde(default)]
    pub class: String,
    /// Each line comes as often as `tries` says.
    #[serde(default)]
    pub many: bool,
    /// Why it cannot be compared.
    pub skip: Option<String>,
}

/// A difference that stays.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Difference {
    /// The suite.
    pub suite: String,
    /// A part of the case's name.
    pub case: String,
    /// Only for this class; empty for all.
    #[serde(default)]
    pub class: String,
    /// Why it stays.
    pub reason: String,
}

impl Map {
    /// The embedded map, or that of a file.
    pub fn load(file: Option<&Path>) -> Result<Map, ScoreError> {
        let (name, text) = match file {
            Some(path) => (path.display().to_string(), read(path)?),
            None => (
                "attacks.toml".to_owned(),
                include_str!("../../../config/scoreboard/attacks.toml").to_owned(),
            ),
        };
        let map: Map = toml::from_str(&text)
            .map_err(|source| ScoreError::Table { file: name.clone(), source })?;
        match map.wrong() {
            None => Ok(map),
            Some(reason) => Err(ScoreError::Expectation { path: name, reason }),
        }
    }

    /// What in the map cannot be meant.
    fn wrong(&self) -> Option<String> {
        let known = |class: &str| class == super::NO_ATTACK || self.class.contains_key(class);
        let named = self.crowdsec.class.values().chain(self.fail2ban.class.keys());
        let named = named.chain(self.fail2ban.line.iter().filter_map(|line| line.class.as_ref()));
        let sections = self.wazuh.section.iter().filter(|section| section.skip.is_none());
        let mut named = named.chain(sections.map(|section| &section.class));
        named
            .find(|class| !known(class))
            .map(|class| format!("class {class:?} is not described; add [class.{class}]"))
    }

    /// Is a rule or signal a finding of this class (of any, where no attack is expected)?
    pub fn is_finding(&self, class: &str, id: &str) -> bool {
        match self.class.get(class) {
            Some(class) => class.by.contains(id),
            None => self.class.values().any(|class| class.by.contains(id)),
        }
    }

    /// Why a difference stays.
    pub fn explained(&self, suite: &str, case: &str, class: &str) -> Option<String> {
        let fits = |one: &&Difference| {
            one.suite == suite
                && case.contains(&one.case)
                && (one.class.is_empty() || one.class == class)
        };
        self.difference.iter().find(fits).map(|one| one.reason.clone())
    }
}
