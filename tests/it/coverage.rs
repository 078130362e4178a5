//! `docs/coverage.md` holds every capability once, and names only tests that exist.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::support::root;

/// Families of requirement ids and how many each has.
const FAMILIES: [(&str, u32); 5] = [("LG", 88), ("LY", 62), ("I4", 74), ("SL", 28), ("AT", 51)];

fn rows() -> Vec<Vec<String>> {
    let text = fs::read_to_string(root().join("docs/coverage.md")).unwrap();
    text.lines()
        .filter(|line| line.starts_with("| ") && line.contains('-'))
        .map(|line| line.trim_matches('|').split(" | ").map(|c| c.trim().to_owned()).collect())
        .filter(|cells: &Vec<String>| FAMILIES.iter().any(|(f, _)| cells[0].starts_with(f)))
        .collect()
}

fn test_functions() -> String {
    fn walk(folder: &Path, out: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, out);
            } else if path.extension().is_some_and(|end| end == "rs") {
                out.push_str(&fs::read_to_string(&path).unwrap());
            }
        }
    }
    let mut out = String::new();
    walk(&root().join("src"), &mut out);
    walk(&root().join("tests"), &mut out);
    out
}

#[test]
fn every_requirement_stands_once() {
    let mut seen: BTreeMap<String, u32> = BTreeMap::new();
    for row in rows() {
        *seen.entry(row[0].clone()).or_default() += 1;
    }
    let mut wrong = Vec::new();
    for (family, count) in FAMILIES {
        for number in 1..=count {
            let id = format!("{family}-{number:02}");
            if seen.remove(&id) != Some(1) {
                wrong.push(id);
            }
        }
    }
    assert!(wrong.is_empty(), "missing or doubled: {wrong:?}");
    assert!(seen.is_empty(), "unknown ids: {seen:?}");
}

#[test]
fn every_named_test_exists_and_done_rows_name_one() {
    let code = test_functions();
    let mut wrong = Vec::new();
    for row in rows() {
        let (id, state, tests) = (&row[0], &row[2], row.get(4).cloned().unwrap_or_default());
        assert!(
            ["done", "partly", "planned", "not kept"].contains(&state.as_str()),
            "{id}: state {state:?}"
        );
        let tests: Vec<&str> = tests
            .split(',')
            .map(|name| name.trim().trim_matches('`'))
            .filter(|n| !n.is_empty())
            .collect();
        if state == "done" && tests.is_empty() {
            wrong.push(format!("{id}: done without a test"));
        }
        for test in tests {
            let name = test.rsplit("::").next().unwrap();
            if !code.contains(&format!("fn {name}(")) {
                wrong.push(format!("{id}: no test {test}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_page_of_guarantees_names_only_tests_that_exist() {
    /// What else stands in the page as code has fewer underscores, or is a path.
    const UNDERSCORES_OF_A_TEST: usize = 3;
    let code = test_functions();
    let page = fs::read_to_string(root().join("docs/guarantees.md")).unwrap();
    let named: Vec<&str> = page
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.matches('_').count() >= UNDERSCORES_OF_A_TEST)
        .collect();
    assert!(named.len() > 15, "the page names its tests: {named:?}");
    let gone: Vec<&&str> =
        named.iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(gone.is_empty(), "{gone:?}");
}
