//! The Sigma specification, sentence by sentence (`tests/conformance/sigma.yml`), judged by index and by plain
//! evaluation. `docs/sigma.md` shows the table between its marks.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use serde::Deserialize;
use serde_json::Value as Json;
use watchfloor::config::rules::RulesConfig;
use watchfloor::detect::RuleSet;
use watchfloor::model::event::{Event, Value};
use watchfloor::model::field;

use crate::support::root;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    part: String,
    says: String,
    detection: Json,
    #[serde(default)]
    placeholders: BTreeMap<String, Vec<String>>,
    #[serde(default)]
    fires: Vec<serde_json::Map<String, Json>>,
    #[serde(default)]
    silent: Vec<serde_json::Map<String, Json>>,
    /// A part of the reason for which the rule does not run.
    refused: Option<String>,
}

fn cases() -> Vec<Case> {
    let text = fs::read_to_string(root().join("tests/conformance/sigma.yml")).unwrap();
    serde_saphyr::from_str(&text).unwrap()
}

fn event(fields: &serde_json::Map<String, Json>) -> Event {
    let mut event = Event::with_capacity(8, 256);
    event.push_str(field::WINLOG_CHANNEL, "Microsoft-Windows-Sysmon/Operational");
    event.push_str(field::WINLOG_PROVIDER_NAME, "Microsoft-Windows-Sysmon");
    event.push_str(field::EVENT_CODE, "1");
    for (name, value) in fields {
        let name = format!("winlog.event_data.{name}");
        match value {
            Json::Array(list) => list.iter().for_each(|value| push(&mut event, &name, value)),
            value => push(&mut event, &name, value),
        }
    }
    event
}

fn push(event: &mut Event, name: &str, value: &Json) {
    let value = match value {
        Json::Null => Value::Null,
        Json::Bool(truth) => Value::Bool(*truth),
        Json::Number(number) => match number.as_i64() {
            Some(number) => Value::Int(number),
            None => Value::Float(number.as_f64().unwrap()),
        },
        Json::String(text) => Value::Str(text),
        other => panic!("not a value: {other}"),
    };
    event.push_named(name, value);
}

#[test]
fn every_sentence_of_the_specification_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("rule.yml");
    let mut wrong = Vec::new();
    let cases = cases();
    for case in &cases {
        // JSON is YAML.
        let rule = serde_json::json!({
            "title": "t",
            "logsource": {"product": "windows", "category": "process_creation"},
            "detection": case.detection,
        });
        fs::write(&path, rule.to_string()).unwrap();
        let config = RulesConfig {
            paths: vec![path.display().to_string()],
            placeholders: case.placeholders.clone(),
            ..RulesConfig::default()
        };
        let loaded = RuleSet::load_for_comparison(&config);
        let reasons: Vec<String> =
            loaded.problems.iter().map(|problem| problem.reason.clone()).collect();
        if let Some(wanted) = &case.refused {
            if !reasons.iter().any(|reason| reason.to_lowercase().contains(&wanted.to_lowercase()))
            {
                wrong.push(format!("{}: not refused for {wanted}: {reasons:?}", case.says));
            }
            continue;
        }
        assert!(!case.fires.is_empty() && !case.silent.is_empty(), "{}: no events", case.says);
        if !reasons.is_empty() {
            wrong.push(format!("{}: {reasons:?}", case.says));
            continue;
        }
        for (fields, expected) in
            case.fires.iter().map(|it| (it, true)).chain(case.silent.iter().map(|it| (it, false)))
        {
            let event = event(fields);
            let (mut ours, mut plain) = (Vec::new(), Vec::new());
            loaded.rules.judge(&event, &mut ours);
            loaded.rules.judge_by_library(&event, &mut plain);
            if ours.is_empty() == expected {
                wrong.push(format!("{}: {fields:?} gives {}", case.says, !expected));
            }
            if ours != plain {
                wrong.push(format!("{}: {fields:?} differs from plain evaluation", case.says));
            }
        }
    }
    assert!(cases.len() >= 75, "{} sentences", cases.len());
    let names: BTreeSet<&str> = cases.iter().map(|case| case.says.as_str()).collect();
    assert_eq!(names.len(), cases.len(), "two cases say the same");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_shows_every_sentence() {
    const BEGIN: &str = "<!-- table of tests/conformance/sigma.yml -->\n";
    const END: &str = "<!-- end of the table -->\n";
    let mut table = String::new();
    let mut part = String::new();
    for case in cases() {
        if case.part != part {
            part.clone_from(&case.part);
            table += &format!(
                "\n### {part}\n\n| the specification says | rule | matches | does not |\n| --- | --- | --- | --- |\n"
            );
        }
        let cell = |text: String| text.replace('|', "\\|").replace('\n', "⏎");
        let brief = |events: &[serde_json::Map<String, Json>]| {
            let shown = events.iter().map(|event| format!("`{}`", Json::Object(event.clone())));
            cell(shown.collect::<Vec<_>>().join(" "))
        };
        let detection = cell(format!("`{}`", case.detection));
        let fires =
            case.refused.map_or_else(|| brief(&case.fires), |why| format!("refused: {why}"));
        table +=
            &format!("| {} | {detection} | {fires} | {} |\n", cell(case.says), brief(&case.silent));
    }
    let path = root().join("docs/sigma.md");
    let page = fs::read_to_string(&path).unwrap();
    let (head, rest) = page.split_once(BEGIN).expect("the page has a place for the table");
    let (_, tail) = rest.split_once(END).expect("the table has an end");
    let wanted = format!("{head}{BEGIN}{table}\n{END}{tail}");
    if std::env::var_os("WATCHFLOOR_BLESS").is_some() {
        fs::write(&path, &wanted).unwrap();
    } else {
        assert!(
            page == wanted,
            "docs/sigma.md is old: WATCHFLOOR_BLESS=1 cargo test --test it sigma_conformance"
        );
    }
}
