//! crowdsec's hub tests: a folder with `config.yaml` (which log, which scenarios are loaded), the log, and
//! `scenario.assert` (which scenarios overflow for which sources). Every scenario and source asserted is a case, and so
//! is that no other address of the log is accused of that class. A test that loads scenarios and asserts none expects
//! nobody accused; one that loads none says nothing.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::Regex;

use crate::scoreboard::attacks::judge::{ANCHOR, case, skipped};
use crate::scoreboard::attacks::{Case, Expected, Judge, Map};
use crate::scoreboard::feed::Line;
use crate::scoreboard::tables::{Crowdsec, Tables};
use crate::scoreboard::{ScoreError, TestFile, failure, read};

static SOURCE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^"([^"]+)" in results\[(\d+)\]\.Overflow\.GetSources\(\)"#).ok()
});
static SCENARIO: LazyLock<Option<Regex>> = LazyLock::new(|| {
    Regex::new(r#"^results\[(\d+)\]\.Overflow\.Alert\.GetScenario\(\) == "([^"]+)""#).ok()
});

/// Is it the settings of such a test?
pub fn recognise(file: &TestFile<'_>) -> bool {
    file.path.file_name().is_some_and(|name| name == "config.yaml")
        && (file.path.with_file_name("scenario.assert").is_file()
            || file.path.with_file_name("parser.assert").is_file())
}

/// The cases of a test.
pub fn cases(file: &TestFile<'_>, judge: &Judge, map: &Map) -> Result<Vec<Case>, ScoreError> {
    let folder = file.path.parent().and_then(|folder| folder.file_name());
    let test = folder.map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let setting = |name: &str| {
        let line = file.text.lines().find_map(|line| line.strip_prefix(name))?;
        line.strip_prefix(':').map(|value| value.trim().trim_matches('"').to_owned())
    };
    let path = file.path.with_file_name("scenario.assert");
    let asserted = if path.is_file() { overflows(&read(&path)?) } else { BTreeMap::new() };
    if asserted.is_empty() && !loads_scenarios(file.text) {
        return Ok(vec![skipped(
            "crowdsec",
            test,
            "the test loads no scenario: it expects nothing",
        )]);
    }
    let Some(log) = setting("log_file") else { return Ok(Vec::new()) };
    let text = read(&file.path.with_file_name(&log))?;
    let lines: Vec<Line<'_>> = (1_u64..)
        .zip(text.lines())
        .filter(|(_, line)| !line.trim().is_empty())
        .map(|(number, line)| Line { number, text: Cow::Borrowed(line) })
        .collect();
    let tables: Crowdsec = Tables::load(None)?.crowdsec;
    // As `scan` reads a file, unless an administrator would have to say what it is.
    let format = tables.format.get(&test).map_or("auto", String::as_str);
    let all = judge.lines(&log, format, ANCHOR, &lines);
    let mut cases = Vec::new();
    let mut classes: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for (scenario, sources) in &asserted {
        let name = format!("{test}: {scenario}");
        let Some(class) = map.crowdsec.class.get(scenario) else {
            let why = map.crowdsec.skip.get(scenario).map(String::as_str);
            cases.push(skipped("crowdsec", name, why.unwrap_or("not in attacks.toml")));
            continue;
        };
        for source in sources {
            let expected = match failure::address(source) {
                Some(_) => Expected::By(source.clone()),
                None => Expected::Somebody,
            };
            cases.push(case(map, ("crowdsec", name.clone(), class), expected, &all));
            classes.entry(class).or_default().push(source.clone());
        }
    }
    if asserted.is_empty() {
        classes.insert(super::NO_ATTACK, Vec::new());
    }
    for (class, sources) in classes {
        // Where the source is no address (a process), the log has nobody else to compare with.
        if sources.iter().all(|source| failure::address(source).is_some()) {
            let name = format!("{test}: the others");
            cases.push(case(map, ("crowdsec", name, class), Expected::NobodyBut(sources), &all));
        }
    }
    Ok(cases)
}

/// Scenario → sources.
fn overflows(text: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut scenarios: BTreeMap<String, String> = BTreeMap::new();
    let mut sources: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let part = |found: &regex::Captures<'_>, index: usize| {
            found.get(index).map_or(String::new(), |part| part.as_str().to_owned())
        };
        if let Some(found) = SOURCE.as_ref().and_then(|pattern| pattern.captures(line)) {
            sources.push((part(&found, 2), part(&found, 1)));
        } else if let Some(found) = SCENARIO.as_ref().and_then(|pattern| pattern.captures(line)) {
            scenarios.insert(part(&found, 1), part(&found, 2));
        }
    }
    let mut asserted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (number, source) in sources {
        if let Some(scenario) = scenarios.get(&number) {
            asserted.entry(scenario.clone()).or_default().insert(source);
        }
    }
    asserted
}

/// Does the list under `scenarios:` name one?
fn loads_scenarios(config: &str) -> bool {
    config
        .lines()
        .skip_while(|line| !line.starts_with("scenarios:"))
        .skip(1)
        .take_while(|line| line.starts_with([' ', '-']))
        .any(|line| !line.trim().trim_start_matches('-').trim().trim_matches('"').is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overflow_is_a_scenario_with_its_sources() {
        let text = "len(results) == 1\n\
                    \"192.0.2.7\" in results[0].Overflow.GetSources()\n\
                    results[0].Overflow.Alert.GetScenario() == \"a/b\"\n\
                    \"192.0.2.8\" in results[1].Overflow.GetSources()\n";
        let found = overflows(text);
        let sources: Vec<&String> = found.get("a/b").unwrap().iter().collect();
        assert_eq!(sources, ["192.0.2.7"]);
        assert_eq!(found.len(), 1);
    }

    #[test]
    fn an_empty_list_of_scenarios_loads_none() {
        assert!(loads_scenarios("scenarios:\n- a/b\nlog_file: x\n"));
        assert!(!loads_scenarios("scenarios:\n- \"\"\nlog_file: x\n"));
        assert!(!loads_scenarios("scenarios:\nlog_file: x\n- a\n"));
    }
}
