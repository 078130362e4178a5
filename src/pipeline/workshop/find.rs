//! Which rules a person means: an id or its beginning, a title, or a file.

use std::collections::BTreeSet;
use std::path::Path;

use rsigma_parser::SigmaRule;

use crate::config::rules::RulesConfig;
use crate::detect::files;
use crate::detect::load::{self, Parsed, Place, RuleProblem};

/// Rules that are listed when a word means several.
const CANDIDATES_MAX: usize = 8;
/// A beginning of an id must have this many characters.
const ID_START_MIN: usize = 4;

/// No rule, or too many, are meant.
#[derive(Debug, thiserror::Error)]
pub enum NoRule {
    /// Nothing fits.
    #[error("no rule is called {0:?} under {1}")]
    None(String, String),
    /// Several fit.
    #[error("{0:?} means {1} rules: {2}")]
    Several(String, usize, String),
}

/// A rule with where it stands and the id by which it goes.
#[derive(Debug)]
pub struct FoundRule {
    /// The rule, filters joined.
    pub rule: SigmaRule,
    /// Its id, or the one it gets where it has none.
    pub id: String,
    /// Where it stands.
    pub place: Place,
}

/// The rules meant by `word` among those that are configured. A correlation stands for the rules that go into it.
pub fn find(
    word: &str,
    rules: &RulesConfig,
    problems: &mut Vec<RuleProblem>,
) -> Result<Vec<FoundRule>, NoRule> {
    if is_file(word, rules) {
        let parsed = load::read(&only(rules, word), problems);
        return Ok(parsed.rules.into_iter().map(found).collect());
    }
    let parsed = load::read(rules, problems);
    let wanted = chosen(&parsed, word, rules)?;
    let mut out = Vec::new();
    for (rule, place) in parsed.rules {
        let rule = found((rule, place));
        if wanted.iter().any(|name| goes_by(&rule, name)) {
            out.push(rule);
        }
    }
    Ok(out)
}

fn is_file(word: &str, rules: &RulesConfig) -> bool {
    files::in_pack(word).is_some()
        || files::on_disk(word, &rules.packs).is_some_and(|path| path.is_file())
        || Path::new(word).is_file()
}

/// The rules of one place and no others, read as the configuration says.
fn only(rules: &RulesConfig, place: &str) -> RulesConfig {
    let mut only = RulesConfig { paths: vec![place.to_owned()], ..rules.clone() };
    // A pack is loaded also when no path names it; it stays known when its files are meant.
    let pack = files::pack_of(place);
    only.packs.retain(|known| pack == Some(known.name.as_str()));
    only
}

/// What to load so that the rules meant by a word run, and no others speak.
#[derive(Debug, Default)]
pub struct WantedRules {
    /// Where rules are loaded from.
    pub rules: RulesConfig,
    /// Ids to leave out.
    pub off: BTreeSet<String>,
    /// Ids that are meant.
    pub ids: BTreeSet<String>,
}

/// As [`find`], to run them: a correlation needs the rules that go into it, but only it is meant.
pub fn wanted(word: &str, rules: &RulesConfig) -> Result<WantedRules, NoRule> {
    let pack = word.strip_prefix(files::PACK_PREFIX);
    let is_place = word == files::BUILTIN
        || is_file(word, rules)
        || rules.packs.iter().any(|known| Some(known.name.as_str()) == pack)
        || Path::new(word).exists();
    let rules = if is_place { only(rules, word) } else { rules.clone() };
    let parsed = load::read(&rules, &mut Vec::new());
    let plain = parsed.rules.iter().map(|(rule, _)| (&rule.id, &rule.name, &rule.title));
    let joined = parsed.correlations.iter().map(|(rule, _)| (&rule.id, &rule.name, &rule.title));
    let all: Vec<(String, Option<&String>)> = plain
        .chain(joined)
        .map(|(id, name, title)| (id.clone().unwrap_or_else(|| load::id_of(title)), name.as_ref()))
        .collect();
    if is_place {
        let ids = all.into_iter().map(|(id, _)| id).collect();
        return Ok(WantedRules { rules, off: BTreeSet::new(), ids });
    }
    let needed = chosen(&parsed, word, &rules)?;
    let goes = |(id, name): &(String, Option<&String>), needed: &String| {
        id == needed || *name == Some(needed)
    };
    let off = all.iter().filter(|rule| !needed.iter().any(|needed| goes(rule, needed)));
    let ids = all.iter().filter(|rule| needed.first().is_some_and(|first| goes(rule, first)));
    Ok(WantedRules {
        off: off.map(|(id, _)| id.clone()).collect(),
        ids: ids.map(|(id, _)| id.clone()).collect(),
        rules,
    })
}

fn found((rule, place): (SigmaRule, Place)) -> FoundRule {
    let id = rule.id.clone().unwrap_or_else(|| load::id_of(&rule.title));
    FoundRule { rule, id, place }
}

fn goes_by(rule: &FoundRule, name: &str) -> bool {
    rule.id == name || rule.rule.name.as_deref() == Some(name)
}

/// Ids and names of the rules that are meant.
fn chosen(parsed: &Parsed, word: &str, rules: &RulesConfig) -> Result<Vec<String>, NoRule> {
    let lower = word.to_lowercase();
    let plain = parsed.rules.iter().map(|(rule, _)| (&rule.id, &rule.name, &rule.title));
    let joined = parsed.correlations.iter().map(|(rule, _)| (&rule.id, &rule.name, &rule.title));
    let all: Vec<(String, Option<&str>, &str)> = plain
        .chain(joined)
        .map(|(id, name, title)| {
            (id.clone().unwrap_or_else(|| load::id_of(title)), name.as_deref(), title.as_str())
        })
        .collect();
    type Test<'a> = &'a dyn Fn(&(String, Option<&str>, &str)) -> bool;
    let tests: [Test<'_>; 4] = [
        &|(id, name, _)| id.eq_ignore_ascii_case(word) || *name == Some(word),
        &|(_, _, title)| title.to_lowercase() == lower,
        &|(id, _, _)| word.len() >= ID_START_MIN && id.to_lowercase().starts_with(&lower),
        &|(_, _, title)| title.to_lowercase().contains(&lower),
    ];
    for test in tests {
        let hits: Vec<_> = all.iter().filter(|rule| test(rule)).collect();
        match hits.as_slice() {
            [] => {}
            [(id, _, _)] => return Ok(with_inputs(parsed, id)),
            several => {
                let listed = several.iter().take(CANDIDATES_MAX);
                let listed: Vec<String> =
                    listed.map(|(id, _, title)| format!("{id} ({title})")).collect();
                return Err(NoRule::Several(word.to_owned(), several.len(), listed.join(", ")));
            }
        }
    }
    Err(NoRule::None(word.to_owned(), rules.places().join(", ")))
}

/// The rule itself, or the rules that go into it when it is a correlation; correlations of correlations are followed.
fn with_inputs(parsed: &Parsed, id: &str) -> Vec<String> {
    let mut out = vec![id.to_owned()];
    let mut at = 0;
    while let Some(name) = out.get(at).cloned() {
        let joined = parsed.correlations.iter().find(|(rule, _)| {
            rule.id.as_deref() == Some(&name)
                || rule.name.as_deref() == Some(&name)
                || (rule.id.is_none() && load::id_of(&rule.title) == name)
        });
        for input in joined.into_iter().flat_map(|(rule, _)| &rule.rules) {
            if !out.contains(input) {
                out.push(input.clone());
            }
        }
        at += 1;
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn titles(word: &str) -> Result<Vec<String>, NoRule> {
        let found = find(word, &RulesConfig::default(), &mut Vec::new())?;
        Ok(found.into_iter().map(|rule| rule.rule.title).collect())
    }

    #[test]
    fn ids_beginnings_titles_and_files_are_understood() {
        let escape = ["sudo with a program that gives a shell"];
        assert_eq!(titles("097fff85-f273-5a7d-ae9f-a259680e001e").unwrap(), escape);
        assert_eq!(titles("097fff85").unwrap(), escape);
        assert_eq!(titles("SUDO with a program that gives a shell").unwrap(), escape);
        assert_eq!(titles("program that gives a").unwrap(), escape);
        assert_eq!(titles("builtin/linux/sudo_escape.yml").unwrap(), escape);
        assert!(matches!(titles("sudo"), Err(NoRule::Several(_, 2.., _))));
        assert!(matches!(titles("no such thing"), Err(NoRule::None(..))));
    }

    #[test]
    fn a_correlation_stands_for_the_rules_that_go_into_it() {
        let found = titles("SSH log-in after password guessing").unwrap();
        assert_eq!(found, ["SSH password refused", "SSH log-in accepted"]);
    }
}
