//! Every kind of Linux event that the source declares is one that ECS knows: its category, and types that belong to it.

use std::path::Path;

use regex::Regex;

use crate::support;

/// ECS 9: the event types that are expected of a category.
const ALLOWED: &[(&str, &str)] = &[
    ("api", "access admin allowed change creation deletion denied end info start user"),
    ("authentication", "start end info"),
    ("configuration", "access change creation deletion info"),
    ("database", "access change info error"),
    ("driver", "change end info start"),
    ("email", "info"),
    ("file", "access change creation deletion info"),
    ("host", "access change end info start"),
    ("iam", "admin change creation deletion group info user"),
    ("intrusion_detection", "allowed denied info"),
    ("library", "start"),
    ("malware", "info"),
    ("network", "access allowed connection denied end info protocol start"),
    ("package", "access change deletion info installation start"),
    ("process", "access change end info start"),
    ("session", "start end info"),
    ("web", "access error info"),
];

fn allowed(category: &str, types: &str) -> bool {
    category.split(' ').all(|category| {
        let known = ALLOWED.iter().find(|(name, _)| *name == category);
        let of_category = |word| known.is_some_and(|(_, list)| list.split(' ').any(|t| t == word));
        !types.is_empty() && types.split(' ').all(of_category)
    })
}

fn sources(folder: &Path, found: &mut Vec<(String, String)>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            sources(&path, found);
        } else {
            found.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
    }
}

#[test]
fn categories_and_types_are_those_of_ecs() {
    let mut files = Vec::new();
    sources(&support::root().join("src/normalise/linux"), &mut files);
    // `Kind::new(class, "category", "types", …)` and the short `kind(class, "category", "types", …)`.
    let declared = Regex::new(
        r#"\b(?:Kind::new|kind)\(\s*[^"()]*(?:\([^"()]*(?:\([^"()]*\)[^"()]*)*\))?[^"()]*,\s*"([^"]*)",\s*"([^"]*)","#,
    )
    .unwrap();
    let mut seen = 0;
    let mut wrong = Vec::new();
    for (path, text) in &files {
        for found in declared.captures_iter(text) {
            seen += 1;
            if !allowed(&found[1], &found[2]) {
                wrong.push(format!("{path}: {} {}", &found[1], &found[2]));
            }
        }
    }
    assert!(seen > 200, "only {seen} kinds found: the pattern no longer fits the source");
    assert!(wrong.is_empty(), "{wrong:#?}");
}
