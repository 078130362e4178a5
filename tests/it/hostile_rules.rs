//! A folder with a hundred thousand rules, some of them broken in every way there is: what is wrong is listed, the rest
//! runs.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::support::watchfloor;

const RULES: usize = 100_000;
/// The test profile's program takes ten times as long; `script/test` has the release build.
const RULES_UNOPTIMISED: usize = 10_000;
const RULES_OF_FILE: usize = 2_000;

/// Write them all. Returns how many are good, and how many stand in a circle.
fn write(rules: &Path) -> (usize, usize) {
    let many = if std::env::var_os("WATCHFLOOR_BIN").is_some() { RULES } else { RULES_UNOPTIMISED };
    for file in 0..many / RULES_OF_FILE {
        let mut text = String::new();
        for number in file * RULES_OF_FILE..(file + 1) * RULES_OF_FILE {
            let _ = write!(
                text,
                "title: rule {number}\nid: id-{number}\nlogsource: {{product: linux, service: sshd}}\n\
                 detection: {{s: {{message|contains: [w{number}w, x{number}x]}}, condition: s}}\nlevel: low\n---\n"
            );
        }
        fs::write(rules.join(format!("{file:03}.yml")), text).unwrap();
    }
    let rule = |id: &str, item: &str| {
        format!(
            "title: t\nid: {id}\nlogsource: {{product: linux, service: sshd}}\n\
                 detection: {{s: {{{item}}}, condition: s}}\n"
        )
    };
    // A circle of as many correlations as a file holds.
    let count = 1_000;
    let circle: String = (0..count)
        .map(|number| {
            let next = (number + 1) % count;
            format!(
                "title: c{number}\nid: c{number}\ncorrelation: {{type: event_count, rules: [c{next}], timespan: 1m, \
                 condition: {{gte: 2}}}}\n---\n"
            )
        })
        .collect();
    for (name, text) in [
        ("circle.yml", circle),
        ("twice.yml", rule("id-7", "message: x")),
        ("modifier.yml", rule("bad-1", "message|containz: x")),
        ("pattern.yml", rule("bad-2", "message|re: '((a{1,1000}){1,1000}){1,1000}'")),
        ("half.yml", rule("bad-3", "message: x")[..40].to_owned() + "\"[ {"),
        ("latin1.yml", String::new()),
    ] {
        fs::write(rules.join(name), text).unwrap();
    }
    fs::write(rules.join("latin1.yml"), b"title: caf\xe9\n").unwrap();
    (many, count)
}

#[test]
fn a_hundred_thousand_rules_load_and_the_broken_ones_are_listed() {
    let folder = tempfile::tempdir().unwrap();
    let rules = folder.path().join("rules");
    fs::create_dir(&rules).unwrap();
    let (many, circle) = write(&rules);
    let output = watchfloor(folder.path())
        .args(["rules", "check", rules.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", String::from_utf8_lossy(&output.stderr));
    let last = said.lines().last().unwrap();
    assert!(last.starts_with(&format!("{many} rules run (")), "{last}");
    assert!(last.contains(&format!(", {} do not run", circle + 5)), "{last}");
    let of = |file: &str| {
        let found = said.lines().find(|line| line.contains(&format!("/{file}:")));
        found.unwrap_or_else(|| panic!("{file} is not listed")).to_owned()
    };
    assert!(of("circle.yml").contains("c1"), "{}", of("circle.yml"));
    assert!(of("twice.yml").contains("has the id id-7 of the rule in"), "{}", of("twice.yml"));
    assert!(of("modifier.yml").contains("containz"), "{}", of("modifier.yml"));
    assert!(of("pattern.yml").contains("regex"), "{}", of("pattern.yml"));
    assert!(of("latin1.yml").contains("UTF-8"), "{}", of("latin1.yml"));
    of("half.yml");
    // None of that stands in the way of what runs.
    let log = folder.path().join("auth.log");
    let line = "Nov 20 09:15:54 web01 sshd[7]: error: w4242w\n";
    fs::write(&log, line).unwrap();
    let output = watchfloor(folder.path())
        .args(["scan", "--quiet", "--format", "ndjson", "--rules"])
        .args([&rules, &log])
        .output()
        .unwrap();
    let found = String::from_utf8(output.stdout).unwrap();
    assert_eq!(found.lines().count(), 1, "{found}{}", String::from_utf8_lossy(&output.stderr));
    assert!(found.contains("id-4242"), "{found}");
}
